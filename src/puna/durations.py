"""Durations as Go writes them (``1h30m``, ``5m0s``, ``1.5s``): parse to seconds, print from nanoseconds."""

from __future__ import annotations

import re

FOREVER = float("inf")
"""A keep-alive that never runs out."""

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")


def parse(text: str) -> float:
    """Parse a Go duration such as ``5m`` or ``-1h30m`` into seconds.

    Raises:
        ValueError: it is not one; the message is the one Go gives.
    """
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    total, at = 0.0, 0
    while found := _PART.match(rest, at):
        number, unit = found.groups()
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in _UNITS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += float(number) * _UNITS[unit]
        at = found.end()
    if not rest or at < len(rest):
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * total


def parse_keep_alive(text: str) -> float:
    """Parse a keep-alive given as text, a Go duration or a number of seconds; negative means ``FOREVER``.

    Raises:
        ValueError: it is neither.
    """
    seconds = float(text) if _NUMBER.fullmatch(text) else parse(text)
    return FOREVER if seconds < 0 else seconds


def format_nanoseconds(nanoseconds: int) -> str:
    """Print a duration as Go does: ``1.234s``, ``12.5ms``, ``2m3.5s``, ``0s``."""
    sign, n = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if n == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if n < size * 1_000:
            return f"{sign}{_decimal(n, size)}{unit}"
    minutes, rest = divmod(n, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    seconds = _decimal(rest, 1_000_000_000)
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}s"
    return f"{sign}{minutes}m{seconds}s" if minutes else f"{sign}{seconds}s"


def _decimal(n: int, size: int) -> str:
    whole, fraction = divmod(n, size)
    digits = str(fraction).zfill(len(str(size)) - 1).rstrip("0") if size > 1 else ""
    return f"{whole}.{digits}" if digits else str(whole)
