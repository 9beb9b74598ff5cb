"""What was typed into chats, in a file that outlives them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import History

_LINES = 100


def readable(typed: str) -> str:
    """``typed`` with its bytes read as UTF-8; those that are none become U+FFFD."""
    return typed.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class LineHistory(History):
    """What was typed, in a file with one line for each, the latest last: the file that Ollama's chat keeps too.

    Nothing is added to it unless ``keeping``; of a file that cannot be written there is a ``warning``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.keeping = True
        self._path = path
        self._problem = ""
        self._told = False

    def load_history_strings(self) -> Iterable[str]:
        """The lines, the latest first; none if they cannot be read, which is told when one is to be added."""
        try:
            return reversed(self._read())
        except OSError:
            return []

    def append_string(self, string: str) -> None:
        """Remember ``string`` if history is kept."""
        if self.keeping:
            super().append_string(readable(string))

    def store_string(self, string: str) -> None:
        """Add ``string`` to the file, which keeps only so many lines."""
        try:
            self._write([*self._read(), *string.splitlines()][-_LINES:])
        except OSError as error:
            self._problem = f"the history cannot be kept in {self._path}: {error.strerror}"

    def warning(self) -> str:
        """What is wrong with the file, once; "" for nothing."""
        told, self._told = self._told, self._told or bool(self._problem)
        return "" if told else self._problem

    def _write(self, lines: list[str]) -> None:
        path = Path(os.path.realpath(self._path))  # a link stays one
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            written.touch(mode=0o600)  # before there is anything in it that others could read
            written.chmod(0o600)
            written.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            written.replace(path)
        except OSError:
            written.unlink(missing_ok=True)
            raise

    def _read(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
