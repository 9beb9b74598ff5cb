"""Times as RFC 3339 texts with nanoseconds, trailing zeros trimmed: what Ollama's API prints."""

from __future__ import annotations

import time
from datetime import UTC, datetime

LONGEST_NANOSECONDS = 2**63 - 1
"""The longest duration Go knows (292 years): what "forever" is on the wire."""


def utc(nanoseconds: int) -> str:
    """A time since the epoch in UTC: ``2026-11-21T20:41:05.742011893Z``."""
    return _print(datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC), nanoseconds)


def local(nanoseconds: int) -> str:
    """A time since the epoch with the local offset: ``2026-11-21T21:41:05.742011893+01:00``."""
    return _print(datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).astimezone(), nanoseconds)


def after(seconds: float, *, now: int | None = None) -> str:
    """The local time ``seconds`` after ``now`` (nanoseconds since the epoch, None: this moment), at most 292 years."""
    start = time.time_ns() if now is None else now
    return local(start + int(min(seconds * 1e9, LONGEST_NANOSECONDS)))


def _print(moment: datetime, nanoseconds: int) -> str:
    fraction = f"{nanoseconds % 1_000_000_000:09d}".rstrip("0")
    offset = moment.strftime("%z")
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}"
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + zone
