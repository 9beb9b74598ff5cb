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

    @property
    def begun(self) -> Message | None:
        """The answer to go on with, of which nothing may be there yet: a prefill, unless its tool calls end it."""
        return None if self.prefill is None or self.prefill.tool_calls else self.prefill

    @property
    def turns(self) -> tuple[Message, ...]:
        """The messages without the answer to go on with."""
        return self.messages if self.begun is None else self.messages[:-1]

    def content(self, index: int, text: str | None = None) -> str:
        """The content of message ``index`` with a marker ``[img-N]`` for each image, counted through all messages.

        A marker stands where the content says ``[img]``, the others in front. A caller who wrote markers has placed
        all. ``text`` replaces the content where a family shows another.
        """
        content, images = self.messages[index].content if text is None else text, self.messages[index].images
        if not images or "[img-" in content:
            return content
        before = sum(len(message.images) for message in self.messages[:index])
        front = ""
        for number in range(len(images)):
            marker = f"[img-{before + number}]"
            placed = content.replace("[img]", marker, 1)
            front += marker if placed == content else ""
            content = placed
        return f"{front} {content}" if front and content and not content[0].isspace() else front + content


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


@cache
def _modules() -> tuple[object, ...]:
    return tuple(importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
