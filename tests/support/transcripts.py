"""Transcripts of a command line: read from a page of Markdown, and compared whatever sizes, times and ids they name.

A page has for each a heading, and in a fenced block ``$ command``, ``--- stdout``, ``--- stderr``, ``--- exit CODE``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CASE = re.compile(
    r"^## (?P<name>\S+)\n```\n\$ (?P<command>[^\n]*)\n--- stdout\n(?P<out>.*?)--- stderr[^\n]*\n(?P<err>.*?)"
    r"--- exit (?P<code>\d+)\n```",
    re.MULTILINE | re.DOTALL,
)
# Escapes of a terminal, as they are or as `cat -v` writes them: what follows stands on a line of its own.
_ESCAPES = re.compile(r"(?:(?:\x1b|\^\[)\[\??[0-9;]*[A-Za-z])+")
_SPINNER = re.compile(r"[⠀-⣿]|M-bM- M-\^?.")
# What puna says of a wait that lasts, which depends on the machine; Ollama's spinner says nothing.
_WAITING = re.compile(r"(?:waiting(?: for a turn)?|loading the model|reading the prompt)\b.*")
_VARYING = (
    (re.compile(r"\bsha256[:-][0-9a-f]{64}"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b[0-9.]+ [KMGT]?B\b"), "SIZE"),
    (re.compile(r"\b(?:Less than a second|About an? \w+|\d+ (?:second|minute|hour|day)s?) (ago|from now)"), r"TIME \1"),
    (re.compile(r"\b\d+\.\d+\.\d+(?:-rc\d+)?\b(?![.:])"), "VERSION"),
)


@dataclass(frozen=True)
class Transcript:
    """A command, without the program's name, and what it printed and ended with."""

    name: str
    args: tuple[str, ...]
    out: str
    err: str
    code: int


def read(page: Path) -> Iterator[Transcript]:
    """The transcripts on ``page``, in order."""
    for found in _CASE.finditer(page.read_text(encoding="utf-8")):
        _, *args = shlex.split(found["command"])
        yield Transcript(found["name"], tuple(args), found["out"], found["err"], int(found["code"]))


def printed(text: str) -> str:
    """What standard output says, with names in the place of what varies, and columns only so far apart."""
    for varying, name in _VARYING:
        text = varying.sub(name, text)
    return "\n".join(re.sub(r" {2,}", "  ", line).rstrip() for line in text.splitlines())


def told(text: str) -> list[str]:
    """The lines that standard error says, each once, without what moved, or was waited for, while it was said."""
    lines = printed(_SPINNER.sub("", _ESCAPES.sub("\n", text))).splitlines()
    return list(dict.fromkeys(line.strip() for line in lines if line.strip() and not _WAITING.fullmatch(line)))
