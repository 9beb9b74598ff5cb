"""The tree of errors as it is drawn is the tree that is raised."""

from __future__ import annotations

import re

from puna import errors

_LINE = re.compile(r"    ([│├└─ ]*)([A-Z]\w+)(?: (\d{3}))?(?:\s|$)", re.MULTILINE)


def _drawn() -> dict[str, tuple[str, int]]:
    """Each error of the drawing: what it is a kind of, and the status it has or inherits."""
    found: dict[str, tuple[str, int]] = {}
    above: list[str] = []
    for line in _LINE.finditer(errors.__doc__ or ""):
        depth, name, status = len(line[1]) // 4, line[2], line[3]
        above[depth:] = [name]
        parent = above[depth - 1] if depth else ""
        found[name] = parent, int(status or (found[parent][1] if parent else 500))
    return found


def test_the_drawing_is_true() -> None:
    """Who reads at the top of the module what an error is a kind of, and which status it has, is told rightly."""
    defined = {
        name: (kind.__base__.__name__ if kind is not errors.PunaError else "", kind.status)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.PunaError)
    }
    assert defined == _drawn()
