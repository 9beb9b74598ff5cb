"""What a JSON Schema refers to, in itself and elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from puna.engine.subschemas import walk

_MISSING = object()


def unresolved(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The JSON pointers to the references in ``schema`` that lead nowhere, and why.

    Those of a schema that has parts with names of their own (``$id``) are not looked at.
    """
    parts = list(walk(schema))
    if any("$id" in part for _, part in parts):
        return
    anchors = {part["$anchor"] for _, part in parts if isinstance(part.get("$anchor"), str)}
    for pointer, part in parts:
        ref = part.get("$ref")
        if not isinstance(ref, str):
            continue
        where = f"{pointer}/$ref"
        if not ref.startswith("#"):
            yield where, f'"{ref}" is outside of the schema; copy it into $defs'
        elif ref != "#" and not ref.startswith("#/"):
            if ref[1:] not in anchors:
                yield where, f'there is no "{ref}" in the schema'
        elif _target(schema, ref) is _MISSING:
            yield where, f'there is no "{ref}" in the schema'
        elif _is_circular(schema, ref):
            yield where, "it refers to nothing but itself"


def reached(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """As ``walk``, and also the schemas that stand where none is looked for, if something refers to them."""
    seen: set[str] = set()
    pending: list[tuple[str, Any]] = [("", schema)]
    while pending:
        start, root = pending.pop()
        for pointer, part in walk(root, start):
            if pointer in seen:
                continue
            seen.add(pointer)
            yield pointer, part
            ref = part.get("$ref")
            if isinstance(ref, str) and ref.startswith("#/"):
                pending.append((unquote(ref)[1:], _target(schema, ref)))


def _target(schema: Mapping[str, Any], ref: str) -> Any:
    """What the JSON pointer ``ref``, a fragment, leads to."""
    found: Any = schema
    for step in unquote(ref).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(name, _MISSING)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return _MISSING
    return found


def _is_circular(schema: Mapping[str, Any], ref: str) -> bool:
    seen: set[str] = set()
    while ref not in seen:
        seen.add(ref)
        found = _target(schema, ref)
        following = found.get("$ref") if isinstance(found, Mapping) else None
        if not isinstance(following, str) or not following.startswith("#"):
            return False
        ref = following
    return True
