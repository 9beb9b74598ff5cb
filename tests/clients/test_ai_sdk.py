"""Vercel's AI SDK by its provider for Ollama (npm `ai` and `ai-sdk-ollama`) against real servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

JOURNEY = Path(__file__).with_name("ai_sdk_journey.mjs")


@pytest.fixture(scope="module")
def seen(scripted: Any, server: Any, eyes: str, photo: Path, javascript: Callable[..., Any]) -> dict[str, Any]:
    """What the journey saw."""
    found: dict[str, Any] = javascript(JOURNEY, scripted.url, server.url, photo)
    return found


def test_a_text_whole_and_streamed(seen: dict[str, Any]) -> None:
    """With why it ended and what it took; nothing of the text is lost."""
    assert ["length", 8, True] == seen["whole"]
    assert ["length", 8] == seen["streamed"]
    assert seen["pieces"] > 3
    assert seen["sameInput"]
    assert ["Bo — of course.\n  🦊"] * 2 == seen["said"]


def test_tools_are_run(seen: dict[str, Any]) -> None:
    """The SDK runs what is called, with its arguments, and gives the results back."""
    ran = ["It rains.", ["Let me see.", "It rains."], [["Oslo", 3], ["Rome", None]]]
    assert [ran, ran] == seen["ran"]


def test_answers_have_the_form_that_was_asked_for(seen: dict[str, Any]) -> None:
    """By schemas of zod, whole and streamed."""
    assert [True, True, True] == seen["colours"]


def test_thinking_comes_apart(seen: dict[str, Any]) -> None:
    """Beside the answer, whole and streamed."""
    assert [["10 and 20…", "33"]] * 2 == seen["thoughts"]


def test_embeddings(seen: dict[str, Any]) -> None:
    """One alone is the same as among several."""
    assert [576, 576] == seen["lengths"]
    assert seen["farthest"] < 1e-3


def test_a_picture_is_seen(seen: dict[str, Any]) -> None:
    """Its tokens are in the prompt."""
    blind, sighted = seen["pictures"]
    assert sighted > blind + 15


def test_errors_say_what_was_wrong(seen: dict[str, Any]) -> None:
    """With the server's words."""
    assert "model 'nope' not found" in seen["missing"]
