"""JSON as models write it, and as they are shown it."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def decoded(text: str) -> Any:
    """``text`` as JSON; None when it is none."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def decoded_object(text: str) -> dict[str, Any] | None:
    """``text`` as a JSON object; None when it is none."""
    value = decoded(text)
    return value if isinstance(value, dict) else None


def spaced(value: Any) -> str:
    """``value`` as JSON with a space after each comma and colon, and letters as they are."""
    return json.dumps(value, ensure_ascii=False)


def compact(value: Any) -> str:
    """``value`` as JSON without spaces, and letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> str:
    """``value`` as it stands in a tag: a string is itself, all else JSON."""
    return value if isinstance(value, str) else spaced(value)
