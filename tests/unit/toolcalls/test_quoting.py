"""Markers outside quotes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.scanner import Scanner
from puna.toolcalls.quoting import STRINGS, JsonObject, Quote, Quotes, Unquoted

TAGGED: Quotes = {"<v>": Quote("</v>"), '"': Quote('"', escapes=True, after="=")}


def before(text: str, quotes: Quotes) -> str:
    """What stands before the first end tag that counts, fed by character."""
    scanner = Scanner()
    unquoted = Unquoted(scanner, quotes)
    found = ""
    for letter in text:
        scanner.add(letter)
        said, tag = unquoted.take("<end>")
        found += said
        if tag:
            return found
    return found + scanner.rest()


@pytest.mark.parametrize(
    ("text", "quotes", "expected"),
    [
        ("a<end>b", STRINGS, "a"),
        ('"<end>"<end>', STRINGS, '"<end>"'),
        (r'"\"<end>"<end>', STRINGS, r'"\"<end>"'),
        (r'"\\"<end>', STRINGS, r'"\\"'),
        (r'\"<end>"<end>', STRINGS, r'\"<end>"'),
        ('"<end>', STRINGS, '"<end>'),
        ("<v><end></v><end>", TAGGED, "<v><end></v>"),
        ('<v>"</v><end>"', TAGGED, '<v>"</v>'),
        ("<v><v></v><end>", TAGGED, "<v><v></v>"),
        ('a= "<end>"<end>', TAGGED, 'a= "<end>"'),
        ('a"<end>"', TAGGED, 'a"'),
        ('"<end>"', TAGGED, '"'),
    ],
)
def test_a_marker_in_quotes_is_text(text: str, quotes: Quotes, expected: str) -> None:
    """A model may write files that are about tool calls."""
    assert expected == before(text, quotes)


@given(st.dictionaries(st.text(), st.recursive(st.text() | st.integers(), st.lists, max_leaves=3)), st.text())
def test_an_object_is_closed_by_its_own_brace(value: dict[str, object], after: str) -> None:
    """Whatever stands in its strings and after it."""
    text = json.dumps(value, ensure_ascii=False)
    scanner = Scanner()
    scanner.add(text[1:-1])
    found = JsonObject(scanner)
    assert not found.closed()
    scanner.add("}" + after)
    assert found.closed()
    assert (text, after) == (found.text, scanner.rest())
