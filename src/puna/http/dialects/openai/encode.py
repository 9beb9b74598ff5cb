"""puna's events -> the objects of ``/v1/chat/completions``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from puna import types
from puna.events import Answer, Done, Event, Rendered, Text, Thinking, ToolCalled
from puna.http.dialects.openai import replies, wire

DONE = b"data: [DONE]\n\n"

_json = msgspec.json.Encoder().encode


class ChatWords:
    """Says what happens in one call that named ``model`` as given."""

    def __init__(self, id_: str, model: str, *, include_usage: bool) -> None:
        self._id = id_
        self._model = model
        self._created = int(time.time())
        self._include_usage = include_usage
        self._begun: set[int] = set()
        """The answers of which a stream has said something."""
        self._called: set[int] = set()
        """Those in which it has said a tool call."""
        self._done: list[Done] = []

    def chunks(self, index: int, count: int, event: Event) -> bytes:
        """What a stream says of ``event``, of the answer number ``index`` of so many."""
        match event:
            case Text():
                return self._delta(index, wire.Message(content=event.text), event.logprobs)
            case Thinking():
                return self._delta(index, wire.Message(content="", reasoning=event.text), event.logprobs)
            case ToolCalled():
                self._called.add(index)
                return self._delta(index, wire.Message(content="", tool_calls=(tool_call(event.call),)))
            case Done():
                return self._end(index, count, event)
            case _:
                return b""

    def whole(self, answers: Sequence[Answer]) -> wire.Chat:
        """The reply that has all ``answers``."""
        reply = self._chat([_choice(index, answer) for index, answer in enumerate(answers)])
        reply.usage = usage([answer.done for answer in answers])
        return reply

    def rendered(self, rendered: Rendered) -> wire.Chat:
        """The prompt the model would get, beside a message that nobody says."""
        reply = self._chat([wire.Choice(0, wire.Message("assistant", ""), None)])
        reply.usage = usage([])
        reply.debug_info = wire.DebugInfo(rendered.prompt, rendered.image_count)
        return reply

    def _delta(self, index: int, delta: wire.Message, found: Sequence[types.TokenLogprob] = ()) -> bytes:
        if index not in self._begun:
            self._begun.add(index)
            delta.role = "assistant"
        return replies.event(self._chunk([wire.ChunkChoice(index, delta, None, logprobs(found))]))

    def _end(self, index: int, count: int, done: Done) -> bytes:
        said = b"" if index in self._begun else self._delta(index, wire.Message(content=""))
        finish = finish_reason(done, called=index in self._called)
        said += replies.event(self._chunk([wire.ChunkChoice(index, wire.Message(), finish)]))
        self._done.append(done)
        if len(self._done) < count:
            return said
        if self._include_usage:
            last = self._chunk([])
            last.usage = usage(self._done)
            said += replies.event(last)
        return said + DONE

    def _chat(self, choices: Sequence[wire.Choice]) -> wire.Chat:
        return wire.Chat(id=self._id, created=self._created, model=self._model, choices=choices)

    def _chunk(self, choices: Sequence[wire.ChunkChoice]) -> wire.Chunk:
        return wire.Chunk(id=self._id, created=self._created, model=self._model, choices=choices)


def finish_reason(done: Done, *, called: bool = False) -> str:
    """Why an answer ended."""
    if done.reason == "length":
        return "length"
    return "tool_calls" if called else "stop"


def usage(ends: Sequence[Done]) -> wire.Usage:
    """The tokens of several answers to one prompt."""
    prompt = max((done.usage.prompt_tokens for done in ends), default=0)
    cached = max((done.usage.cached_tokens for done in ends), default=0)
    completion = sum(done.usage.completion_tokens for done in ends)
    return wire.Usage(
        prompt,
        completion,
        prompt + completion,
        wire.PromptDetails(cached),
        wire.CompletionDetails(sum(done.usage.reasoning_tokens for done in ends)),
        prompt_truncated=any(done.prompt_truncated for done in ends),
    )


def logprobs(found: Iterable[types.TokenLogprob]) -> wire.Logprobs | UnsetType:
    """The probabilities of tokens, if there are any."""
    content = tuple(logprob(one) for one in found)
    return wire.Logprobs(content) if content else UNSET


def logprob(one: types.TokenLogprob) -> wire.Logprob:
    """The probability of a token, and of those that might have been."""
    others = tuple(wire.Alternative(other.token, other.logprob, other.bytes) for other in one.alternatives)
    return wire.Logprob(one.token, one.logprob, one.bytes, others)


def tool_call(call: types.ToolCall) -> wire.ToolCall:
    """A call of a tool."""
    return wire.ToolCall(
        id=call.id, index=call.index, function=wire.Function(call.name, _json(call.arguments).decode())
    )


def _choice(index: int, answer: Answer) -> wire.Choice:
    message = wire.Message(
        "assistant",
        answer.text,
        answer.thinking or UNSET,
        tuple(tool_call(call) for call in answer.tool_calls) or UNSET,
    )
    finish = finish_reason(answer.done, called=bool(answer.tool_calls))
    return wire.Choice(index, message, finish, logprobs(answer.logprobs))
