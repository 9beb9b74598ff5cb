"""The official Python client's other examples: formats, embeddings, images, insertion and log-probabilities."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import ollama
import pydantic
import pytest

OPTIONS = {"temperature": 0, "seed": 42, "num_predict": 4}
EMBEDDING_LENGTH = 576
"""Of SmolLM2-135M."""
EMBEDDINGS = 16
"""What the model that sees makes of a picture."""


class Friend(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=12)
    age: int = pydantic.Field(ge=1, le=99)
    mood: Literal["happy", "sad"]
    nickname: str | None = pydantic.Field(default=None, max_length=8)


class Friends(pydantic.BaseModel):
    friends: list[Friend] = pydantic.Field(min_length=2, max_length=2)
    available: bool


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[ollama.Client]:
    client = ollama.Client(host=server.url)
    yield client
    client.close()


def test_a_pydantic_model_is_the_form_of_the_answer(client: ollama.Client, server: Any) -> None:
    """With references, lists, choices and what may be null; by chat, generate and the asynchronous client alike."""
    question = "I have two friends. Ollama is 22 and happy, Alonso is 23 and sad. Both are free. Who are they, in JSON?"
    options = {**OPTIONS, "num_predict": 200}
    messages = [{"role": "user", "content": question}]
    schema = Friends.model_json_schema()
    reply = client.chat("smollm2", messages=messages, format=schema, options=options)
    streamed = client.chat("smollm2", messages=messages, format=schema, options=options, stream=True)

    async def again() -> str | None:
        client = ollama.AsyncClient(host=server.url)
        reply = await client.chat("smollm2", messages=messages, format=schema, options=options)
        await client.close()
        return reply.message.content

    answers = [
        reply.message.content,
        "".join(chunk.message.content or "" for chunk in streamed),
        client.generate("smollm2", question, format=schema, options=options).response,
        asyncio.run(again()),
    ]
    assert [2] * 4 == [len(Friends.model_validate_json(answer or "").friends) for answer in answers]
    assert "stop" == reply.done_reason


def test_a_schema_that_makes_no_sense_is_refused(client: ollama.Client) -> None:
    """Before any answer, streaming or not, with what is wrong with it."""
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError, match="JSON Schema cannot be followed") as refused:
            list(client.generate("smollm2", "Hi", format={"type": "nonsense"}, stream=stream))
        assert 400 == refused.value.status_code


def test_embeddings_one_many_and_the_older_way(client: ollama.Client) -> None:
    """A model that writes gives them too; the same text has the same vector each way."""
    texts = ["The sky is blue", "Grass is green", ""]
    many = client.embed("smollm2", texts)
    assert [EMBEDDING_LENGTH] * 3 == [len(vector) for vector in many.embeddings]
    assert many.prompt_eval_count
    [one] = client.embed(model="smollm2", input=texts[0]).embeddings
    older = client.embeddings(model="smollm2", prompt=texts[0]).embedding
    short = client.embed("smollm2", texts, dimensions=32, keep_alive="5m", options={"num_ctx": 512}).embeddings
    assert one == pytest.approx(many.embeddings[0], abs=1e-3)
    assert one == pytest.approx(older, abs=1e-3)
    assert [32] * 3 == [len(vector) for vector in short]
    assert 1 == pytest.approx(math.hypot(*one), abs=1e-5) == pytest.approx(math.hypot(*short[1]), abs=1e-5)
    assert [] == list(client.embed("smollm2").embeddings)
    with pytest.raises(ollama.ResponseError) as refused:
        client.embed("nope", "Hi")
    assert 404 == refused.value.status_code


def test_images_in_every_form_that_the_client_takes(client: ollama.Client, eyes: str, photo: Path) -> None:
    """A path as text or as an object, bytes, and base64 are one picture; chat and generate see it, and several."""
    assert "vision" in (client.show(eyes).capabilities or ())
    data = photo.read_bytes()
    forms: list[Any] = [str(photo), photo, data, base64.b64encode(data).decode(), ollama.Image(value=data)]
    counts = {
        client.chat(
            eyes, messages=[{"role": "user", "content": "What?", "images": [form]}], options=OPTIONS
        ).prompt_eval_count
        for form in forms
    }
    seen = client.generate(eyes, "What?", images=forms[2:4], options=OPTIONS).prompt_eval_count
    streamed = list(client.generate(eyes, "What?", images=[photo], options=OPTIONS, stream=True))
    blind = client.generate(eyes, "What?", options=OPTIONS).prompt_eval_count
    [count] = counts
    assert count == streamed[-1].prompt_eval_count
    assert EMBEDDINGS <= count - blind
    assert EMBEDDINGS <= seen - count


def test_an_image_is_described_in_a_form(client: ollama.Client, eyes: str, photo: Path) -> None:
    """Pictures and formats go together."""
    message = {"role": "user", "content": "Describe it.", "images": [photo]}
    reply = client.chat(eyes, messages=[message], format={"enum": ["Indoor", "Outdoor"]}, options={"temperature": 0})
    assert (reply.message.content or "").strip() in {'"Indoor"', '"Outdoor"'}


def test_what_is_no_image_is_refused(client: ollama.Client, eyes: str, photo: Path) -> None:
    """With a 400 and the reason; a model that does not see says that."""
    for model, image, reason in (
        (eyes, b"not an image", "image 1 cannot be read"),
        (eyes, photo.read_bytes()[:50], "image 1 cannot be read"),
        ("smollm2", photo, "smollm2:latest does not support vision"),
    ):
        for stream in (False, True):
            with pytest.raises(ollama.ResponseError, match=reason) as refused:
                list(client.generate(model, "What?", images=[image], stream=stream))
            assert 400 == refused.value.status_code


def test_a_gap_is_filled(scripted: Any, answer: Callable[[str], str]) -> None:
    """The model is shown what is before and after it, and nothing else; where it cannot do that, it says so."""
    client = ollama.Client(host=scripted.url)
    prompt = f'def hello():\n    """{answer("say hello")}"""\n'
    reply = client.generate("able", prompt, suffix="    return greeting\n", system="Be brief.")
    assert "say hello" == reply.response
    assert f"<PRE>{prompt}<SUF>    return greeting\n<MID>" == scripted.prompt()
    streamed = client.generate("able", prompt, suffix="x", stream=True)
    assert "say hello" == "".join(piece.response for piece in streamed)
    client.close()


def test_log_probabilities(client: ollama.Client) -> None:
    """One for each token, with as many alternatives as were asked for, the likeliest first."""
    messages = [{"role": "user", "content": "Hi"}]
    reply = client.chat("smollm2", messages=messages, options=OPTIONS, logprobs=True, top_logprobs=3)
    found = reply.logprobs or ()
    assert reply.message.content == "".join(one.token for one in found)
    assert all(one.token == (one.top_logprobs or ())[0].token for one in found)
    assert [3] * 4 == [len(one.top_logprobs or ()) for one in found]
    whole = client.generate("smollm2", "Hi", options=OPTIONS, logprobs=True)
    assert 4 == len(whole.logprobs or ())
