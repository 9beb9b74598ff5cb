"""Text in pieces in, what is certain out."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.scanner import Scanner

# Few letters, so that markers overlap, contain and begin one another, and white space stands everywhere.
MARKERS = st.lists(st.text("ab<", min_size=1, max_size=4), min_size=1, max_size=3).map(tuple)
TEXTS = st.text("ab< \n", max_size=24)


def taken(pieces: Iterable[str], *markers: str, trim: bool = False) -> list[str]:
    """Everything a scanner gives for ``pieces``, the texts between markers joined: [text, marker, …, text]."""
    scanner = Scanner()
    found = [""]
    for piece in pieces:
        scanner.add(piece)
        while True:
            text, marker = scanner.take(*markers, trim=trim)
            found[-1] += text
            if not marker:
                break
            found += [marker, ""]
    found[-1] += scanner.rest()
    return found


@st.composite
def cut(draw: st.DrawFn, texts: st.SearchStrategy[str] = TEXTS) -> list[str]:
    """A text in pieces, some of them empty."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(cut(), MARKERS, st.booleans())
def test_the_same_is_found_however_the_text_is_cut(pieces: list[str], markers: tuple[str, ...], trim: bool) -> None:
    """A model's tokens end anywhere; what its answer means does not depend on where."""
    whole = "".join(pieces)
    assert (
        taken([whole], *markers, trim=trim) == taken(pieces, *markers, trim=trim) == taken(whole, *markers, trim=trim)
    )


@given(cut(), MARKERS)
def test_nothing_is_lost_and_nothing_is_made_up(pieces: list[str], markers: tuple[str, ...]) -> None:
    """What was found, put together again, is what arrived."""
    assert "".join(pieces) == "".join(taken(pieces, *markers))


@given(cut(), MARKERS)
def test_only_white_space_before_a_marker_is_dropped(pieces: list[str], markers: tuple[str, ...]) -> None:
    """With ``trim`` the texts before markers end where their last word ends, and the last text is whole."""
    plain, trimmed = taken(pieces, *markers), taken(pieces, *markers, trim=True)
    assert [*(text.rstrip() for text in plain[:-2:2]), plain[-1]] == trimmed[::2]
    assert plain[1::2] == trimmed[1::2]


@given(cut(), MARKERS)
def test_no_marker_is_let_through(pieces: list[str], markers: tuple[str, ...]) -> None:
    """No text before a marker has one in it."""
    assert not [marker for text in taken(pieces, *markers)[:-1:2] for marker in markers if marker in text]


@given(cut(), MARKERS)
def test_what_begins_a_text_is_told_the_same_however_it_is_cut(pieces: list[str], markers: tuple[str, ...]) -> None:
    """Also when the first pieces are too short to tell."""
    scanner, whole = Scanner(), Scanner()
    whole.add("".join(pieces))
    expected = whole.take_prefix(*markers)
    told: str | None = None
    for piece in pieces:
        scanner.add(piece)
        if told is None:
            told = scanner.take_prefix(*markers)
    assert (expected, whole.rest()) == (told, scanner.rest())


@pytest.mark.parametrize(
    ("arrived", "certain"),
    [("so<", "so"), ("so</thin", "so"), ("so</thing", "so</thing"), ("a < b", "a < b"), ("so</think> and", "so")],
)
def test_text_is_passed_on_as_soon_as_it_is_certain(arrived: str, certain: str) -> None:
    """No more is held back than what may be a marker."""
    scanner = Scanner()
    scanner.add(arrived)
    assert certain == scanner.take("</think>")[0]


def test_the_longest_of_markers_that_begin_alike_is_found() -> None:
    """``<tool_calls>`` is not ``<tool_call`` and an s."""
    assert ["", "<tools>", "x", "<tool", "y"] == taken("<tools>x<tooly", "<tool", "<tools>")


def test_the_earliest_marker_wins_also_when_a_shorter_one_inside_it_is_complete_first() -> None:
    """``c`` stands in ``abcd``: it may not be taken while ``abcd`` may still come."""
    assert ["x", "abcd", ""] == taken("xabcd", "abcd", "c")
    assert ["xab", "c", "x"] == taken("xabcx", "abcd", "c")


def test_what_begins_a_text_is_taken_with_the_white_space_before_it() -> None:
    """Nothing is taken when something else begins it."""
    scanner = Scanner()
    scanner.add(" \n<th")
    assert scanner.take_prefix("<think>") is None
    scanner.add("ink> so")
    assert scanner.take_prefix("<think>") == "<think>"
    assert " so" == scanner.pending
    assert scanner.take_prefix("<think>") == ""
    assert " so" == scanner.rest()
    assert "" == scanner.pending


def test_white_space_is_skipped_until_something_follows() -> None:
    """Also when it arrives in many pieces."""
    scanner = Scanner()
    for space in ("", " ", "\n", "\u3000"):
        scanner.add(space)
        assert not scanner.skip_space()
    scanner.add(" so ")
    assert scanner.skip_space()
    assert "so " == scanner.rest()


@given(cut(), MARKERS, st.booleans())
def test_what_was_taken_too_early_can_be_put_back(pieces: list[str], markers: tuple[str, ...], trim: bool) -> None:
    """As if it had never been taken; with the white space that was dropped before a marker."""
    scanner = Scanner()
    for piece in pieces:
        scanner.add(piece)
        text, marker = scanner.take(*markers, trim=trim)
        scanner.put_back(text + (scanner.dropped + marker if marker else ""))
    assert "".join(pieces) == scanner.rest()


def test_white_space_before_a_marker_is_told_where_it_is_dropped() -> None:
    """For those to whom it turns out to matter."""
    scanner = Scanner()
    scanner.add("so \n<think>  </think>")
    assert ("so", "<think>") == scanner.take("<think>", trim=True)
    assert " \n" == scanner.dropped
    assert "</think>" == scanner.take_prefix("</think>")
    assert "  " == scanner.dropped


def test_what_is_held_back_may_be_long() -> None:
    """A model that writes line after line and nothing else takes no more time than one that writes words."""
    scanner = Scanner()
    for _ in range(50_000):
        scanner.add("\n\n\n\n")
        assert ("", "") == scanner.take("<think>", "</think>", trim=True)
    scanner.add("so")
    assert "\n" * 200_000 + "so" == scanner.take("<think>", trim=True)[0]
