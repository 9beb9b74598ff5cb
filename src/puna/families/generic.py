"""Models that are spoken to by their TEMPLATE alone: it also tells what reasoning and tool calls look like."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from enum import Enum, auto

from puna.events import Text, Thinking
from puna.families import Chat, Found, Parser
from puna.scanner import Scanner
from puna.template.prompt import PromptTemplate
from puna.toolcalls.generic import CallsAfterTag
from puna.types import Message

USUAL_TAGS = ("<think>", "</think>")


def reader(template: PromptTemplate, chat: Chat, prompt: str) -> Parser:
    """A parser for the answer to ``chat``, which ``template`` rendered to ``prompt``.

    Reasoning is told apart if the chat asks for it and the template shows its tags; tool calls if the chat has tools.
    """
    answer = CallsAfterTag(template.tool_tag() or "{", (tool.name for tool in chat.tools)) if chat.tools else Plain()
    return _split(chat, prompt, template.thinking_tags(), answer)


def usual_reader(chat: Chat, prompt: str) -> Parser:
    """A parser for the answer to ``chat``, whose ``prompt`` a template in Jinja made, which does not show its tags."""
    return _split(chat, prompt, USUAL_TAGS, Plain())


def _split(chat: Chat, prompt: str, tags: tuple[str, str] | None, answer: Parser) -> Parser:
    if tags is None or not chat.think:
        return answer
    return _Reasoned(*tags, answer, begun=_begun(prompt, *tags, chat.prefill))


class Plain:
    """A parser for which all text is the answer."""

    def feed(self, text: str) -> Iterator[Found]:
        """Pass ``text`` on."""
        if text:
            yield Text(text)

    def close(self) -> Iterator[Found]:
        """Nothing is ever held back."""
        return iter(())


class _State(Enum):
    START = auto()
    """Before anything but white space."""
    OPENED = auto()
    """After the opening tag, where white space is dropped."""
    THINKING = auto()
    CLOSED = auto()
    """After the closing tag, where white space is dropped."""
    ANSWER = auto()


class _Reasoned:
    """A parser for reasoning in tags and the answer after it, which ``answer`` reads.

    An answer that begins with anything else has no reasoning, whatever follows.
    """

    def __init__(self, opening: str, closing: str, answer: Parser, *, begun: _State) -> None:
        self._opening = opening
        self._closing = closing
        self._answer = answer
        self._state = begun
        self._scanner = Scanner()

    def feed(self, text: str) -> Iterator[Found]:
        """What is certain once ``text`` has arrived."""
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[Found]:
        """What was still held back when the answer ended."""
        rest = self._scanner.rest()
        if self._state is _State.START:
            yield from self._answer.feed(rest)
        elif rest:
            yield Thinking(rest)
        yield from self._answer.close()

    def _step(self) -> Generator[Found, None, bool]:
        """Read on; whether there may be more to read without more text."""
        match self._state:
            case _State.START:
                tag = self._scanner.take_prefix(self._opening)
                if tag is not None:
                    self._state = _State.OPENED if tag else _State.ANSWER
                return tag is not None
            case _State.OPENED | _State.CLOSED:
                more = self._scanner.skip_space()
                if more:
                    self._state = _State.THINKING if self._state is _State.OPENED else _State.ANSWER
                return more
            case _State.THINKING:
                text, tag = self._scanner.take(self._closing)
                if text:
                    yield Thinking(text)
                if tag:
                    self._state = _State.CLOSED
                return bool(tag)
            case _State.ANSWER:
                yield from self._answer.feed(self._scanner.rest())
                return False


def _begun(prompt: str, opening: str, closing: str, prefill: Message | None) -> _State:
    """Where an answer begins: in reasoning if the prompt ends with an open tag and what the caller put after it."""
    _, tag, after = prompt.rpartition(opening)
    written = after.strip()
    if tag and not written:
        return _State.OPENED
    if tag and prefill and closing not in written:
        own = prefill.content or prefill.thinking
        if own.strip().endswith(written):
            return _State.THINKING
    return _State.START
