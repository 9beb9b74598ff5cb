"""Raw text in, events out: every case of ``cases``, however the text is cut into pieces.

A case is an object: ``name``, ``parser`` (its name), ``raw`` (what the model wrote), then what is found: ``text``,
``thinking``, ``calls`` ([{name, arguments}]); also ``tools``, ``think`` and ``messages`` of the request, and
``prompt``, where they matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from reading import chat_of, entries

from puna import families
from puna.events import Text, Thinking, ToolCalled

CASES = list(entries("cases"))


def found(entry: dict[str, Any], pieces: Iterable[str]) -> dict[str, Any]:
    parser = families.parsers()[entry["parser"]].parser(chat_of(entry), entry.get("prompt", ""))
    events = [event for piece in pieces for event in parser.feed(piece)] + list(parser.close())
    return {
        "text": "".join(event.text for event in events if isinstance(event, Text)),
        "thinking": "".join(event.text for event in events if isinstance(event, Thinking)),
        "calls": [
            {"name": event.call.name, "arguments": dict(event.call.arguments)}
            for event in events
            if isinstance(event, ToolCalled)
        ],
    }


def expected(entry: dict[str, Any]) -> dict[str, Any]:
    return {"text": entry.get("text", ""), "thinking": entry.get("thinking", ""), "calls": entry.get("calls", [])}


def cuts(raw: str) -> Iterator[list[str]]:
    yield [raw]
    yield list(raw)
    for at in range(1, len(raw)):
        yield [raw[:at], raw[at:]]


@pytest.mark.parametrize("entry", [entry for _, entry in CASES], ids=[name for name, _ in CASES])
def test_an_answer_is_read_the_same_however_it_arrives(entry: dict[str, Any]) -> None:
    """Whole, by character, and cut in two at every place."""
    want = expected(entry)
    for pieces in cuts(entry["raw"]):
        assert want == found(entry, pieces), f"cut as {pieces if len(pieces) < 3 else 'characters'}"


def test_every_parser_has_cases() -> None:
    """A parser without a case is a parser nobody tried."""
    assert set(families.parsers()) == {entry["parser"] for _, entry in CASES}
