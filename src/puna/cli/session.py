"""What a user of ``run`` has chosen and said so far."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from puna.types import Format, Message, Think


class Session(NamedTuple):
    """What the user has chosen and said so far. ``keep_alive`` in seconds.

    ``capabilities`` are the model's. ``think`` is what the user said of thinking, None for nothing.
    """

    model: str
    messages: tuple[Message, ...] = ()
    system: str = ""
    options: Mapping[str, Any] = MappingProxyType({})
    format: Format = None
    think: Think = None
    hide_thinking: bool = False
    keep_alive: float | None = None
    capabilities: frozenset[str] = frozenset()
    wordwrap: bool = True
    markdown: bool = True
    verbose: bool = False
    history: bool = True

    @property
    def thinks(self) -> Think:
        """What to ask of the model: one that can think does, unless something else was said."""
        return self.think if self.think is not None or "thinking" not in self.capabilities else True

    @property
    def attaches(self) -> bool:
        """Whether the model takes pictures or sound, so that paths in what is typed are looked for."""
        return not self.capabilities.isdisjoint({"vision", "audio"})
