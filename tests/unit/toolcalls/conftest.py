"""What the tests of call readers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from puna.scanner import Scanner
from puna.toolcalls.calls import CallReader
from puna.types import ToolCall


@pytest.fixture
def read_calls() -> Callable[..., list[Any]]:
    """Has a reader read what follows ``<tag>``: the calls, the text that is none, and what it left when it was done.

    Of an answer that goes on (``ended=False``) it gives what is found so far, and nothing is left.
    """
    return _read


def _read(reader: CallReader, pieces: Iterable[str], *, ends: tuple[str, ...] = (), ended: bool = True) -> list[Any]:
    scanner = Scanner()
    reading = reader(scanner, "<tag>", ends)
    found: list[ToolCall | str] = []
    for piece in (*pieces, None) if ended else pieces:
        scanner.add(piece or "")
        scanner.ended = piece is None
        for one in reading:
            if one is None:
                break
            found.append(one)
        else:
            left = scanner.rest()
            return [*found, left] if left else found
    return found
