"""What Tab completes in the chat: commands and their words, the names of models, paths of files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from puna.cli.slash import WORDS

_PATH = re.compile(r"(?:(?<=\s)|^)(?:\.{1,2}|~)?/(?:\\.|[^\s\\])*$")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".wav")
_SPECIAL = re.compile(r"([ ()\[\]{}$&;'\"\\*?~|<>#!`])")

_GO_ON = frozenset(
    {"/load", "/save", "/set system", "/set parameter"}
    | {command for command, words in WORDS.items() if words}
    | {f"/set parameter {name}" for name in WORDS["/set parameter"]}
)


class Suggestions(Completer):
    """What the last word before the cursor may become. ``models`` gives the names of those that can be loaded."""

    def __init__(self, models: Callable[[], Sequence[str]]) -> None:
        self._models = models

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        """Prompt_toolkit: the ways to go on."""
        text = document.text_before_cursor
        said, space, word = text.rpartition(" ")
        command = " ".join(said.split())
        if text.startswith("/") and "\n" not in text and command in ("", *WORDS):
            for following in self._words(command if space else ""):
                if following.startswith(word):
                    more = f"{command} {following}".strip() in _GO_ON
                    yield Completion(following + " " * more, -len(word), display=following)
        if found := _PATH.search(text):
            yield from _files(found.group())

    def _words(self, command: str) -> Sequence[str]:
        if not command:
            return [name for name in WORDS if " " not in name]
        return self._models() if command == "/load" else WORDS[command]


def _files(begun: str) -> Iterator[Completion]:
    folder, slash, name = begun.rpartition("/")
    place = Path(re.sub(r"\\(.)", r"\1", folder + slash)).expanduser()
    name = re.sub(r"\\(.)", r"\1", name)
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(name) or (entry.name.startswith(".") and not name):
            continue
        written = _SPECIAL.sub(r"\\\1", entry.name)
        if entry.is_dir():
            yield Completion(f"{folder}{slash}{written}/", -len(begun), display=f"{entry.name}/")
        elif entry.name.lower().endswith(_SUFFIXES):
            yield Completion(f"{folder}{slash}{written}", -len(begun), display=entry.name)
