"""Values as Go prints them by default (``%v``), and how ``print`` and ``println`` join them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from puna.template.gotmpl.values import Absent, Kind, Printed, kind_of, sorted_keys

_SHORTEST_EXPONENTS = range(-4, 6)
"""The exponents that Go's shortest notation writes out instead of giving them after an e."""

_JSON_EXPONENTS = range(-6, 21)
"""The same for numbers in JSON."""


def display(value: Any) -> str:
    """``value`` as an action prints it."""
    return value.value if isinstance(value, Absent) else plain(value)


def plain(value: Any) -> str:
    """``value`` in Go's default notation."""
    if isinstance(value, str):
        return value
    if isinstance(value, Printed):
        return value.go_string()
    match kind_of(value):
        case Kind.NIL:
            return "<nil>"
        case Kind.BOOL:
            return "true" if value else "false"
        case Kind.INT:
            return str(value)
        case Kind.FLOAT:
            return format_float(value)
        case Kind.LIST:
            return f"[{' '.join(map(plain, value))}]"
        case Kind.MAP:
            return f"map[{' '.join(f'{key}:{plain(value[key])}' for key in sorted_keys(value))}]"
        case Kind.STRUCT:
            return f"{{{' '.join(map(plain, value.fields.values()))}}}"
        case _:
            return "?"


def sprint(values: Sequence[Any]) -> str:
    """``values`` as ``print`` joins them: a space between two of which neither is text."""
    parts: list[str] = []
    text_before = True
    for value in values:
        is_text = kind_of(value) is Kind.STRING
        if not (text_before or is_text):
            parts.append(" ")
        parts.append(plain(value))
        text_before = is_text
    return "".join(parts)


def sprintln(values: Iterable[Any]) -> str:
    """``values`` as ``println`` joins them: always a space between two, and a newline at the end."""
    return " ".join(map(plain, values)) + "\n"


def format_float(value: float, verb: str = "g", precision: int = -1) -> str:
    """``value`` in Go's notation ``e``, ``f`` or ``g``.

    A negative precision asks for as many digits as tell the value from its neighbours.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if precision >= 0:
        return format(value, f".{precision}{verb}")
    return _shortest(value, verb, _SHORTEST_EXPONENTS)


def json_float(value: float) -> str:
    """``value`` as Go writes it in JSON.

    Raises:
        ValueError: JSON has no such number.
    """
    if not math.isfinite(value):
        raise ValueError(f"unsupported value: {format_float(value)}")
    return _shortest(value, "g", _JSON_EXPONENTS).replace("e-0", "e-")


def _shortest(value: float, verb: str, written_out: range) -> str:
    # The digits must be those of repr: rounding the value to as many digits may give a neighbour (2**-24 lies halfway).
    exact = Decimal(repr(value)).normalize()
    exponent = exact.adjusted() if exact else 0
    if verb in "eE" or (verb in "gG" and exponent not in written_out):
        mantissa = exact.scaleb(-exponent)
        return f"{mantissa:f}{'E' if verb.isupper() else 'e'}{exponent:+03d}"
    return f"{exact:f}"
