"""What the requests of several routes have in common -> puna's own words for it."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import Any

from puna.errors import InvalidRequest
from puna.http.body import Fields
from puna.http.parameters import think
from puna.types import Format, Think, ToolChoice

MOST_CHOICES = 128

_EFFORTS: Mapping[str, Think] = {
    "": None,
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "ultra": "max",
    "max": "max",
}

_NUMBERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "min_p", "repeat_penalty")
_WHOLES = ("seed", "num_ctx", "top_k")

_LETTERS = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """An id that nothing else has."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))


def options(fields: Fields, limit: str, **defaults: Any) -> dict[str, Any]:
    """The options that a request sets: those of its own fields, then those in ``options``, then ``defaults``.

    ``limit`` is the field that says how many tokens an answer may have; ``max_tokens`` is another name for it.
    """
    said = defaults | dict(fields.mapping("options") or {})
    said |= {name: value for name in _NUMBERS if (value := fields.number(name)) is not None}
    said |= {name: fields.whole(name) for name in _WHOLES if fields.raw(name) is not None}
    for name in ("max_tokens", limit):
        if fields.raw(name) is not None:
            said["num_predict"] = fields.whole(name)
    if (stop := stops(fields.raw("stop"))) is not None:
        said["stop"] = stop
    return said


def stops(value: Any) -> list[str] | None:
    """Decode a ``stop``; an empty text ends nothing, and is left out.

    Raises:
        InvalidRequest: it is neither a string nor a list of strings.
    """
    match value:
        case None:
            return None
        case str():
            return [value] if value else []
        case list():
            for one in value:
                if not isinstance(one, str):
                    raise InvalidRequest(f"invalid type for 'stop' field: {go_type(one)}")
            return [one for one in value if one]
    raise InvalidRequest(f"invalid type for 'stop' field: {go_type(value)}")


def effort(fields: Fields) -> Think:
    """What a request says of thinking: by ``think``, ``reasoning_effort``, or the effort of ``reasoning``.

    Raises:
        InvalidRequest: it is no effort that there is.
    """
    if (said := think(fields.raw("think"))) is not None:
        return said
    reasoning = Fields(fields.mapping("reasoning"), "Reasoning")
    value = reasoning.text("effort") or fields.text("reasoning_effort")
    if value not in _EFFORTS:
        raise InvalidRequest(
            f'invalid reasoning value: "{value}" (must be "minimal", "low", "medium", "high", "xhigh", "ultra", "max", '
            'or "none")'
        )
    return _EFFORTS[value]


def format_(kind: str, schema: Mapping[str, Any] | None, field: str) -> Format:
    """Decode a format of the ``kind`` text, json_object or json_schema; ``field`` is what errors call it.

    Raises:
        InvalidRequest: it is of another kind, or lacks its schema.
    """
    match kind.strip().lower():
        case "" | "text":
            return None
        case "json_object":
            return "json"
        case "json_schema":
            if schema is None:
                raise InvalidRequest(f"{field}: a json_schema needs a schema")
            return schema
    raise InvalidRequest(f'{field}: invalid type "{kind}" (must be "text", "json_object", or "json_schema")')


def tool_choice(value: Any, *, parallel: bool) -> ToolChoice:
    """Decode a ``tool_choice`` as chat (``{"type": "function", "function": {"name": …}}``) or responses have it.

    Raises:
        InvalidRequest: it is neither a mode nor names functions.
    """
    match value:
        case None | "auto":
            return ToolChoice(parallel=parallel)
        case "none":
            return ToolChoice("none")
        case "required":
            return ToolChoice("required", parallel=parallel)
        case {"type": "function", "function": {"name": str(name)}} | {"type": "function", "name": str(name)} if name:
            return ToolChoice("required", (name,), parallel=False)
        case {"type": "allowed_tools", "allowed_tools": dict(allowed)} | ({"type": "allowed_tools"} as allowed):
            return _allowed(Fields(allowed, "AllowedTools"), parallel=parallel)
    raise InvalidRequest(
        'tool_choice must be "none", "auto", "required", {"type": "function"} with the name of a function, or '
        '{"type": "allowed_tools"} with a mode and tools'
    )


def _allowed(fields: Fields, *, parallel: bool) -> ToolChoice:
    """Some of the tools, by their names; those that only OpenAI's own servers could run are not there anyway."""
    mode, given = fields.text("mode"), fields.raw("tools")
    if mode not in {"auto", "required"}:
        raise InvalidRequest('tool_choice: the mode of allowed_tools must be "auto" or "required"')
    names: list[str] = []
    for tool in given if isinstance(given, list) else ():
        match tool:
            case {"type": "function", "function": {"name": str(name)}} | {"type": "function", "name": str(name)}:
                names.append(name)
            case {"type": str(kind)} if kind != "function":
                continue
            case _:
                raise InvalidRequest("tool_choice: a tool of allowed_tools must be a function with a name")
    if names:
        return ToolChoice("required" if mode == "required" else "auto", tuple(names), parallel)
    if given and mode == "auto":
        return ToolChoice("none")
    raise InvalidRequest("tool_choice: allowed_tools must have one function at least")


def logit_bias(fields: Fields) -> dict[int, float]:
    """What is to be added to the logits of tokens, by their numbers.

    Raises:
        InvalidRequest: a key is not the number of a token, or a value not from -100 to 100.
    """
    found: dict[int, float] = {}
    for token, bias in (fields.mapping("logit_bias") or {}).items():
        if not (token.isascii() and token.isdecimal()):
            raise InvalidRequest(f'logit_bias: "{token}" is not the number of a token')
        if isinstance(bias, bool) or not isinstance(bias, int | float) or not -100 <= bias <= 100:
            raise InvalidRequest(f"logit_bias: the bias of {token} must be a number from -100 to 100")
        found[int(token)] = bias
    return found


def choices(fields: Fields, name: str = "n") -> int:
    """How many answers are wanted.

    Raises:
        InvalidRequest: it is not a number from 1 to 128.
    """
    if fields.raw(name) is None:
        return 1
    number = fields.whole(name)
    if not 1 <= number <= MOST_CHOICES:
        raise InvalidRequest(f"{name} must be between 1 and {MOST_CHOICES}")
    return number


def alternatives(fields: Fields, name: str) -> int:
    """How many other tokens are wanted beside each.

    Raises:
        InvalidRequest: it is not a number from 0 to 20.
    """
    number = fields.whole(name)
    if not 0 <= number <= 20:
        raise InvalidRequest(f"{name} must be between 0 and 20")
    return number


def includes_usage(fields: Fields) -> bool:
    """Whether a stream is to end with what it took."""
    return Fields(fields.mapping("stream_options"), "StreamOptions").flag("include_usage")


def go_type(value: Any) -> str:
    """What Ollama calls the type of a JSON value."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int() | float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"
