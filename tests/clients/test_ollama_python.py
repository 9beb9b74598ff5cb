"""The official Python client (`ollama`) against a real server with a real model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ollama
import pytest

OPTIONS = {"temperature": 0, "seed": 42, "num_predict": 12}
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[ollama.Client]:
    client = ollama.Client(host=server.url)
    yield client
    client.close()


def test_generate_answers_whole_and_streamed_alike(client: ollama.Client) -> None:
    """The pieces of a stream are the whole answer, and both end with counts and a reason."""
    whole = client.generate("smollm2", "Why is grass green?", options=OPTIONS)
    pieces = list(client.generate("smollm2", "Why is grass green?", options=OPTIONS, stream=True))
    assert whole.response == "".join(piece.response for piece in pieces)
    assert whole.response
    assert (whole.done_reason, whole.eval_count) == (pieces[-1].done_reason, pieces[-1].eval_count) == ("length", 12)
    assert len(pieces) > 5
    assert whole.context
    assert whole.total_duration
    assert whole.eval_duration


def test_chat_remembers_what_it_is_told(client: ollama.Client) -> None:
    """The whole conversation reaches the model."""
    messages = [
        {"role": "user", "content": "My name is Bob."},
        {"role": "assistant", "content": "Hi Bob."},
        {"role": "user", "content": "What is my name?"},
    ]
    reply = client.chat("smollm2", messages=messages, options=OPTIONS)
    assert reply.message.role == "assistant"
    assert "Bob" in (reply.message.content or "")
    streamed = "".join(
        part.message.content or "" for part in client.chat("smollm2", messages=messages, options=OPTIONS, stream=True)
    )
    assert reply.message.content == streamed


def test_format_constrains_the_answer(client: ollama.Client) -> None:
    """A JSON schema is followed."""
    reply = client.chat(
        "smollm2",
        messages=[{"role": "user", "content": "How old is a cat? Answer in JSON."}],
        format=SCHEMA,
        options={**OPTIONS, "num_predict": 60},
    )
    assert '"age"' in (reply.message.content or "")


def test_list_show_and_ps_tell_of_the_model(client: ollama.Client) -> None:
    """The model is listed, shown with its metadata, and running after a request."""
    client.generate("smollm2", "", keep_alive="5m")
    assert "smollm2:latest" in [model.model for model in client.list().models]
    shown = client.show("smollm2")
    assert shown.details is not None
    assert (shown.details.family, shown.details.quantization_level) == ("llama", "Q4_1")
    assert shown.modelinfo is not None
    assert shown.modelinfo["general.architecture"] == "llama"
    [running] = [model for model in client.ps().models if model.model == "smollm2:latest"]
    assert running.size
    assert running.expires_at is not None


def test_create_copy_and_delete(client: ollama.Client, smollm2: Path) -> None:
    """A model made of another answers as it was told to, can be copied, and is gone when deleted."""
    list(
        client.create("pirate", from_="smollm2", system="You are a pirate.", parameters={"num_ctx": 1024}, stream=True)
    )
    assert client.show("pirate").parameters is not None
    assert "num_ctx" in (client.show("pirate").parameters or "")
    client.copy("pirate", "pirate-copy")
    assert client.generate("pirate-copy", "Hello", options=OPTIONS).response
    for name in ("pirate", "pirate-copy"):
        client.delete(name)
        with pytest.raises(ollama.ResponseError) as error:
            client.show(name)
        assert error.value.status_code == 404


def test_create_from_an_uploaded_file(client: ollama.Client, smollm2: Path) -> None:
    """The client's own way to upload a GGUF."""
    digest = client.create_blob(smollm2)
    assert digest == "sha256:" + hashlib.sha256(smollm2.read_bytes()).hexdigest()
    assert client.create("uploaded", files={"model.gguf": digest}).status == "success"
    client.delete("uploaded")


def test_a_missing_model_is_a_404(client: ollama.Client) -> None:
    """The error says which model."""
    with pytest.raises(ollama.ResponseError, match="model 'nope' not found") as error:
        client.chat("nope", messages=[{"role": "user", "content": "x"}])
    assert error.value.status_code == 404
