"""The examples of the official JavaScript client (npm `ollama`): tools, thinking, formats, embeddings, pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("ollama_examples.mjs")


@pytest.fixture(scope="module")
def seen(scripted: Any, server: Any, eyes: str, photo: Path, javascript: Callable[..., Any]) -> dict[str, Any]:
    """What the program saw."""
    found: dict[str, Any] = javascript(PROGRAM, scripted.url, server.url, photo)
    return found


def test_tools_are_called_and_their_results_heard(seen: dict[str, Any]) -> None:
    """Two calls in one answer, their results, and the last word; the model's tags are never seen."""
    first, last = seen["rounds"]
    assert ("Two cities.", "Let me see.") == (first["thinking"], first["content"])
    assert [
        ["getTemperature", {"city": "Reykjavík"}],
        ["getConditions", {"city": "東京 🗼", "days": 2}],
    ] == first["calls"]
    assert ["9 degrees", "2 days of rain in 東京 🗼"] == first["results"]
    assert {"thinking": "", "content": "It rains.", "calls": [], "results": []} == last
    [call] = seen["once"]["tool_calls"]
    assert ("", {"index": 0, "name": "getTemperature", "arguments": {"city": "Rome"}}) == (
        seen["once"]["content"],
        call["function"],
    )
    assert call["id"].startswith("call_")


def test_thinking_comes_apart(seen: dict[str, Any]) -> None:
    """At every level, in generate too, and streamed before the answer; turned off, there is none."""
    assert [["10 and 20…", "33"]] * 4 + [[None, "33"]] == seen["levels"]
    assert ["10 and 20…", "33"] == seen["generated"]
    assert ["thinking", "content", "done"] == seen["order"]


def test_what_a_model_cannot_is_refused(seen: dict[str, Any]) -> None:
    """The client's error has the status and the reason."""
    name = "registry.ollama.ai/library/smollm2:latest"
    assert [400, f"{name} does not support tools"] == seen["toolless"]
    assert [400, '"smollm2" does not support thinking'] == seen["thoughtless"]
    assert [400, "image 1 cannot be read: its JPEG data is damaged or cut short"] == seen["damaged"]


def test_answers_have_the_form_that_was_asked_for(seen: dict[str, Any]) -> None:
    """Every field of the schema, of its type."""
    for friend in (seen["friend"], seen["json"]):
        assert {"name": str, "age": int, "free": bool} == {key: type(value) for key, value in friend.items()}


def test_embeddings(seen: dict[str, Any]) -> None:
    """One for each text, of length one; fewer dimensions as asked for; the older way gives the same."""
    assert [[576, pytest.approx(1, abs=1e-5)]] * 2 == seen["embeddings"]
    assert [32] == seen["short"]
    assert seen["farthest"] < 1e-3


def test_pictures_are_seen(seen: dict[str, Any]) -> None:
    """In every form that the client takes, by chat and generate."""
    [count] = set(seen["pictures"])
    assert count > seen["blind"] + 15


def test_a_gap_is_filled(seen: dict[str, Any]) -> None:
    """Between a prompt and its suffix."""
    assert "pass" == seen["filled"]
