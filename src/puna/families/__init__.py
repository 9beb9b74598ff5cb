"""Model families: how a conversation becomes a prompt, and raw text an answer. One module per family.

A module of this package offers ``RENDERERS`` and ``PARSERS``, by the names that a model's config may hold; both are
found by looking. ``RESOLVE`` says which renderer a name stands for that means another one for each size of a model.
Adding a family is adding a module. Renderer and parser are named one by one, so a model may have the
one of one family and the other of another; a model that names neither is spoken to by its TEMPLATE or by the template
in its GGUF (``generic``, ``native``).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from puna.events import Text, Thinking, ToolCalled
from puna.types import Message, Think, Tool

Found = Text | Thinking | ToolCalled
"""What a parser finds in the text of an answer. A call's ``id`` and ``index`` are not the parser's to give."""


@dataclass(frozen=True, slots=True)
class Chat:
    """What is to be rendered, and what its answer is to be read with.

    ``think`` is the caller's word, with the model's default applied where it said nothing: None means that the model
    knows no thinking. The last message may be the assistant's: then it is the beginning of the answer.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    think: Think = None

    @property
    def prefill(self) -> Message | None:
        """The beginning of the answer, when the caller wrote one."""
        return self.messages[-1] if self.messages and self.messages[-1].role == "assistant" else None

    def image_markers(self, index: int) -> str:
        """The markers of the images of message ``index``, ``[img-N]`` each, counted through the whole conversation."""
        before = sum(len(message.images) for message in self.messages[:index])
        return "".join(f"[img-{before + number}]" for number in range(len(self.messages[index].images)))


class Parser(Protocol):
    """Tells reasoning, answer and tool calls apart in the text of one answer. Pure: no I/O, no time.

    It finds the same however the text is cut into pieces, and loses none of it: what looks like a tool call and cannot
    be read as one comes as text.
    """

    def feed(self, text: str) -> Iterator[Found]:
        """What is certain once ``text`` has arrived."""
        ...

    def close(self) -> Iterator[Found]:
        """What was still held back when the answer ended."""
        ...


Renderer = Callable[[Chat], str]
"""Makes the prompt of a conversation."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the answers of a family are read.

    ``parser`` makes a parser for one answer to a chat, given the prompt (whose end may have opened the reasoning).
    ``tokens`` are special tokens that the parser must see as text, which the engine else leaves out. ``prepare``
    changes a chat before it is rendered, whoever renders it.
    """

    parser: Callable[[Chat, str], Parser]
    tokens: tuple[str, ...] = ()
    prepare: Callable[[Chat], Chat] = lambda chat: chat


@cache
def renderers() -> Mapping[str, Renderer]:
    """All renderers by name."""
    return {name: renderer for module in _modules() for name, renderer in getattr(module, "RENDERERS", {}).items()}


@cache
def parsers() -> Mapping[str, Reading]:
    """All parsers by name."""
    return {name: reading for module in _modules() for name, reading in getattr(module, "PARSERS", {}).items()}


def resolved(renderer: str, model: str, billions: float) -> str:
    """The renderer that ``renderer`` stands for with the model of that name and size (10⁹ parameters, 0: not known)."""
    for module in _modules():
        if choose := getattr(module, "RESOLVE", {}).get(renderer):
            return str(choose(model, billions))
    return renderer


def _modules() -> Iterator[object]:
    return (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
