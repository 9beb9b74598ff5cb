"""What was typed into chats, in a file that outlives them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click
from prompt_toolkit.history import History

_LINES = 100


class LineHistory(History):
    """What was typed, in a file with one line for each, the latest last: the file that Ollama's chat keeps too.

    Nothing is added to it unless ``keeping``; a file that cannot be written is mentioned once.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.keeping = True
        self._path = path
        self._writable = True

    def load_history_strings(self) -> Iterable[str]:
        """The lines, the latest first."""
        return reversed(self._read())

    def append_string(self, string: str) -> None:
        """Remember ``string`` if history is kept."""
        if self.keeping:
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Add ``string`` to the file, which keeps only so many lines."""
        try:
            self._write([*self._read(), *string.splitlines()][-_LINES:])
        except OSError as error:
            if self._writable:
                click.echo(f"Warning: the history cannot be kept in {self._path}: {error.strerror}", err=True)
            self._writable = False

    def _write(self, lines: list[str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        written.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        written.chmod(0o600)
        written.replace(self._path)

    def _read(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
