"""Images in requests: what is refused, what is prepared, and where their markers stand."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from puna import media as bytes_of
from puna.errors import InvalidRequest, NotCapable
from puna.gguf import Gguf
from puna.names import ModelName
from puna.service import media
from puna.store.models import Model
from puna.types import Details, Message, Tensor, ToolCall

SOUND = b"RIFF\x24\0\0\0WAVEfmt "


def picture(format_: str = "PNG") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(written, format_)
    return written.getvalue()


def header(architecture: str, *tensors: str) -> Gguf:
    shapes = tuple(Tensor(name, "F32", (1,)) for name in tensors)
    return Gguf(Path("weights"), {"general.architecture": architecture}, shapes, 0, 0)


@dataclass
class Fake:
    """What the service asks of a model."""

    name: ModelName = field(default_factory=lambda: ModelName.parse("eyes"))
    capabilities: tuple[str, ...] = ("completion", "vision")
    details: Details = field(default_factory=Details)
    renderer: str = ""
    template_choice: str = "go"
    projectors: tuple[Path, ...] = ()
    gguf: Gguf = field(default_factory=lambda: header("llama"))


def model(**said: Any) -> Model:
    return cast(Model, Fake(**said))


def user(content: str, *images: bytes) -> Message:
    return Message("user", content, images=images)


def contents(messages: tuple[Message, ...]) -> list[str]:
    return [message.content for message in messages]


@pytest.mark.parametrize(
    ("missing", "capabilities", "images"),
    [
        ("vision", ("completion",), [picture()]),
        ("vision", ("completion", "audio"), [SOUND, picture()]),
        ("audio", ("completion", "vision"), [picture(), SOUND]),
        ("vision\naudio", ("completion",), [picture(), SOUND, picture()]),
    ],
)
def test_a_model_that_cannot_is_named_with_what_it_lacks(
    missing: str, capabilities: tuple[str, ...], images: list[bytes]
) -> None:
    """Pictures need vision and sound needs hearing; each is named once."""
    with pytest.raises(NotCapable) as refused:
        media.check(model(capabilities=capabilities), [user("What?", *images)])
    assert f"registry.ollama.ai/library/eyes:latest does not support {missing}" == str(refused.value)


def test_a_model_that_can_is_let_through() -> None:
    """As is any model where there are no images."""
    media.check(model(capabilities=("vision", "audio")), [user("What?", picture(), SOUND)])
    media.check(model(capabilities=()), [user("What?")])


@pytest.mark.parametrize("details", [Details(family="mllama"), Details(family="x", families=("x", "mllama"))])
def test_mllama_takes_one_image_in_a_message(details: Details) -> None:
    """Two messages may have one each."""
    media.check(model(details=details), [user("a", picture()), user("b", picture())])
    with pytest.raises(InvalidRequest, match="only supports one image"):
        media.check(model(details=details), [user("a", picture(), picture())])


def test_images_are_made_readable() -> None:
    """WebP comes out as PNG, in its place; messages without images stay what they are."""
    plain = user("Hello")
    first, second = media.readable([plain, user("What?", picture("JPEG"), picture("WEBP"))])
    assert plain is first
    assert ["image/jpeg", "image/png"] == [bytes_of.kind(image) for image in second.images]


@pytest.mark.parametrize(
    ("expected", "messages"),
    [
        ("image 2 cannot be read", [user("a", picture(), b"nonsense")]),
        ("image 3 cannot be read", [user("a", picture(), picture()), user("b"), user("c", b"nonsense")]),
    ],
)
def test_an_unreadable_image_is_pointed_out(expected: str, messages: list[Message]) -> None:
    """By its place among all images of the request."""
    with pytest.raises(InvalidRequest, match=expected):
        media.readable(messages)


@pytest.mark.parametrize(
    ("expected", "content", "count"),
    [
        ("Hi", "Hi", 0),
        ("[img]", "[img]", 0),
        ("[img-0]Hi", "Hi", 1),
        ("[img-0][img-1]Hi", "Hi", 2),
        ("a [img-0] b", "a [img] b", 1),
        ("[img-1]a [img-0] b", "a [img] b", 2),
        ("a [img-0] b [img]", "a [img] b [img]", 1),
        ("[img-0][img-1]", "[img][img]", 2),
    ],
)
def test_markers_stand_where_the_caller_wants_them_or_first(expected: str, content: str, count: int) -> None:
    """Each [img] takes the next image; those that are left come before the text."""
    assert [expected] == contents(media.placed([user(content, *[picture()] * count)]))


def test_numbers_go_on_through_the_conversation() -> None:
    """As the images of all messages together."""
    messages = [user("a", b"0"), Message("assistant", "b"), user("[img]c", b"1", b"2")]
    assert ["[img-0]a", "b", "[img-2][img-1]c"] == contents(media.placed(messages))
    assert (b"0", b"1", b"2") == media.images(messages)


def said(message: Message) -> list[str | int]:
    return [part for part in bytes_of.parts(message.content) if part != ""]


@pytest.mark.parametrize(
    ("expected", "who"),
    [
        ([0, "Hi [img-0]"], {"template_choice": "go"}),
        (["Hi [img-0]"], {"renderer": "qwen3-vl-instruct", "template_choice": "jinja"}),
        (["Hi [img-0]"], {"renderer": "qwen3-vl-instruct", "template_choice": "go"}),
    ],
)
def test_who_renders_gets_what_it_needs(expected: list[str | int], who: dict[str, str]) -> None:
    """A TEMPLATE gets markers in the text, a renderer places them itself; a caller's text is never one."""
    assert expected == said(media.marked(model(**who), [user("Hi [img-0]", b"0")])[0])


def test_for_the_engines_template_nothing_is_marked() -> None:
    """There images are parts of their messages."""
    messages = (user("Hi [img-0]", b"0"),)
    assert messages == media.marked(model(template_choice="jinja"), messages)


def test_no_text_of_a_conversation_is_a_marker() -> None:
    """Not in reasoning, not in what a tool was asked, not in what it said."""
    call = ToolCall("look", {"at": ["[img-0]", {"also": "[img-0]"}], "times": 2})
    answer = Message("assistant", thinking="[img-0]", tool_calls=(call,))
    _, marked, result = media.placed([user("a", b"0"), answer, Message("tool", "[img-0]")])
    arguments = marked.tool_calls[0].arguments
    texts = [marked.thinking, result.content, arguments["at"][0], arguments["at"][1]["also"]]
    assert [["[img-0]"]] * 4 == [list(bytes_of.parts(text)) for text in texts]
    assert 2 == arguments["times"]


def test_without_images_every_text_stays_as_it_is() -> None:
    """There is nothing it could be taken for."""
    messages = (user("Hi [img-0] [img]"),)
    assert messages == media.placed(messages)


@pytest.mark.parametrize(
    ("expected", "text", "count"),
    [
        ("a [img-0] b", "a [img-0] b", 1),
        ("[img-0]a", "a", 1),
        ("a [img-0]", "a [img]", 1),
        ("[img-0]a [img-7]", "a [img-7]", 1),
        ("a [img-7]", "a [img-7]", 0),
    ],
)
def test_a_raw_prompt_may_bring_its_markers(expected: str, text: str, count: int) -> None:
    """Where it has none, its images are placed as in a message."""
    assert expected == media.raw(text, count)


@pytest.mark.parametrize(
    ("expected", "who"),
    [
        (Path("eyes"), {"projectors": (Path("eyes"), Path("more"))}),
        (Path("weights"), {"gguf": header("gemma3", "token_embd.weight", "v.patch_embd.weight")}),
        (None, {"gguf": header("gemma3", "token_embd.weight")}),
        (None, {"gguf": header("llama", "v.patch_embd.weight")}),
        (None, {}),
    ],
)
def test_what_makes_embeddings_of_pictures(expected: Path | None, who: dict[str, Any]) -> None:
    """The first projector, or the model itself where Ollama publishes both as one file."""
    assert expected == media.projector(model(**who))
