"""Tables, sizes and times as Ollama's command line prints them. Pure: time is an argument."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

_GAP = "    "
_YEAR_HOURS = 24 * 365


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out ``rows`` under ``header``: left-aligned columns, four spaces apart, one line each."""
    rows = list(rows)
    widths = _widths([header, *rows])
    head = _GAP.join(_pad(cell, width) for cell, width in zip(header, widths, strict=True))
    return "".join(line + "\n" for line in [head + " ", *_lines(rows, widths)])


def section(title: str, rows: Iterable[Sequence[str]]) -> str:
    """Lay out ``rows`` indented under an indented ``title``, with an empty line after them; nothing without rows."""
    rows = list(rows)
    if not rows:
        return ""
    lines = (f"{_GAP}{line}\n" for line in _lines(rows, _widths(rows)))
    return f"  {title}\n{''.join(lines)}\n"


def width(text: str) -> int:
    """How many columns of a terminal ``text`` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def size(count: int) -> str:
    """A number of bytes in decimal units: ``42 GB``, ``1.2 GB``, ``1 GB``, ``512 B``."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= 10 * factor or (count >= factor and count % factor == 0):
            return f"{count // factor} {unit}"
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


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


def _lines(rows: Iterable[Sequence[str]], widths: Sequence[int]) -> Iterable[str]:
    for row in rows:
        yield "".join(_pad(cell, wide) + _GAP for cell, wide in zip(row, widths, strict=True))


def _pad(cell: str, columns: int) -> str:
    return cell + " " * (columns - width(cell))
