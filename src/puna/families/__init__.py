"""Model families: how a conversation becomes a prompt, and raw text an answer. One module per family.

A family detects itself; ``find`` asks each in turn, the generic ones last. Adding one is
adding a module to this package.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Protocol

from puna.events import Event, Piece
from puna.store.models import Model
from puna.types import Conversation, Message, Prompt, Think, Tool


class Parser(Protocol):
    """Turns the pieces of one answer into events. Pure: no I/O, no time."""

    def feed(self, piece: Piece) -> Iterator[Event]:
        """The events that are certain once ``piece`` has arrived."""
        ...

    def close(self) -> Iterator[Event]:
        """The events still held back when the answer has ended."""
        ...


class Family(Protocol):
    """How one kind of model is spoken to."""

    @property
    def rank(self) -> int:
        """Families are asked in ascending order; the specific ones are low, the generic ones high."""
        ...

    @property
    def splits_thinking(self) -> bool:
        """Whether its parser tells the model's reasoning from its answer."""
        ...

    def matches(self, model: Model) -> bool:
        """Whether this family speaks for ``model``."""
        ...

    def render(
        self, model: Model, messages: Sequence[Message], *, tools: Sequence[Tool], think: Think
    ) -> Prompt | Conversation:
        """What the engine is to be given for ``messages``.

        Raises:
            TemplateError: the model's template cannot render them.
        """
        ...

    def parser(self, model: Model, *, tools: Sequence[Tool], think: Think) -> Parser:
        """A parser for one answer."""
        ...


@cache
def _families() -> tuple[Family, ...]:
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return tuple(sorted((module.FAMILY for module in modules), key=lambda family: family.rank))


def find(model: Model) -> Family:
    """The family that speaks for ``model``; there always is one."""
    return next(family for family in _families() if family.matches(model))
