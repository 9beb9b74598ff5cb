"""A model with a projector, tiny and of random weights, given pictures: by the engine alone, and over HTTP."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import urllib.error
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ollama
import pytest
from PIL import Image

from puna import media
from puna.engine import LoadSpec, Sampling, Stopped
from puna.engine.llamacpp import LlamaCpp, LlamaCppModel
from puna.errors import ContextTooLong, InvalidRequest
from puna.options import Options
from puna.types import Conversation, Prompt

pytestmark = pytest.mark.real

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP"]
TEMPLATE = "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant: "
EMBEDDINGS = 16
"""What the tiny projector makes of a picture; llama.cpp puts words before and after them."""


def picture(format_: str = "PNG", color: str = "red") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (60, 40), color).save(written, format_)
    return written.getvalue()


@dataclass(frozen=True)
class TinyVision:
    """The two files of a model that sees."""

    model: Path
    projector: Path


@pytest.fixture(scope="module")
def tiny(tiny: tuple[Path, Path]) -> TinyVision:
    return TinyVision(*tiny)


@asynccontextmanager
async def loaded(tiny: TinyVision, projector: Path | None) -> AsyncIterator[LlamaCppModel]:
    engine = LlamaCpp()
    try:
        yield await engine.load(LoadSpec(tiny.model, num_ctx=2048, parallel=1, threads=1, projector=projector))
    finally:
        await engine.close()


async def ask(model: LlamaCppModel, prompt: Prompt | Conversation, num_ctx: int = 2048) -> Stopped:
    sampling = Sampling(Options(temperature=0.0, seed=1), max_tokens=4, num_ctx=num_ctx)
    items = [item async for item in model.generate(prompt, sampling)]
    assert isinstance(items[-1], Stopped)
    return items[-1]


def parts(*pictures: bytes) -> Conversation:
    urls = [f"data:{media.kind(data)};base64,{base64.b64encode(data).decode()}" for data in pictures]
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return Conversation([{"role": "user", "content": [{"type": "text", "text": "What?"}, *images]}])


def test_the_engine_sees_what_stands_in_a_prompt(tiny: TinyVision) -> None:
    """Each picture takes its tokens, in a prompt and in a conversation; a text about pictures takes none."""

    async def scene() -> None:
        async with loaded(tiny, tiny.projector) as model:
            image = picture()
            blind = (await ask(model, Prompt("What? [img-0]"))).usage.prompt_tokens
            one = (await ask(model, Prompt("What? [img-0]", images=(image,)))).usage.prompt_tokens
            two = (await ask(model, Prompt("What? [img-0][img-1]", images=(image, image)))).usage.prompt_tokens
            text = Prompt("What? " + media.shielded("[img-0]"), images=(image,))
            assert blind == (await ask(model, text)).usage.prompt_tokens
            assert two - one >= EMBEDDINGS
            told = [(await ask(model, parts(*[image] * count))).usage.prompt_tokens for count in (0, 1, 2)]
            assert told[1] - told[0] >= EMBEDDINGS
            assert two - one == told[2] - told[1]
            assert "user: What?[img-0]\nassistant: " == await model.render(parts(image))

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_the_engines_own_refusals(tiny: TinyVision) -> None:
    """Pictures that do not fit, cannot be read, or that the model cannot see are the caller's errors."""

    async def scene() -> None:
        async with loaded(tiny, tiny.projector) as model:
            with pytest.raises(ContextTooLong) as refused:
                await ask(model, Prompt("[img-0]" * 60, images=(picture(),)))
            assert refused.value.prompt_tokens > 60 * EMBEDDINGS
            with pytest.raises(ContextTooLong):
                await ask(model, Prompt("[img-0]" * 10, images=(picture(),)), num_ctx=64)
            with pytest.raises(InvalidRequest):
                await ask(model, Prompt("[img-0]", images=(picture()[:40],)))
        async with loaded(tiny, None) as model:
            with pytest.raises(InvalidRequest):
                await ask(model, Prompt("[img-0]", images=(picture(),)))

    asyncio.run(asyncio.wait_for(scene(), 60))


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    start_server: Callable[..., AbstractContextManager[Any]],
    tiny: TinyVision,
) -> Iterator[Any]:
    """A server with the tiny model under three names: with a TEMPLATE, with the template in its GGUF, and blind."""
    with start_server(tmp_path_factory.mktemp("store")) as running:
        running.create("with-template", tiny.model, tiny.projector, template=TEMPLATE)
        running.create("with-jinja", tiny.model, tiny.projector)
        running.create("blind", tiny.model, template=TEMPLATE)
        yield running


def chat(server: Any, model: str, *images: bytes, content: str = "What?", **fields: Any) -> Any:
    message = {"role": "user", "content": content, "images": [base64.b64encode(image).decode() for image in images]}
    options = {"num_predict": 4, "temperature": 0}
    body = {"model": model, "messages": [message], "stream": False, "options": options, **fields}
    return server.call("POST", "/api/chat", body)


def generate(server: Any, model: str, *images: bytes, prompt: str = "What?", **fields: Any) -> Any:
    encoded = [base64.b64encode(image).decode() for image in images]
    options = {"num_predict": 4, "temperature": 0}
    body = {"model": model, "prompt": prompt, "images": encoded, "stream": False, "options": options, **fields}
    return server.call("POST", "/api/generate", body)


def refusal(call: Callable[..., Any], *said: Any, **fields: Any) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as refused:
        call(*said, **fields)
    with refused.value as reply:
        return reply.code, json.loads(reply.read())["error"]


@pytest.mark.parametrize("model", ["with-template", "with-jinja"])
@pytest.mark.parametrize("call", [chat, generate])
def test_every_kind_of_picture_is_seen(server: Any, model: str, call: Callable[..., Any]) -> None:
    """JPEG, PNG, WebP, GIF and BMP take the same tokens, more than the words alone."""
    counts = {format_: call(server, model, picture(format_))["prompt_eval_count"] for format_ in FORMATS}
    assert 1 == len(set(counts.values())), counts
    assert counts["PNG"] >= call(server, model)["prompt_eval_count"] + EMBEDDINGS


@pytest.mark.parametrize("model", ["with-template", "with-jinja"])
def test_a_model_that_sees_says_so(server: Any, model: str) -> None:
    """Programs ask before they offer to attach a picture."""
    assert "vision" in server.call("POST", "/api/show", {"model": model})["capabilities"]


@pytest.mark.parametrize("call", [chat, generate])
def test_a_model_that_does_not_see_refuses_pictures(server: Any, call: Callable[..., Any]) -> None:
    """Instead of answering as if there were none."""
    expected = (400, "registry.ollama.ai/library/blind:latest does not support vision")
    assert expected == refusal(call, server, "blind", picture())


@pytest.mark.parametrize("model", ["with-template", "with-jinja"])
@pytest.mark.parametrize("call", [chat, generate])
def test_a_broken_picture_is_refused(server: Any, model: str, call: Callable[..., Any]) -> None:
    """With a reason, and which one it is; so is sound, which this model does not hear."""
    status, error = refusal(call, server, model, picture(), picture()[:40])
    assert (400, "image 2 cannot be read: its PNG data is damaged or cut short") == (status, error)
    status, error = refusal(call, server, model, b"RIFF\x24\0\0\0WAVEfmt ")
    assert (400, f"registry.ollama.ai/library/{model}:latest does not support audio") == (status, error)


@pytest.mark.parametrize("call", [chat, generate])
def test_the_prompt_shows_where_images_stand(server: Any, call: Callable[..., Any]) -> None:
    """Rendering only: a marker for each, where [img] is or first, and how many there are; the rest stays as written."""
    words = {"content" if call is chat else "prompt": "see [img] not [img-0]"}
    reply = call(server, "with-template", picture(), picture(), _debug_render_only=True, **words)
    assert "user: [img-1]see [img-0] not [img-0]\nassistant: " == reply["_debug_info"]["rendered_template"]
    assert 2 == reply["_debug_info"]["image_count"]


def test_words_about_images_are_only_words(server: Any) -> None:
    """A caller who writes what puna or llama.cpp use as markers gets an answer, and no second look."""
    plain = chat(server, "with-template", picture(), content="a xxxxxxx b")["prompt_eval_count"]
    assert plain == chat(server, "with-template", picture(), content="a [img-0] b")["prompt_eval_count"]
    for model in ("with-template", "with-jinja"):
        assert chat(server, model, picture(), content="<__media__> [img-3]")["done"]


def test_the_official_client_sends_pictures(server: Any, tmp_path: Path) -> None:
    """As bytes or as a file's path, as its multimodal examples do."""
    path = tmp_path / "photo.webp"
    path.write_bytes(picture("WEBP"))
    message = {"role": "user", "content": "What?", "images": [path]}
    options = {"num_predict": 4}
    with closing(ollama.Client(host=server.url)) as client:
        told = client.chat(model="with-jinja", messages=[message], options=options)
        pieces = client.generate(
            model="with-template", prompt="What?", images=[picture()], stream=True, options=options
        )
        assert list(pieces)[-1].done
    assert told.prompt_eval_count == chat(server, "with-jinja", picture())["prompt_eval_count"]


def test_a_raw_prompt_has_its_picture(server: Any) -> None:
    """Where its marker is."""
    seen = generate(server, "with-template", picture(), prompt="a [img-0] b", raw=True)["prompt_eval_count"]
    blind = generate(server, "with-template", prompt="a  b", raw=True)["prompt_eval_count"]
    assert seen >= blind + EMBEDDINGS


def test_a_long_conversation_loses_its_oldest_picture(server: Any) -> None:
    """Whole turns are left out with what they show, and the answer says so."""
    shown = base64.b64encode(picture()).decode()
    messages = [{"role": "user", "content": "x" * 900, "images": [shown]} for _ in range(3)]
    body = {
        "model": "with-template",
        "messages": messages,
        "stream": False,
        "options": {"num_predict": 1, "num_ctx": 5},
    }
    reply = server.call("POST", "/api/chat", body)
    assert reply["prompt_truncated"]
    assert reply["prompt_eval_count"] < 2048
