"""Tokens and prompts with real models: they are the ones that an answer is made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real

TEMPLATE = """\
{{ if .System }}S:{{ .System }}
{{ end }}{{ range .Messages }}{{ .Role }}: {{ .Content }}
{{ end }}assistant:"""
CHAT = [{"role": "user", "content": "Grüß dich <|im_end|> 你好 👋"}]


@pytest.fixture(scope="module")
def models(server: Any, gemma3: Path) -> Iterator[list[str]]:
    """A model with a template in its GGUF, one with a TEMPLATE, and a base model whose texts begin with a token."""
    body = {"model": "templated", "from": "smollm2", "template": TEMPLATE, "stream": False}
    assert {"status": "success"} == server.call("POST", "/api/create", body)
    server.create("gemma3", gemma3)
    yield ["smollm2", "templated", "gemma3"]
    for name in ("templated", "gemma3"):
        server.call("DELETE", "/api/delete", {"model": name})


@pytest.mark.parametrize("text", ["Hello, world", "", "  two  spaces\n\n", "ça và 你好 👋🏽", "<|im_start|>user"])
def test_a_text_survives_the_round(server: Any, models: list[str], text: str) -> None:
    """To tokens and back it is as it was, special tokens among it too."""
    for model in models:
        tokens = server.call("POST", "/api/tokenize", {"model": model, "text": text})["tokens"]
        assert text == server.call("POST", "/api/detokenize", {"model": model, "tokens": tokens})["text"]


def test_the_token_that_begins_a_text_is_added_on_demand(server: Any, models: list[str]) -> None:
    """Where a model has one."""
    plain = server.call("POST", "/api/tokenize", {"model": "gemma3", "text": "Hi"})["tokens"]
    framed = server.call("POST", "/api/tokenize", {"model": "gemma3", "text": "Hi", "add_special": True})["tokens"]
    assert plain == framed[1:]


@pytest.mark.parametrize("fields", [{"messages": CHAT}, {"prompt": "Once upon a time", "system": "Be brief."}])
def test_the_prompt_is_the_one_that_is_answered(server: Any, models: list[str], fields: dict[str, Any]) -> None:
    """As many tokens as the engine counts, whoever renders it."""
    path = "/api/chat" if "messages" in fields else "/api/generate"
    for model in models:
        body = {"model": model, **fields}
        applied = server.call("POST", "/api/apply-template", body)
        answered = server.call("POST", path, {**body, "stream": False, "options": {"num_predict": 1}})
        assert answered["prompt_eval_count"] == len(applied["tokens"]), model
        last = str(fields.get("prompt", CHAT[-1]["content"]))
        assert last in applied["prompt"]


def test_a_tool_call_in_special_tokens_is_seen(server: Any, models: list[str]) -> None:
    """The engine leaves such tokens out of the text, unless the marks of a tool call are among them."""
    marked = "{{ range .Messages }}{{ if .ToolCalls }}<jupyter_start>{{ end }}{{ .Content }}{{ end }}{{ .Tools }}"
    body = {"model": "marked", "from": "smollm2", "template": marked, "stream": False}
    assert {"status": "success"} == server.call("POST", "/api/create", body)
    (token,) = server.call("POST", "/api/tokenize", {"model": "marked", "text": "<jupyter_start>"})["tokens"]
    chat = {
        "model": "marked",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "ping"}}],
        "logit_bias": {str(token): 100},
        "max_tokens": 1,
    }
    answered = server.call("POST", "/v1/chat/completions", chat)
    server.call("DELETE", "/api/delete", {"model": "marked"})
    assert "<jupyter_start>" == answered["choices"][0]["message"]["content"]
