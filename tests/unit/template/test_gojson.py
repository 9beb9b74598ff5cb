"""JSON in prompts is Go's, byte for byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from puna.template.gojson import Ordered, Tagged, decoded, encode

CASES = {
    "nothing": (None, "null"),
    "booleans": ([True, False], "[true,false]"),
    "maps by key": ({"b": 1, "a": {"d": 2, "c": 3}}, '{"a":{"c":3,"d":2},"b":1}'),
    "ordered objects as they are": (Ordered(b=1, a=2), '{"b":1,"a":2}'),
    "what HTML would read": ("<a> & b\u2028", r'"\u003ca\u003e \u0026 b\u2028"'),
    "control characters": ('\b\f\n\r\t\0\x1f\x7f"\\', r'"\b\f\n\r\t\u0000\u001f' + '\x7f\\"\\\\"'),
    "text beyond ASCII": ("é😀", '"é😀"'),
    "half of a pair": ("\ud800", '"\N{REPLACEMENT CHARACTER}"'),
    "whole floats": ([1.0, -0.0, 1e20], "[1,-0,100000000000000000000]"),
    "large and small floats": ([1e21, 1.5e-7, 1e-6, 0.1], "[1e+21,1.5e-7,0.000001,0.1]"),
    "bytes": (b"\x00\xff", '"AP8="'),
    "structs by their tags": (
        Tagged("T", {"A": 1, "B": "", "C": [], "D": 0}, {"A": "a", "B": "b,omitempty", "C": "c,omitempty"}),
        '{"a":1,"D":0}',
    ),
}


@pytest.mark.parametrize(("value", "expected"), CASES.values(), ids=CASES.keys())
def test_encode(value: object, expected: str) -> None:
    """Values are encoded as Go's encoding/json does."""
    assert expected == encode(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    """Numbers JSON does not have, and foreign objects, are errors."""
    with pytest.raises(ValueError, match="unsupported"):
        encode(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-(2.0**53), 2.0**53) | st.text('aé<\n"\\'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab<"), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_what_is_encoded_means_the_same(value: object) -> None:
    """Encoding loses nothing, not even of numbers no float holds."""
    assert value == json.loads(encode(value))
    assert value == json.loads(encode(decoded(value)))


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(2.0**-24)
@example(5.813299611141041e16)
def test_a_float_comes_back_as_it_was(value: float) -> None:
    """The fewest digits that give the same float again, also where rounding to as many gives a neighbour."""
    assert float(encode(value)) == value
