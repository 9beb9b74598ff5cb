"""The official JavaScript client (npm `ollama`) against a real server with a real model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

JOURNEY = Path(__file__).with_name("ollama_journey.mjs")


@pytest.fixture(scope="module")
def seen(server: Any, javascript: Callable[..., Any]) -> dict[str, Any]:
    """What the journey saw."""
    found: dict[str, Any] = javascript(JOURNEY, server.url)
    return found


def test_generate_and_chat_answer_whole_and_streamed_alike(seen: dict[str, Any]) -> None:
    """Both ways give the same text, and the last chunk carries counts."""
    assert seen["generate"]
    assert seen["generate"] == seen["generateStreamed"]
    assert seen["chat"]["role"] == "assistant"
    assert seen["chat"]["content"] == seen["chatStreamed"]
    assert (True, "length", 12) == (seen["last"]["done"], seen["last"]["done_reason"], seen["last"]["eval_count"])


def test_models_are_created_listed_shown_copied_and_deleted(seen: dict[str, Any]) -> None:
    """The library's calls do what they say."""
    assert seen["create"][-1] == "success"
    assert {"smollm2:latest", "js-pirate:latest"} <= set(seen["list"])
    assert seen["show"] == "You are a pirate."
    assert "smollm2:latest" in seen["ps"]
    assert (seen["copy"], seen["deleted"]) == ("success", ["success", "success"])


def test_errors_carry_status_and_text(seen: dict[str, Any]) -> None:
    """A missing model is a 404 that names it."""
    assert seen["missing"] == [404, "model 'nope' not found"]


def test_an_aborted_stream_leaves_the_server_fine(seen: dict[str, Any]) -> None:
    """The next answer is what it would have been."""
    assert seen["aborted"]
    assert seen["afterAbort"] == seen["generate"]
