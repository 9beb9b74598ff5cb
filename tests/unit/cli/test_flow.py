"""An answer that comes as Markdown, on a screen."""

import re

import pyte
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from puna.cli.flow import Blocks
from puna.cli.markdown import blocks, rendered

ANSWER = """# Title

Some **bold** text with `code`, and a line that is long enough to be broken.

- one
- two with 中文字符测试很长的一句话需要换行才可以显示出来

```python
def f(x):
    return x
```

1. first
2. second

Done, see [the page](https://example.org/page).
"""


class Screen:
    """What a terminal shows, and what has left it at the top."""

    def __init__(self, columns, lines):
        self.screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self.screen.set_mode(pyte.modes.LNM)
        self.stream = pyte.Stream(self.screen)

    def show(self, text):
        self.stream.feed(text)

    @property
    def text(self):
        above = ["".join(row[at].data for at in range(self.screen.columns)) for row in self.screen.history.top]
        return "\n".join(line.rstrip() for line in [*above, *self.screen.display]).rstrip()


def played(text, columns=40, lines=60, cut=1, room=None):
    screen = Screen(columns, lines)
    flow = Blocks(room or (lambda: (columns - 5, lines)), colours=True)
    for at in range(0, len(text), cut):
        screen.show(flow.feed(text[at : at + cut]))
    screen.show(flow.close())
    return screen.text


def test_blocks_are_shown_as_they_are_meant():
    """Once a block is whole its marks are gone, and what they mean is there."""
    shown = played(ANSWER)
    assert "**" not in shown
    assert "```" not in shown
    assert "# Title" not in shown
    for line in ("Title", "Some bold text with code, and a", " • one", "    return x", " 2. second"):
        assert line in shown.splitlines(), shown
    assert "https://example.org/page" in shown.replace("\n", "")


def test_a_long_list(monkeypatch):
    """However long a list becomes, its lines come as fast as its first; what follows it is shown as it is meant."""
    looked = []
    monkeypatch.setattr("puna.cli.markdown.blocks", lambda text: looked.append(len(text)) or blocks(text))
    text = "1. item with `code`\n   and more\n\n" * 200 + "Some **bold** text.\n\nThe end.\n"
    shown = played(text, cut=5)
    assert len(looked) < 10
    assert "Some bold text." in shown


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_the_same_however_it_is_cut(columns, cut):
    """The screen is the same whether an answer comes letter by letter or at once."""
    assert played(ANSWER, columns, cut=1) == played(ANSWER, columns, cut=cut)


def letters(text):
    return re.sub(r"[^\w]", "", text)


@pytest.mark.parametrize("lines", [3, 5, 8])
def test_small_screens_lose_nothing(lines):
    """A block that has left the screen stays as it was written: nothing is lost and nothing is there twice."""
    assert letters(ANSWER.replace("python", "")) == letters(played(ANSWER, lines=lines)).replace("python", "")


def test_changed_size_loses_nothing():
    """A block during which the size changed stays as it was written."""
    sizes = iter([(35, 60)] * 3 + [(30, 60)] * 100)
    shown = played("Some **bold** text.\n\nMore **bold** text.\n\n", cut=1000, room=lambda: next(sizes))
    assert 2 == shown.count("text.")


MARKS = [
    "a",
    "b c",
    "\n",
    "\n\n",
    "**",
    "`",
    "# ",
    "- ",
    "1. ",
    "```\n",
    "| ",
    "|-|\n",
    "> ",
    "漢",
    "<b>",
    "  ",
    "\\[",
    "&amp;",
]


@given(st.lists(st.sampled_from(MARKS), max_size=25).map("".join), st.integers(3, 30))
@example("1. a\n1. b\n", 20)
@settings(deadline=None, max_examples=60)
def test_no_letter_is_lost_or_doubled(text, lines):
    """Whatever a model writes, every letter of it is shown once."""
    assert sorted(letters(text)) == sorted(letters(played(text, lines=lines, cut=3)))


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("a\n\nb", ["a\n\n"]),
        ("# a\nb", ["# a\n"]),
        ("- a\n\n- b\n", []),
        ("- a\n\nb\n", ["- a\n\n"]),
        ("```\na\n\nb\n", []),
        ("```\na\n```\n", ["```\na\n```\n"]),
        ("| a |\n|---|\n| b |\n", []),
        ("a\n", []),
    ],
)
def test_whole_blocks(text, whole):
    """A block is whole when nothing that comes can be part of it."""
    assert whole == blocks(text)


@pytest.mark.parametrize("block", ["\\[ x \\]\n", "![alt](x.png)\n", "[a]: http://b\n"])
def test_what_would_be_lost_stays(block):
    """What Markdown would leave out is shown as it was written."""
    assert rendered(block, 40, colours=True) is None


def test_lines_stay_lines():
    """The lines of a poem, an address or a table that is none are not joined."""
    text = "Roses are **red**,\nviolets are blue.\n\n- one\n  two\n\n> **three**\n> four\n"
    assert "Roses are red,\nviolets are blue.\n\n • one\n   two\n\n▌ three\n▌ four" == played(text)


def test_without_colours():
    """Without colours the structure is still there."""
    shown = rendered("# Title **x** `y`\n", 40, colours=False)
    assert "\x1b[1" in shown
    assert not re.search(r"\x1b\[[0-9;]*(3|9)[0-7]", shown)
