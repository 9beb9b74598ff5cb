"""Lines that fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.cli.wrapping import Wrapper, breaks, clusters, width

FAMILY, FLAG, ACCENTED = "👩‍👩‍👧", "🇨🇳", "e\u0301"


def wrapped(columns, *pieces):
    wrapper = Wrapper(columns)
    return "".join(map(wrapper.feed, pieces)) + wrapper.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the quick brown fox", "the quick \nbrown fox"),
        ("one\ntwo three", "one\ntwo three"),
        ("  indented line", "  indented\nline"),
        ("unbreakablelongword x", "unbreakabl\nelongword \nx"),
        ("漢字漢字漢字", "漢字漢字漢\n字"),
        ("ab漢字漢字漢字", "ab漢字漢字\n漢字"),
        ("漢字漢字漢。漢", "漢字漢字漢。\n漢"),
        (FAMILY * 6, FAMILY * 5 + "\n" + FAMILY),
        (FLAG * 6, FLAG * 5 + "\n" + FLAG),
        (ACCENTED * 12, ACCENTED * 10 + "\n" + ACCENTED * 2),
        ("a\tb", "a   b"),
        ("a\n\nb", "a\n\nb"),
        ("", ""),
    ],
)
def test_wrapping(text, expected):
    """Lines break between words and between wide characters, never within one; the same way letter by letter."""
    assert expected == wrapped(10, text)
    assert expected == wrapped(10, *text)


def test_no_wrapping():
    """Without a width text passes as it comes."""
    wrapper = Wrapper(0)
    assert "hel" == wrapper.feed("hel")
    assert "" == wrapper.close()


TEXTS = st.text(st.sampled_from([*"ab c\n漢。", "👩", "\u200d", "👧", "\u0301", "🇨", "🇳", "\ufe0f"]), max_size=60)


@given(TEXTS, st.integers(2, 12), st.data())
def test_nothing_is_lost_and_nothing_overflows(text, columns, data):
    """Whatever comes, cut anywhere: all of it is there but spaces, in lines that fit."""
    cut = data.draw(st.integers(0, len(text)))
    shown = wrapped(columns, text[:cut], text[cut:])
    assert text.replace(" ", "").replace("\n", "") == shown.replace(" ", "").replace("\n", "")
    assert all(width(line) <= columns + 4 for line in shown.split("\n"))


@given(TEXTS, st.integers(2, 12))
def test_breaks(text, columns):
    """Where lines begin is told for the text itself."""
    begins = breaks(text, columns)
    lines = [text[begin:end] for begin, end in zip([0, *begins], [*begins, len(text)], strict=True)]
    assert text == "".join(lines)
    assert all(width(line.strip()) <= columns for line in lines)


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("漢字", 4), (FAMILY, 2), (ACCENTED, 1), ("❤\ufe0f", 2), (FLAG, 2)]
)
def test_width(text, columns):
    """Columns as terminals count them."""
    assert columns == width(text)


def test_clusters():
    """What is seen as one character is one."""
    assert [FAMILY, "a", ACCENTED] == list(clusters(FAMILY + "a" + ACCENTED))
