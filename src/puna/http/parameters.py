"""What every dialect lets its callers say: of thinking, of how long a model stays in memory, and of its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from msgspec import Meta, defstruct

from puna import durations, options
from puna.errors import InvalidRequest
from puna.types import Think, ThinkLevel

_THINK_LEVELS: tuple[ThinkLevel, ...] = get_args(ThinkLevel)

_AGES = 1e10
"""A keep-alive of as many seconds never runs out."""


_OPTION_TYPES: Mapping[str, Any] = {"integer": int, "float32": float, "boolean": bool, "array": tuple[str, ...]}

ModelOptions: Any = defstruct(
    "ModelOptions",
    [
        (name, Annotated[_OPTION_TYPES[kind] | None, Meta(description=options.MEANINGS[name])], None)
        for name, kind in options.TYPES.items()
    ],
    namespace={"__doc__": "Options of models. What is left out is as the model has it; other names are ignored."},
    module=__name__,
)

KeepAlive = Annotated[
    Annotated[str, Meta(pattern=r"^[+-]?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|ms|s|m|h))+$")] | float | None,
    Meta(
        description="How long the model stays in memory afterwards: seconds, or a duration; 0: no longer, negative: "
        "for ever, null: the server's default.",
        examples=["10m", 0],
    ),
]
"""What ``keep_alive`` decodes."""


Binary = Annotated[Any, Meta(extra_json_schema={"type": "string", "format": "binary"})]
"""Bytes as they are, in a body that is not JSON."""


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
