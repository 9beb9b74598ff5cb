"""Names of properties that are spelled so that a grammar takes them for others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from puna.engine.subschemas import walk


class Spelling:
    r"""Tells whether a JSON text, as it is written, has names that an engine's grammar for ``schema`` misreads.

    Where other names are free, a name of the schema in escapes (``"\u0061"`` for ``"a"``) passes for one of those, and
    then its value may be anything. Whoever parses the text reads the schema's.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        parts = [part for _, part in walk(schema)]
        named = (part.get("properties") for part in parts)
        self._names = {name for properties in named if isinstance(properties, Mapping) for name in properties}
        self._patterns = any(part.get("patternProperties") for part in parts)
        self._text: list[str] = []
        self._inside = False
        self._escaped = False

    def misleads(self, more: str) -> bool:
        """Whether ``more`` of the text completes such a name."""
        return any(self._completes(letter) for letter in more)

    def _completes(self, letter: str) -> bool:
        if self._inside:
            if letter == '"' and not self._escaped:
                self._inside = False
            else:
                self._text.append(letter)
                self._escaped = letter == "\\" and not self._escaped
        elif letter == '"':
            self._inside, self._text = True, []
        elif letter == ":":
            return self._is_another("".join(self._text))
        return False

    def _is_another(self, written: str) -> bool:
        if "\\u" not in written and "\\/" not in written:
            return False
        return self._patterns or json.loads(f'"{written}"') in self._names
