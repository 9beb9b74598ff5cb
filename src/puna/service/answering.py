"""One answer of one loaded model: fit the messages to the context, generate, read the answer."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from puna import media
from puna.engine import Loaded, Sampling, Stopped
from puna.engine.compiling import compiling
from puna.errors import ContextTooLong, GenerationFailed, InvalidRequest, PunaError
from puna.events import Event, PromptProgress, Text, Thinking, ToolCalled
from puna.families import Parser
from puna.families.answer import AnswerReader
from puna.families.generic import Plain
from puna.service.rereading import Repeated
from puna.service.toolchoice import RequiredCall, call_schema
from puna.types import Conversation, Message, Prompt, Tool, Usage

log = logging.getLogger(__name__)

Rendering = Callable[[Sequence[Message]], Awaitable[Prompt | Conversation]]
"""Makes of messages what the engine is given."""

IMAGE_TOKENS = 768
"""The tokens that are set aside for an image when turns are left out to make a prompt fit."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How an answer ended: what the engine said, the prompt it had, all of its raw text, and whether turns were cut.

    ``thinking`` is the text of its reasoning.
    """

    stopped: Stopped
    prompt: Prompt | Conversation
    raw: str
    truncated: bool
    thinking: str = ""


@dataclass(slots=True)
class _Pass:
    """One run of the engine: what it was given, and what came of it."""

    prompt: Prompt | Conversation
    sampling: Sampling
    reader: AnswerReader
    answer: str = ""
    stopped: Stopped | None = None
    raw: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    prompt_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """All that the engine said."""
        return "".join(self.raw)


@dataclass(frozen=True, slots=True)
class Answering:
    """How the answer to a request is made, whatever its messages turn out to be.

    ``parser`` makes the parser for an answer to the prompt of that text. ``truncate`` lets whole oldest turns be left
    out, ``shift`` lets the answer go on when the context is full. ``thinks_first`` says that reasoning precedes the
    answer, which a format must leave alone. The answer has to be a call of one of the tools in ``must_call``, if there
    are any: then it is text that is given to the engine. It ends with its first call if ``one_call`` is all there may
    be. ``as_text`` renders a conversation whose answer the engine itself cannot read, for it to be read here.
    """

    loaded: Loaded
    rendering: Rendering
    parser: Callable[[str], Parser]
    sampling: Sampling
    truncate: bool
    shift: bool
    thinks_first: bool = False
    must_call: tuple[Tool, ...] = ()
    one_call: bool = False
    as_text: Callable[[Conversation], Awaitable[Prompt]] | None = None

    async def answer(self, messages: Sequence[Message]) -> AsyncGenerator[Event | Answered, None]:
        """Answer ``messages``; the last item is ``Answered``.

        When they do not fit into the context and ``truncate`` allows it, whole oldest turns are left out, never the
        last message, what the user said last, or a system message. Without ``shift`` the answer ends where the context
        does.

        Raises:
            ContextTooLong: they do not fit, even so.
            TemplateError, InvalidRequest, EngineError: as rendering and the engine raise them.
        """
        prompt, truncated = await self.rendering(messages), False
        said: list[Event] = []
        again: Repeated | None = None
        # So that an answer that has to be had once more is the same.
        sampling = _seeded(self.sampling) if isinstance(prompt, Conversation) else self.sampling
        while True:
            try:
                async with aclosing(self._passes(prompt, sampling, truncated=truncated)) as events:
                    async for event in events:
                        if isinstance(event, Answered):
                            if again is not None:
                                again.close()
                            yield event
                        elif (news := event if again is None else again.news(event)) is not None:
                            if isinstance(prompt, Conversation) and not isinstance(event, PromptProgress):
                                said.append(event)
                            yield news
            except ContextTooLong as error:
                if truncated or not self.truncate:
                    raise
                prompt, truncated = await self._fitting(messages, error), True
                continue
            except (GenerationFailed, InvalidRequest) as error:
                prompt, again = await self._unread(prompt, said, error), Repeated(said, error)
                continue
            return

    async def _unread(self, prompt: Prompt | Conversation, said: Sequence[Event], error: PunaError) -> Prompt:
        """``prompt`` as text, to be answered once more; ``error`` is raised where that is no way."""
        if isinstance(prompt, Prompt) or self.as_text is None or _parts_beside_text(prompt):
            raise error
        if any(isinstance(one, ToolCalled) for one in said):
            raise error
        text = await self.as_text(prompt)
        log.info("an answer is made once more, and read as text: the engine cannot read it")
        return text

    async def _passes(
        self, prompt: Prompt | Conversation, sampling: Sampling, *, truncated: bool
    ) -> AsyncGenerator[Event | Answered, None]:
        """Answer ``prompt`` in one run, or in two where a format must not bind the reasoning before the answer."""
        sampling = sampling if self.shift else await self._within_context(prompt, sampling)
        forced = bool(self.must_call)
        if forced:
            schema = await compiling(self.must_call, call_schema, self.must_call)
            sampling = replace(sampling, format=schema)
        free_first = self.thinks_first and sampling.format is not None and isinstance(prompt, Prompt)
        first = _Pass(
            prompt,
            replace(sampling, format=None) if free_first else sampling,
            AnswerReader(RequiredCall() if forced and not free_first else self.parser(_text(prompt))),
        )
        async with aclosing(self._run(first, until_answer=free_first)) as events:
            async for event in events:
                yield event
        if first.stopped is not None:
            yield Answered(first.stopped, prompt, first.text, truncated, "".join(first.thinking))
            return
        assert isinstance(prompt, Prompt), "only a prompt is answered in two runs"
        rest = replace(sampling, max_tokens=max(sampling.max_tokens - len(first.raw), 1))
        before = _before(first.text, first.answer)
        reasoning = media.shielded(before) if prompt.images else before
        bound = RequiredCall() if forced else Plain()
        second = _Pass(replace(prompt, text=prompt.text + reasoning), rest, AnswerReader(bound))
        async with aclosing(self._run(second)) as events:
            async for event in events:
                if not isinstance(event, PromptProgress):
                    yield event
        yield Answered(_joined(first, second), prompt, before + second.text, truncated, "".join(first.thinking))

    async def _run(self, run: _Pass, *, until_answer: bool = False) -> AsyncGenerator[Event, None]:
        """One run of the engine.

        ``until_answer`` ends it where the answer begins, whose first text is then in ``run.answer``; when a tool call
        or the end of the text comes first, it is the whole answer.
        """
        started = time.monotonic()
        async with aclosing(self.loaded.generate(run.prompt, run.sampling)) as pieces:
            async for piece in pieces:
                if isinstance(piece, PromptProgress):
                    run.prompt_tokens, run.cached_tokens = piece.total, piece.cached
                    run.prompt_seconds = time.monotonic() - started
                    yield piece
                elif isinstance(piece, Stopped):
                    run.stopped = piece
                else:
                    run.raw.append(piece.text)
                    for event in run.reader.feed(piece):
                        until_answer = until_answer and not isinstance(event, ToolCalled)
                        if until_answer and isinstance(event, Text):
                            if event.text.strip():
                                run.seconds = time.monotonic() - started - run.prompt_seconds
                                run.answer = event.text
                                return
                            continue
                        if isinstance(event, Thinking):
                            run.thinking.append(event.text)
                        yield event
                        if self.one_call and isinstance(event, ToolCalled):
                            run.stopped = _cut(run, time.monotonic() - started)
                            return
        for event in run.reader.close():
            if isinstance(event, Thinking):
                run.thinking.append(event.text)
            yield event

    async def _within_context(self, prompt: Prompt | Conversation, sampling: Sampling) -> Sampling:
        room = sampling.num_ctx - await self._tokens(prompt)
        return replace(sampling, max_tokens=min(sampling.max_tokens, max(room, 1)))

    async def _tokens(self, prompt: Prompt | Conversation) -> int:
        """The most tokens that the engine may make of ``prompt``."""
        images = len(prompt.images) if isinstance(prompt, Prompt) else _parts_beside_text(prompt)
        # One more than the text has: the engine may put a beginning-of-sequence token in front.
        text = await text_of(self.loaded, prompt)
        return len(await self.loaded.tokenize(text)) + 1 + images * IMAGE_TOKENS

    async def _fitting(self, messages: Sequence[Message], error: ContextTooLong) -> Prompt | Conversation:
        """The prompt of the most of ``messages`` that fits: the fewest oldest ones left out, found by halving."""
        asked = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
        cuts = _cuts(messages, asked)
        fewest, most = 0, len(cuts) - 1
        best: Prompt | Conversation | None = None
        while fewest <= most:
            middle = (fewest + most) // 2
            cut = cuts[middle]
            before = [one for at, one in enumerate(messages[:cut]) if one.role == "system" or at == asked]
            kept = [*before, *messages[cut:]]
            prompt = await self.rendering(kept)
            if await self._tokens(prompt) < self.sampling.num_ctx:
                best, most = prompt, middle - 1
            else:
                fewest = middle + 1
        if best is None:
            raise error
        return best


async def text_of(loaded: Loaded, prompt: Prompt | Conversation) -> str:
    """The prompt as people read it, whoever renders it."""
    if isinstance(prompt, Conversation):
        return media.unshielded(await loaded.render(prompt))
    before = await loaded.detokenize(prompt.tokens) if prompt.tokens else ""
    return before + media.unshielded(prompt.text)


def _cuts(messages: Sequence[Message], asked: int) -> list[int]:
    """How many of the oldest ``messages`` may be left out: whole turns, for many templates refuse to render others.

    A turn begins with what the user says. The last one, of the message number ``asked``, may be a long row of tool
    calls, and is cut between those.
    """
    cuts: list[int] = []
    answers = False  # whether a tool's result at that place is one of a call before it
    for at, message in enumerate(messages):
        if message.role != "tool":
            answers = bool(message.tool_calls)
        if at and (message.role == "user" or (at > asked and not (message.role == "tool" and answers))):
            cuts.append(at)
    return cuts


def _parts_beside_text(conversation: Conversation) -> int:
    contents = (message.get("content") for message in conversation.messages)
    return sum(part["type"] != "text" for content in contents if isinstance(content, list) for part in content)


def _text(prompt: Prompt | Conversation) -> str:
    return prompt.text if isinstance(prompt, Prompt) else ""


def _seeded(sampling: Sampling) -> Sampling:
    if sampling.options.seed >= 0:
        return sampling
    return replace(sampling, options=replace(sampling.options, seed=secrets.randbelow(2**31)))


def _before(text: str, answer: str) -> str:
    """What comes in ``text`` before the beginning of an ``answer`` that is at its end."""
    before, found, _ = text.rpartition(answer)
    return before if found else text


def _cut(run: _Pass, seconds: float) -> Stopped:
    """The end of a run that was ended here, after ``seconds``."""
    usage = Usage(run.prompt_tokens, len(run.raw), run.cached_tokens)
    return Stopped("stop", usage, run.prompt_seconds, seconds - run.prompt_seconds)


def _joined(first: _Pass, second: _Pass) -> Stopped:
    """Two runs as one: the tokens of the reasoning count as the answer's, where they came from."""
    assert second.stopped is not None, "the engine's contract: the last item is Stopped"
    stopped = second.stopped
    prompt_tokens = first.prompt_tokens or stopped.usage.prompt_tokens
    reasoning = stopped.usage.prompt_tokens - prompt_tokens
    return Stopped(
        stopped.reason,
        Usage(prompt_tokens, reasoning + stopped.usage.completion_tokens, first.cached_tokens),
        first.prompt_seconds or stopped.prompt_seconds,
        first.seconds + stopped.completion_seconds,
        stopped.stop_sequence,
    )
