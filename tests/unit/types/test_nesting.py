"""How deeply what callers send and models write may be nested."""

from __future__ import annotations

from typing import Any

import pytest

from puna.types.nesting import DEEPEST, is_too_deep


def nested(levels: int, *, of: type) -> Any:
    """A list or an object with so many levels."""
    value: Any = 1
    for _ in range(levels):
        value = [value] if of is list else {"a": value, "b": 2}
    return value


@pytest.mark.parametrize("of", [list, dict])
def test_the_limit_is_the_same_everywhere(of: type) -> None:
    """Whatever Python it runs on, and however deep that would go."""
    assert not is_too_deep(nested(DEEPEST, of=of))
    assert is_too_deep(nested(DEEPEST + 1, of=of))
    assert is_too_deep(nested(50_000, of=of))


def test_what_is_wide_is_not_deep() -> None:
    """A long list of objects is no more than that."""
    assert not is_too_deep([{"a": [1, 2, 3]}] * 1000)
    assert not is_too_deep("[[[[")
