"""One answer of one loaded model: fit the messages to the context, generate, parse."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from puna.engine import Loaded, Sampling, Stopped
from puna.errors import ContextTooLong
from puna.events import Event, PromptProgress
from puna.families import Parser
from puna.types import Conversation, Message, Prompt

Rendering = Callable[[Sequence[Message]], Awaitable[Prompt | Conversation]]
"""Makes of messages what the engine is given."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How an answer ended: what the engine said, the prompt it had, all of its raw text, and whether turns were cut."""

    stopped: Stopped
    prompt: Prompt | Conversation
    raw: str
    truncated: bool


async def answer(
    loaded: Loaded,
    messages: Sequence[Message],
    rendering: Rendering,
    sampling: Sampling,
    parser: Parser,
    *,
    truncate: bool,
    shift: bool,
) -> AsyncGenerator[Event | Answered, None]:
    """Answer ``messages``; the last item is ``Answered``.

    When they do not fit into the context and ``truncate`` allows it, whole oldest turns are left out, never the last
    and never a system message. Without ``shift`` the answer ends where the context does.

    Raises:
        ContextTooLong: they do not fit, even so.
        TemplateError, InvalidRequest, EngineError: as rendering and the engine raise them.
    """
    truncated = False
    prompt = await rendering(messages)
    while True:
        limited = sampling if shift else await _within_context(loaded, prompt, sampling)
        stopped, raw = None, []
        try:
            async with aclosing(loaded.generate(prompt, limited)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, PromptProgress):
                        yield piece
                    elif isinstance(piece, Stopped):
                        stopped = piece
                    else:
                        raw.append(piece.text)
                        for event in parser.feed(piece):
                            yield event
        except ContextTooLong as error:
            if truncated or not truncate:
                raise
            messages = await _fitting(loaded, messages, rendering, sampling.num_ctx, error)
            prompt, truncated = await rendering(messages), True
            continue
        assert stopped is not None, "the engine's contract: the last item is Stopped"
        for event in parser.close():
            yield event
        yield Answered(stopped, prompt, "".join(raw), truncated)
        return


async def text_of(loaded: Loaded, prompt: Prompt | Conversation) -> str:
    """The prompt as text, whoever renders it."""
    return prompt.text if isinstance(prompt, Prompt) else await loaded.render(prompt)


async def _within_context(loaded: Loaded, prompt: Prompt | Conversation, sampling: Sampling) -> Sampling:
    room = sampling.num_ctx - await _tokens(loaded, prompt)
    return replace(sampling, max_tokens=min(sampling.max_tokens, max(room, 1)))


async def _tokens(loaded: Loaded, prompt: Prompt | Conversation) -> int:
    """The most tokens that the engine may make of ``prompt``."""
    # One more than the text has: the engine may put a beginning-of-sequence token in front.
    return len(await loaded.tokenize(await text_of(loaded, prompt))) + 1


async def _fitting(
    loaded: Loaded, messages: Sequence[Message], rendering: Rendering, num_ctx: int, error: ContextTooLong
) -> Sequence[Message]:
    """The most of ``messages`` that fits: the fewest oldest ones left out, found by halving."""
    fewest, most = 1, len(messages) - 1
    best: Sequence[Message] | None = None
    while fewest <= most:
        middle = (fewest + most) // 2
        kept = [one for one in messages[:middle] if one.role == "system"] + list(messages[middle:])
        if await _tokens(loaded, await rendering(kept)) < num_ctx:
            best, most = kept, middle - 1
        else:
            fewest = middle + 1
    if best is None:
        raise error
    return best
