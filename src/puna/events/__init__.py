"""The canonical stream: what the service says while it answers, whatever the dialect.

A generation is ``(Text | Thinking | ToolCalled | PromptProgress)* Done``. Work on the store (create, pull, push) is
``Progress*``, the last of them ``Progress("success")``. An error ends a stream as an exception. An engine's own
stream is made of ``Piece``, raw text that a family's parser turns into events.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from puna.events.answering import Done, DoneReason, Text, Thinking, ToolCalled
    from puna.events.folding import Answer, fold
    from puna.events.pieces import Piece
    from puna.events.prompts import PromptProgress, Rendered
    from puna.events.steps import Progress
    from puna.events.stream import Event
else:
    # As in puna.types: a command that asks for one answer needs few of them.
    _MODULE_OF = {
        "Done": "answering",
        "DoneReason": "answering",
        "Text": "answering",
        "Thinking": "answering",
        "ToolCalled": "answering",
        "Answer": "folding",
        "fold": "folding",
        "Piece": "pieces",
        "PromptProgress": "prompts",
        "Rendered": "prompts",
        "Progress": "steps",
        "Event": "stream",
    }

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


__all__ = [
    "Answer",
    "Done",
    "DoneReason",
    "Event",
    "Piece",
    "Progress",
    "PromptProgress",
    "Rendered",
    "Text",
    "Thinking",
    "ToolCalled",
    "fold",
]
