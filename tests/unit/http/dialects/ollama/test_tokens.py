from typing import Any

import pytest


@pytest.mark.parametrize("name", ["text", "prompt", "content"])
def test_a_text_becomes_tokens(site: Any, name: str) -> None:
    """By any of the names it has elsewhere."""
    reply = site.send("POST", "/api/tokenize", {"model": "smol", name: "ab"})
    assert (200, {"model": "smol", "tokens": [97, 98]}) == (reply.status, reply.json)
    assert not site.tokens.asked[0].framed


def test_the_tokens_around_a_text_can_be_had(site: Any) -> None:
    """And the model loaded as the caller wants it."""
    body = {"model": "smol", "text": "", "add_special": True, "options": {"num_ctx": 99}, "keep_alive": 3}
    site.send("POST", "/api/tokenize", body)
    (asked,) = site.tokens.asked
    assert (True, {"num_ctx": 99}, 3) == (asked.framed, asked.options, asked.keep_alive)


def test_tokens_become_a_text(site: Any) -> None:
    """The way back."""
    reply = site.send("POST", "/api/detokenize", {"model": "smol", "tokens": [97, 98]})
    assert (200, {"model": "smol", "text": "ab"}) == (reply.status, reply.json)


@pytest.mark.parametrize("body", [{"messages": [{"role": "user", "content": "Hi"}]}, {"prompt": "Hi"}])
def test_a_prompt_is_shown(site: Any, body: dict[str, Any]) -> None:
    """With its tokens, for a body of chat as for one of generate."""
    reply = site.send("POST", "/api/apply-template", {"model": "smol", **body})
    assert {"model": "smol", "prompt": "[Hi]", "tokens": [91, 72, 105, 93]} == reply.json


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("tokenize", {"text": "a"}, 400, "model is required"),
        ("tokenize", {"model": "smol"}, 400, "one of text, prompt and content is required"),
        ("tokenize", {"model": "smol", "text": "a", "prompt": "b"}, 400, "one of text, prompt and content is required"),
        ("tokenize", {"model": "nope", "text": "a"}, 404, "model 'nope' not found"),
        ("detokenize", {"model": "smol", "tokens": [-1]}, 400, "tokens must be numbers from 0 on"),
        ("apply-template", {"model": "smol"}, 400, "messages or a prompt is required"),
        ("apply-template", {"model": "smol", "messages": []}, 400, "messages or a prompt is required"),
        ("apply-template", {"model": "nope", "prompt": "a"}, 404, "model 'nope' not found"),
    ],
)
def test_what_is_wrong_is_said(site: Any, path: str, body: dict[str, Any], status: int, text: str) -> None:
    """In the form of every error of the API."""
    reply = site.send("POST", f"/api/{path}", body)
    assert (status, {"error": text}) == (reply.status, reply.json)
