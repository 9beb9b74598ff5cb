"""Tables, sizes and times as Ollama's command line prints them. Pure: time is an argument."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from puna.cli.wrapping import width

_GAP = "    "
_NARROW_GAP = "  "
_YEAR_HOURS = 24 * 365

_TWO_CELLS = re.compile(r"( *\S.*?)( {2,})(\S.*)")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], columns: int | None = None) -> str:
    """Lay out ``rows`` under ``header``: left-aligned columns, four spaces apart, one line each.

    Where that does not fit into ``columns`` of a terminal, two spaces are; where that does not, the first cell of a row
    has a line of its own, and the others follow it, indented.
    """
    rows = list(rows)
    widths = _widths([header, *rows])
    if columns is not None and _total(widths, _GAP) > columns:
        if _total(widths, _NARROW_GAP) > columns:
            return "".join(_stacked([header, *rows], columns))
        return "".join(f"{line.rstrip()}\n" for line in _lines([header, *rows], widths, _NARROW_GAP))
    head = _GAP.join(_pad(cell, width) for cell, width in zip(header, widths, strict=True))
    return "".join(_ended(line, columns) for line in [head + " ", *_lines(rows, widths)])


def section(title: str, rows: Iterable[Sequence[str]], columns: int | None = None) -> str:
    """Lay out ``rows`` indented under an indented ``title``, with an empty line after them; nothing without rows.

    Where they do not fit into ``columns`` of a terminal, they are laid out as those of a ``table``, and long cells are
    broken between words.
    """
    rows = list(rows)
    if not rows:
        return ""
    widths = _widths(rows)
    lines: Iterable[str] = (_ended(f"{_GAP}{line}", columns) for line in _lines(rows, widths))
    if columns is not None and len(_GAP) + _total(widths, _GAP) > columns:
        room = columns - len(_GAP)
        broken = (part for line in _stacked(rows, room) for part in _broken(line, room, _NARROW_GAP))
        lines = (f"{_GAP}{part}\n" for part in broken)
    return f"  {title}\n{''.join(lines)}\n"


def folded(text: str, columns: int) -> str:
    """``text`` in lines of ``columns`` at most, each as far indented as before; what is explained keeps its column."""
    return "".join(f"{part}\n" for line in text.splitlines() for part in _folded(line, columns))


def _folded(line: str, columns: int) -> list[str]:
    cells = _TWO_CELLS.fullmatch(line)
    if len(line) <= columns or cells is None:
        return _broken(line, columns, " " * (len(line) - len(line.lstrip(" ")))) or [line]
    name, gap, meaning = cells.groups()
    if len(name + gap) <= columns // 2:
        return _broken(line, columns, " " * len(name + gap))
    return [name, *_broken(_GAP + meaning, columns, _GAP)]


def _broken(line: str, columns: int, indent: str) -> list[str]:
    """``line`` broken between words; what is longer than a line, such as a path, stays whole."""
    import textwrap  # noqa: PLC0415 - most tables fit

    return textwrap.wrap(line, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def count(number: int) -> str:
    """A number of parameters: ``3.2B``, ``134.52M``, ``12K``."""
    for unit, factor, decimals in (("B", 10**9, 1), ("M", 10**6, 2), ("K", 10**3, 0)):
        if number >= factor:
            return f"{number // factor}{unit}" if number % factor == 0 else f"{number / factor:.{decimals}f}{unit}"
    return str(number)


def moment(text: str) -> datetime | None:
    """Read a time of the API (RFC 3339, nanoseconds are cut to microseconds); None for the zero time and for no time.

    Raises:
        ValueError: it is not a time.
    """
    if not text or text.startswith("0001-01-01"):
        return None
    then = datetime.fromisoformat(text)
    return then if then.tzinfo else then.replace(tzinfo=UTC)


def relative(then: datetime | None, now: datetime) -> str:
    """How long ago ``then`` was, or how far off: ``2 days ago``, ``4 minutes from now``, ``Forever``, ``Never``."""
    if then is None:
        return "Never"
    if then <= now:
        return f"{_span(now - then)} ago"
    if (then - now).total_seconds() // 3600 // _YEAR_HOURS > 20:
        return "Forever"
    return f"{_span(then - now)} from now"


def _span(delta: timedelta) -> str:
    seconds = int(delta.total_seconds())
    if seconds < 60:
        return {0: "Less than a second", 1: "1 second"}.get(seconds, f"{seconds} seconds")
    minutes = seconds // 60
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = int(delta.total_seconds() / 3600 + 0.5)
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for unit, unit_hours, below in (
        ("days", 24, 24 * 14),
        ("weeks", 24 * 7, 24 * 60),
        ("months", 24 * 30, 2 * _YEAR_HOURS),
    ):
        if hours < below:
            return f"{hours // unit_hours} {unit}"
    return f"{hours // _YEAR_HOURS} years"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(width, column)) for column in zip(*rows, strict=True)]


def _total(widths: Sequence[int], gap: str) -> int:
    return sum(widths) + len(gap) * (len(widths) - 1)


def _lines(rows: Iterable[Sequence[str]], widths: Sequence[int], gap: str = _GAP) -> Iterable[str]:
    for row in rows:
        yield "".join(_pad(cell, wide) + gap for cell, wide in zip(row, widths, strict=True))


def _ended(line: str, columns: int | None) -> str:
    # Spaces that go beyond its last column take a terminal another line.
    return f"{line if columns is None else line.rstrip()}\n"


def _stacked(rows: Iterable[Sequence[str]], columns: int) -> Iterator[str]:
    """The cells of each row, as many on a line as there is room for, from the second line on indented."""
    for first, *others in rows:
        yield f"{first}\n"
        line = ""
        for cell in filter(None, others):
            longer = f"{line}{_NARROW_GAP}{cell}"
            if line and width(longer) > columns:
                yield f"{line}\n"
                longer = f"{_NARROW_GAP}{cell}"
            line = longer
        if line:
            yield f"{line}\n"


def _pad(cell: str, columns: int) -> str:
    return cell + " " * (columns - width(cell))
