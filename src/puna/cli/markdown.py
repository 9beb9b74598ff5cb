"""Markdown on a terminal: where the blocks of a text that is still coming end, and how one looks."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, pairwise, repeat

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich import markdown as rich
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.syntax import Syntax
from rich.text import Text
from rich.theme import Theme

from puna.cli.wrapping import breaks

# Tags stay as they were written: a renderer would leave them out.
_PARSER = MarkdownIt("commonmark", {"html": False}).enable("strikethrough").enable("table")
# Where blocks are is told without a look into them, which takes longer.
_BLOCKS = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["inline", "text_join"])

_CLOSED_BY_BLANK = frozenset({"paragraph_open", "table_open", "blockquote_open"})
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PADDING = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$", re.MULTILINE)
_EDGES = re.compile(r"\A(?:(?:\x1b\[[0-9;]*m)*\n)+|(?:\n(?:\x1b\[[0-9;]*m)*)+\Z")
_FENCES = re.compile(r"^[ >]*(?:```|~~~).*$", re.MULTILINE)
_MARKS = frozenset(" \t\n*_`~#>-+=|[]()!:")

_THEME = Theme(
    {
        "markdown.code": "bold cyan",
        "markdown.link": "underline",
        "markdown.link_url": "underline",
        "markdown.item.number": "bold",
        "markdown.h1": "bold underline",
        "markdown.h2": "bold underline",
    }
    | {f"markdown.h{level}": "bold" for level in range(3, 7)}
)


def blocks(text: str) -> list[str]:
    """The blocks at the beginning of ``text`` that are whole, whatever comes after it, with what lies around them."""
    end = text.rfind("\n") + 1
    lines = text[:end].splitlines(keepends=True)
    opened = [token for token in _BLOCKS.parse(text[:end]) if token.level == 0 and token.nesting >= 0 and token.map]
    starts = [0] + [token.map[0] for token in opened[1:] if token.map]
    if opened and _is_whole(opened[-1], lines):
        starts.append(len(lines))
    return ["".join(lines[start:stop]) for start, stop in pairwise(starts)]


def _is_whole(block: Token, lines: list[str]) -> bool:
    """Whether the last ``block`` of ``lines`` will not go on."""
    assert block.map is not None
    if block.type in _CLOSED_BY_BLANK:
        return not lines[-1].strip()
    if block.type == "fence":
        last = lines[min(block.map[1], len(lines)) - 1].strip()
        return block.map[1] - block.map[0] > 1 and last.startswith(block.markup) and not last.strip(block.markup[0])
    return block.type in ("heading_open", "hr")


def rendered(block: str, columns: int, *, colours: bool) -> str | None:
    """How ``block`` looks in so many columns, without a line end; None if something of it would be lost."""
    out = io.StringIO()
    console = Console(
        file=out, width=columns, force_terminal=True, no_color=not colours, theme=_THEME, highlight=False, emoji=False
    )
    page = _Page("", hyperlinks=False)
    page.parsed = _PARSER.parse(block)
    for token in page.parsed:
        for inner in token.children or ():
            if inner.type == "softbreak":  # a model's lines are meant, those of a poem or an address
                inner.type = "hardbreak"
    console.print(page)
    shown = _EDGES.sub("", _PADDING.sub(r"\1", out.getvalue()))
    return None if _signs(_FENCES.sub("", block)) - _signs(_ESCAPES.sub("", shown)) else shown


def _signs(text: str) -> Counter[str]:
    return Counter(char for char in text if char not in _MARKS)


class _Heading(rich.Heading):
    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _laid_out(self.text, options.max_width)


class _Paragraph(rich.Paragraph):
    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _laid_out(self.text, options.max_width)


class _Item(rich.ListItem):
    def render_number(self, console: Console, options: ConsoleOptions, number: int, last_number: int) -> RenderResult:
        columns = len(f" {last_number}. ")
        style = console.get_style("markdown.item.number", default="none")
        lines = console.render_lines(self.elements, options.update(width=options.max_width - columns), style=self.style)
        for line, begins in zip(lines, chain([f"{number}. "], repeat("")), strict=False):
            yield Segment(begins.rjust(columns), style)
            yield from line
            yield Segment.line()


class _Code(rich.CodeBlock):
    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip("\n")
        yield Syntax(code, self.lexer_name, theme="ansi_dark", background_color="default", word_wrap=True)


def _laid_out(text: Text, columns: int) -> Iterator[Text]:
    """The lines of ``text``: as puna breaks them, since rich breaks between words only."""
    for line in text.divide(breaks(text.plain, columns)):
        line.rstrip()
        line.no_wrap = True
        yield line


class _Page(rich.Markdown):
    elements = rich.Markdown.elements | {
        "heading_open": _Heading,
        "paragraph_open": _Paragraph,
        "list_item_open": _Item,
        "fence": _Code,
        "code_block": _Code,
    }
