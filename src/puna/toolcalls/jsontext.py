"""JSON as models write it, and as they are shown it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from puna.types.nesting import is_too_deep


def decoded(text: str) -> Any:
    """``text`` as JSON; None when it is none, or nested more deeply than anyone means."""
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    return None if is_too_deep(value) else value


def decoded_object(text: str) -> dict[str, Any] | None:
    """``text`` as a JSON object; None when it is none."""
    value = decoded(text)
    return value if isinstance(value, dict) else None


def spaced(value: Any) -> str:
    """``value`` as JSON with a space after each comma and colon, and letters as they are."""
    return json.dumps(value, ensure_ascii=False)


def compact(value: Any, *, sort_keys: bool = False) -> str:
    """``value`` as JSON without spaces, and letters as they are; with ``sort_keys`` keys are in alphabetical order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)


def plain(value: Any, encode: Callable[[Any], str] = spaced) -> str:
    """``value`` as it stands in a tag: a string is itself, all else JSON as ``encode`` writes it."""
    return value if isinstance(value, str) else encode(value)
