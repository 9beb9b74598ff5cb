"""puna's events and errors -> Anthropic's words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from puna.errors import ContextTooLong, PunaError
from puna.events import Answer, Done, Event, PromptProgress, Text, Thinking, ToolCalled
from puna.http.dialects.anthropic import wire
from puna.http.stream import ascii_json
from puna.types import ToolCall, Usage

SIGNATURE = "puna"
"""What every thinking block is signed with. There is nothing to prove here, but clients drop reasoning without it."""

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}

_REASONS = {"stop": "end_turn", "length": "max_tokens", "load": "end_turn", "unload": "end_turn"}

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Reply:
    """What is known of a reply before there is any of it.

    ``estimate`` is a guess at the prompt's tokens, for clients that are told before the engine has counted them.
    """

    id: str
    model: str
    stop_sequences: Sequence[str] = ()
    estimate: int = 1


def message(reply: Reply, answer: Answer) -> bytes:
    """A whole answer."""
    blocks: list[wire.Block] = []
    if answer.thinking:
        blocks.append(wire.ThinkingBlock(answer.thinking, SIGNATURE))
    if answer.text:
        blocks.append(wire.TextBlock(answer.text))
    blocks += [_tool_use(call) for call in answer.tool_calls]
    stop = _stop(reply, answer.done, called=bool(answer.tool_calls))
    return _encode(
        wire.Message(
            id=reply.id,
            role="assistant",
            model=reply.model,
            content=blocks,
            stop_reason=stop.stop_reason,
            stop_sequence=stop.stop_sequence,
            usage=_usage(answer.done.usage, truncated=answer.done.prompt_truncated),
        )
    )


def token_count(tokens: int) -> bytes:
    """The reply of ``count_tokens``."""
    return _encode(wire.TokenCount(tokens))


def said(error: Exception) -> tuple[int, str]:
    """The status and the text of an error."""
    match error:
        case ContextTooLong():
            # In these words, since there are clients that look for them and then shorten the conversation.
            return 400, f"prompt is too long: {error.prompt_tokens} tokens > {error.limit} maximum"
        case PunaError():
            return error.status, str(error)
        case _:
            return 500, f"internal error ({type(error).__name__}); the server's log has the details"


def error(error: Exception, request_id: str) -> bytes:
    """The body of a reply that is an error."""
    return _encode(_error(error, request_id))


def error_event(error: Exception, request_id: str) -> bytes:
    """The event of an error after which a stream ends."""
    return _event("error", _error(error, request_id))


def _error(error: Exception, request_id: str) -> wire.Error:
    status, text = said(error)
    return wire.Error(wire.ErrorDetail(_ERROR_TYPES.get(status, "api_error"), text), request_id)


@dataclass(slots=True)
class Stream:
    """The server-sent events of one streamed reply, in Anthropic's order.

    ``ping_every`` is the least number of seconds between two signs of life.
    """

    reply: Reply
    ping_every: float
    clock: Callable[[], float] = time.monotonic
    _started: bool = False
    _last: float = 0.0
    _index: int = -1
    _open: type[Text | Thinking] | None = None
    _called: bool = False
    _prompt: Usage = field(default_factory=Usage)

    def encode(self, event: Event | None) -> bytes:
        """What the client is sent for ``event``; None: nothing has happened for a while."""
        match event:
            case Text():
                return self._said(Text, wire.TextDelta(event.text)) if event.text else b""
            case Thinking():
                return self._said(Thinking, wire.ThinkingDelta(event.text)) if event.text else b""
            case ToolCalled():
                return b"".join((*self._begin(), *self._call(event.call)))
            case Done():
                return b"".join((*self._begin(), *self._end(event)))
            case PromptProgress():
                self._prompt = Usage(event.total, cached_tokens=event.cached)
                return b"".join((*self._begin(), *self._ping()))
            case None:
                return b"".join((*self._begin(), *self._ping()))
            case _:
                return b""

    def _begin(self) -> Iterator[bytes]:
        if self._started:
            return
        self._started, self._last = True, self.clock()
        usage = _usage(self._prompt if self._prompt.prompt_tokens else Usage(self.reply.estimate))
        begun = wire.Message(id=self.reply.id, role="assistant", model=self.reply.model, content=(), usage=usage)
        yield _event("message_start", wire.MessageStart(begun))

    def _ping(self) -> Iterator[bytes]:
        if self.clock() - self._last >= self.ping_every:
            self._last = self.clock()
            yield _PING

    def _said(self, kind: type[Text | Thinking], delta: wire.TextDelta | wire.ThinkingDelta) -> bytes:
        if self._open is kind:
            return _event("content_block_delta", wire.ContentBlockDelta(self._index, delta))
        return b"".join(
            (
                *self._begin(),
                *self._close(),
                *self._start(wire.TextBlock("") if kind is Text else wire.ThinkingBlock("", ""), kind),
                _event("content_block_delta", wire.ContentBlockDelta(self._index, delta)),
            )
        )

    def _start(self, block: wire.Block, kind: type[Text | Thinking] | None = None) -> Iterator[bytes]:
        self._index += 1
        self._open = kind
        yield _event("content_block_start", wire.ContentBlockStart(self._index, block))

    def _close(self) -> Iterator[bytes]:
        if self._open is Thinking:
            signed = wire.ContentBlockDelta(self._index, wire.SignatureDelta(SIGNATURE))
            yield _event("content_block_delta", signed)
        if self._open is not None:
            yield _event("content_block_stop", wire.ContentBlockStop(self._index))
        self._open = None

    def _call(self, call: ToolCall) -> Iterator[bytes]:
        yield from self._close()
        self._called = True
        yield from self._start(_tool_use(call, empty=True))
        arguments = wire.InputJsonDelta(_encode(call.arguments).decode())
        yield _event("content_block_delta", wire.ContentBlockDelta(self._index, arguments))
        yield _event("content_block_stop", wire.ContentBlockStop(self._index))

    def _end(self, done: Done) -> Iterator[bytes]:
        yield from self._close()
        usage = _usage(done.usage, truncated=done.prompt_truncated)
        yield _event("message_delta", wire.MessageDelta(_stop(self.reply, done, called=self._called), usage))
        yield _event("message_stop", wire.MessageStop())


def _tool_use(call: ToolCall, *, empty: bool = False) -> wire.ToolUseBlock:
    return wire.ToolUseBlock(call.id, call.name, {} if empty else call.arguments)


def _stop(reply: Reply, done: Done, *, called: bool) -> wire.Stop:
    if called:
        return wire.Stop("tool_use")
    # A model may have stop sequences of its own, which its callers know nothing of.
    if done.stop_sequence and done.stop_sequence in reply.stop_sequences:
        return wire.Stop("stop_sequence", done.stop_sequence)
    return wire.Stop(_REASONS[done.reason])


def _usage(usage: Usage, *, truncated: bool = False) -> wire.Usage:
    return wire.Usage(
        input_tokens=usage.prompt_tokens - usage.cached_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_input_tokens=usage.cached_tokens,
        prompt_truncated=truncated,
    )


def _event(name: str, value: wire.StreamEvent) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), ascii_json(value))


_PING = _event("ping", wire.Ping())
