"""Answers that are passed on as they are, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from puna.events import Text
from puna.families import Reading


class _Parser:
    def feed(self, text: str) -> Iterator[Text]:
        if text:
            yield Text(text)

    def close(self) -> Iterator[Text]:
        yield from ()


PARSERS: Mapping[str, Reading] = {"passthrough": Reading(lambda _chat, _prompt: _Parser())}
