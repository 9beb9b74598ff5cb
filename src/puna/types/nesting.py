"""How deeply JSON values may be nested.

What a decoder refuses by itself differs from one version of Python to the next.
"""

from __future__ import annotations

from typing import Any

DEEPEST = 100
"""Levels of lists and objects. Renderers and templates walk through tools with several calls a level."""


def is_too_deep(value: Any, levels: int = DEEPEST) -> bool:
    """Whether ``value`` has more than ``levels`` levels of lists and objects."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return levels == 0 or any(is_too_deep(item, levels - 1) for item in value)
