"""Answers in which tags tell reasoning, text and calls apart, as most families write them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from puna.events import Text, Thinking, ToolCalled
from puna.scanner import Scanner
from puna.toolcalls.calls import CALL, CallReader
from puna.types import Message, ToolCall

THINK, THOUGHT = "<think>", "</think>"
"""The tags that most families write around reasoning."""


_Found = Text | Thinking | ToolCalled


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a family, but those of its calls, and where they count.

    ``think`` and ``thought`` stand around reasoning. It is opened at the beginning of an answer; if it ``reopens`` also
    after reasoning and calls, or ``anywhere`` in the text. ``noise`` is dropped where text may begin. Calls that begin
    with one of ``in_reasoning`` end the reasoning that they are found in.

    White space around the tags of reasoning and before calls is dropped, unless that is kept; after calls it is dropped
    where ``drops_space_after_calls`` is set, or where nothing follows it. So is the white space that an answer begins
    with where ``trims_start`` is set.
    """

    think: tuple[str, ...] = (THINK,)
    thought: str = THOUGHT
    reopens: bool = False
    anywhere: bool = False
    noise: tuple[str, ...] = ()
    in_reasoning: tuple[str, ...] = ()
    keeps_space_in_reasoning: bool = False
    keeps_space_before_calls: bool = False
    drops_space_after_calls: bool = False
    trims_start: bool = False


class Start(Enum):
    """What an answer starts with."""

    REASONING = auto()
    """Reasoning, which the prompt has opened; an opening tag of its own is dropped."""
    EITHER = auto()
    """Reasoning if its tag opens it, else text."""
    TEXT = auto()

    @classmethod
    def after(cls, prompt: str, prefill: Message | None, *, reasons: bool, otherwise: Start | None = None) -> Start:
        """What the answer to ``prompt`` starts with: reasoning if the model ``reasons``, ``otherwise`` (text) if not.

        The end of the prompt knows best; where it has no tag, an answer that the caller began goes on as text.
        """
        end = prompt.rstrip()
        if end.endswith(THINK):
            return cls.REASONING
        if prefill and prefill.content:
            return cls.TEXT
        return cls.REASONING if reasons and not end.endswith(THOUGHT) else otherwise or cls.TEXT


QWEN = Tags(in_reasoning=(CALL,))
"""Those of the Qwen models, and of others that were taught to answer like them."""


class _State(Enum):
    BEGINNING = auto()
    """Where reasoning may be opened, and noise is dropped."""
    GAP = auto()
    """In white space that is dropped."""
    PASSAGE = auto()
    """In reasoning or text."""
    CALL = auto()
    """After a tag that may open calls."""


class TaggedParser:
    """Tells reasoning, text and calls apart.

    ``calls`` are the readers of calls by the tags that open them. What looks like a call and cannot be read as one is
    passed on as part of the reasoning or text that it was found in. Reasoning is left out unless ``shows_reasoning``.
    """

    def __init__(
        self,
        calls: Mapping[str, CallReader],
        tags: Tags = Tags(),
        start: Start = Start.TEXT,
        *,
        shows_reasoning: bool = True,
    ) -> None:
        self._calls = calls
        self._tags = tags
        self._shows_reasoning = shows_reasoning
        self._scanner = Scanner()
        self._state = _State.PASSAGE if start is Start.TEXT else _State.BEGINNING
        self._reasoning = start is Start.REASONING
        self._openable = tags.think
        self._trims = self._trims_start = tags.trims_start and start is not Start.TEXT
        self._answered = False  # whether text was found
        self._called = False  # whether a call was found last
        self._found: Iterator[ToolCall | str | None] = iter(())

    def feed(self, text: str) -> Iterator[_Found]:
        """What is certain once ``text`` has arrived."""
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[_Found]:
        """What was held back."""
        self._scanner.ended = True
        yield from self.feed("")
        rest = self._scanner.rest()
        bare = rest.lstrip()
        match self._state:
            case _State.GAP:
                pass
            case _ if self._called and not bare:
                pass
            case _State.BEGINNING if len(bare) > 1 and any(tag.startswith(bare) for tag in self._noise()):
                pass  # a part of noise; a single character may be anything
            case _ if bare.startswith(self._tags.think):
                pass  # all of a tag, which waited for a longer one
            case _State.BEGINNING if self._trims:
                yield from self._said(bare)
            case _:
                yield from self._said(rest)

    def _step(self) -> Generator[_Found, None, bool]:
        """Read on; whether there may be more to read without more text."""
        match self._state:
            case _State.BEGINNING:
                return self._begin()
            case _State.GAP:
                if not self._scanner.skip_space():
                    return False
                self._state = _State.PASSAGE
                return True
            case _State.PASSAGE:
                return (yield from self._pass_on())
            case _State.CALL:
                return (yield from self._read_calls())

    def _begin(self) -> bool:
        tag = self._scanner.take_prefix(*self._openable, *self._noise())
        if tag in self._openable:
            self._open_reasoning()
        elif tag:
            self._trims = True
        elif tag is not None:
            self._state = _State.GAP if self._trims else _State.PASSAGE
        return tag is not None

    def _pass_on(self) -> Generator[_Found, None, bool]:
        tags = self._tags
        if self._reasoning:
            sought, trim = (tags.thought, *tags.in_reasoning), True
        else:
            sought, trim = (*self._calls, *(tags.think if tags.anywhere else ())), not tags.keeps_space_before_calls
        text, tag = self._scanner.take(*sought, trim=trim)
        yield from self._said(text)
        if tag in self._calls:
            ends = (tags.thought,) if self._reasoning else ()
            self._found = self._calls[tag](self._scanner, self._scanner.dropped + tag, ends)
            self._state = _State.CALL
        elif tag == tags.thought:
            self._go_on(trims=True)
        elif tag:
            self._open_reasoning()
        return bool(tag)

    def _read_calls(self) -> Generator[_Found, None, bool]:
        mentioned = False
        for found in self._found:
            if found is None:
                return False
            if isinstance(found, ToolCall):
                yield ToolCalled(found)
                self._reasoning, self._called = False, True
            else:
                yield from self._said(found)
                mentioned = True
        if mentioned:
            self._state = _State.PASSAGE
        else:
            trims_start = self._trims_start and not self._answered
            self._go_on(trims=self._tags.drops_space_after_calls or trims_start)
        return True

    def _open_reasoning(self) -> None:
        self._reasoning = True
        self._state = _State.PASSAGE if self._tags.keeps_space_in_reasoning else _State.GAP

    def _go_on(self, *, trims: bool) -> None:
        """Reasoning or calls are over."""
        self._reasoning, self._state = False, _State.BEGINNING
        self._openable = self._tags.think if self._tags.reopens else ()
        self._trims = trims

    def _noise(self) -> tuple[str, ...]:
        return () if self._reasoning else self._tags.noise

    def _said(self, text: str) -> Iterator[Text | Thinking]:
        if not text:
            return
        self._called = False
        if not self._reasoning:
            self._answered = True
            yield Text(text)
        elif self._shows_reasoning:
            yield Thinking(text)
