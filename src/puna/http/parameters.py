"""What every dialect lets its callers say of thinking, and of how long a model stays in memory."""

from __future__ import annotations

from typing import Any, get_args

from puna import durations
from puna.errors import InvalidRequest
from puna.types import Think, ThinkLevel

_THINK_LEVELS: tuple[ThinkLevel, ...] = get_args(ThinkLevel)

_AGES = 1e10
"""A keep-alive of as many seconds never runs out."""


def keep_alive(value: Any) -> float | None:
    """Decode a ``keep_alive``: seconds, ``FOREVER``, or None for the server's default.

    Raises:
        InvalidRequest: it is neither a number of seconds nor a duration.
    """
    match value:
        case None:
            return None
        case bool():
            raise InvalidRequest("Unsupported type: 'bool'")
        case int() | float():
            seconds = value
        case str():
            try:
                seconds = durations.parse(value)
            except ValueError as error:
                raise InvalidRequest(str(error)) from error
        case _:
            kind = "[]interface {}" if isinstance(value, list) else "map[string]interface {}"
            raise InvalidRequest(f"Unsupported type: '{kind}'")
    return float(seconds) if 0 <= seconds < _AGES else durations.FOREVER


def think(value: Any) -> Think:
    """Decode a ``think``.

    Raises:
        InvalidRequest: it is neither a boolean nor a level.
    """
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise InvalidRequest('think must be a boolean or string ("high", "medium", "low", "max", true, or false)')
    if value not in _THINK_LEVELS:
        raise InvalidRequest(f'invalid think value: "{value}" (must be "high", "medium", "low", "max", true, or false)')
    return value
