"""OpenAI's own JavaScript library (npm `openai`) against real servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

JOURNEY = Path(__file__).with_name("openai_journey.mjs")


@pytest.fixture(scope="module")
def seen(
    scripted: Any, server: Any, *, tooled: str, eyes: str, photo: Path, javascript: Callable[..., Any]
) -> dict[str, Any]:
    """What the journey saw."""
    found: dict[str, Any] = javascript(JOURNEY, scripted.url, server.url, photo)
    return found


def test_a_chat_whole_and_streamed(seen: dict[str, Any]) -> None:
    """With why it ended and what it took; nothing of the text is lost."""
    assert ["length", 8, True] == seen["whole"]
    assert [8, True] == seen["usage"]
    assert seen["pieces"] > 3
    assert "Bo — of course.\n  🦊" == seen["said"] == seen["final"]


def test_tools_are_run(seen: dict[str, Any]) -> None:
    """The library calls the functions and gives their results back; a call that is required comes from any model."""
    assert [["It rains.", ["Oslo", "Rome"]]] * 2 == seen["ran"]
    assert [["city"]] == seen["forced"]


def test_answers_have_the_form_that_was_asked_for(seen: dict[str, Any]) -> None:
    """By schemas of zod, with chats and with responses."""
    assert [True, True] == seen["colours"]


def test_responses_go_on(seen: dict[str, Any]) -> None:
    """A later one knows the earlier, and its events come in their order; one that is deleted is gone."""
    assert ["response.created", True, True] == seen["kinds"]
    assert seen["grew"]
    assert ["NotFoundError", 404] == seen["deleted"][:2]


def test_embeddings(seen: dict[str, Any]) -> None:
    """In base64 and as numbers they are the same."""
    assert [576, 576] == seen["lengths"]
    assert seen["farthest"] < 1e-3


def test_a_picture_is_seen(seen: dict[str, Any]) -> None:
    """Its tokens are in the prompt."""
    blind, sighted = seen["pictures"]
    assert sighted > blind + 15


def test_models_are_listed(seen: dict[str, Any]) -> None:
    """All that are on disk."""
    assert {"smollm2:latest", "tooled:latest", "eyes:latest"} <= set(seen["models"])


def test_errors_and_streams_that_are_left(seen: dict[str, Any]) -> None:
    """Each kind is the exception that programs catch, also in mid-stream; leaving a stream disturbs nothing."""
    kind, status, text = seen["missing"]
    assert ("NotFoundError", 404) == (kind, status)
    assert "model 'nope' not found" in text
    assert "APIError" == seen["broken"][0]
    assert "it failed" in seen["broken"][2]
    assert "length" == seen["after"]
