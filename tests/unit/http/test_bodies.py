"""The description of a request names what its decoder reads, all of it and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from puna.http.body import Fields
from puna.http.dialects.anthropic import bodies as anthropic
from puna.http.dialects.anthropic import decode as anthropic_decode
from puna.http.dialects.ollama import bodies as ollama
from puna.http.dialects.ollama import decode, embedding, tokens
from puna.http.dialects.openai import bodies as openai
from puna.http.dialects.openai import chat, completions, embeddings
from puna.http.dialects.openai.responses.bodies import ResponsesBody
from puna.http.dialects.openai.responses.decode import decode as decode_response
from puna.http.dialects.puna import rerank

HI = [{"role": "user", "content": "Hi"}]
CASES: list[tuple[Callable[[bytes], Any], Any, str, dict[str, Any]]] = [
    (decode.generate, ollama.GenerateBody, "GenerateRequest", {"prompt": "Hi"}),
    (decode.chat, ollama.ChatBody, "ChatRequest", {"messages": HI}),
    (decode.create, ollama.CreateBody, "CreateRequest", {"model": ""}),
    (decode.pull, ollama.PullBody, "PullRequest", {"model": ""}),
    (decode.push, ollama.PushBody, "PushRequest", {"model": "", "name": "smol"}),
    (embedding.decode_embed, ollama.EmbedBody, "EmbedRequest", {}),
    (embedding.decode_embeddings, ollama.EmbeddingsBody, "EmbeddingRequest", {}),
    (tokens.decode_tokenize, ollama.TokenizeBody, "TokenizeRequest", {"text": "Hi"}),
    (tokens.decode_detokenize, ollama.DetokenizeBody, "DetokenizeRequest", {"tokens": [1]}),
    (chat.decode, openai.ChatBody, "ChatCompletionRequest", {"messages": HI}),
    (completions.decode, openai.CompletionBody, "CompletionRequest", {"logprobs": 1, "best_of": 2}),
    (embeddings.decode, openai.EmbeddingsBody, "EmbedRequest", {"input": "Hi"}),
    (lambda body: decode_response(body, "", 0), ResponsesBody, "ResponsesRequest", {"input": "Hi"}),
    (anthropic_decode.messages, anthropic.MessagesBody, "MessagesRequest", {"messages": HI, "max_tokens": 1}),
    (anthropic_decode.count_tokens, anthropic.CountTokensBody, "CountTokensRequest", {"messages": HI}),
    (rerank.decode, rerank.RerankBody, "RerankRequest", {"query": "Hi", "documents": ["Hi"]}),
]
UNTOLD = {
    "TokenizeRequest": {"prompt", "content"},
    "RerankRequest": {"texts"},
    "ResponsesRequest": {"conversation", "background"},
}
"""Other names for what is told already, and what is only read to be refused."""


class Asked(dict[str, Any]):
    """The values of a body, which remember what they were asked for."""

    def __init__(self, values: dict[str, Any], names: set[str]) -> None:
        super().__init__(values)
        self._names = names

    def get(self, name: str, default: Any = None) -> Any:
        self._names.add(name)
        return super().get(name, default)


@pytest.mark.parametrize(("read", "described", "struct", "body"), CASES)
def test_the_description_has_what_is_read(
    read: Callable[[bytes], Any], described: Any, struct: str, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field that is read and not described, or described and not read, would mislead whoever goes by it."""
    names: set[str] = set()
    make = Fields.__init__

    def remember(self: Fields, value: Any, called: str) -> None:
        make(self, value, called)
        if called == struct:
            self._values = Asked(self._values, names)

    monkeypatch.setattr(Fields, "__init__", remember)
    read(msgspec.json.encode({"model": "smol"} | body))
    told = {field.encode_name for field in msgspec.structs.fields(described)}
    assert told == names - UNTOLD.get(struct, set())


@pytest.mark.parametrize(("read", "described", "struct", "body"), CASES)
def test_null_is_as_good_as_nothing(
    read: Callable[[bytes], Any], described: Any, struct: str, body: dict[str, Any]
) -> None:
    """Every field that is described as one that may be null may be."""
    whole = {"model": "smol"} | body
    fields = msgspec.structs.fields(described)
    empty = {field.encode_name: None for field in fields if field.encode_name not in whole and not field.required}
    assert read(msgspec.json.encode(whole | empty))
