"""puna's events and nouns -> the objects of Ollama's API."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from puna import types
from puna.events import Answer, Done, Event, Progress, Rendered, Text, Thinking, ToolCalled
from puna.http.dialects.ollama import wire
from puna.http.stream import ascii_json

R = TypeVar("R", wire.ChatReply, wire.GenerateReply)

json = msgspec.json.Encoder().encode

Clock = Callable[[], int]
"""Nanoseconds since the epoch."""


def timestamp(nanoseconds: int) -> str:
    """``nanoseconds`` since the epoch in UTC as RFC 3339, without trailing zeros: ``2026-11-21T20:41:05.7420118Z``."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{_second(seconds)}{digits}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class Words(ABC, Generic[R]):
    """Says what happens in one call of generate or chat that named ``model`` as given."""

    def __init__(self, model: str, clock: Clock = time.time_ns) -> None:
        self._model = model
        self._clock = clock
        self._held: list[types.ToolCall] = []
        """Tool calls that come with the end of the stream."""

    def line(self, event: Event) -> bytes:
        """The line of a stream that says ``event``; empty when there is nothing to say."""
        match event:
            case Text():
                return self._delta(self._object(text=event.text), event.logprobs)
            case Thinking():
                return self._delta(self._object(thinking=event.text), event.logprobs)
            case ToolCalled():
                return self._called(event)
            case Done():
                return _line(self._end(event, calls=self._held))
            case _:
                return b""

    def whole(self, answer: Answer) -> bytes:
        """The whole answer as one object."""
        reply = self._end(answer.done, text=answer.text, thinking=answer.thinking, calls=answer.tool_calls)
        reply.logprobs = _logprobs(answer.logprobs)
        return json(reply)

    def rendered(self, rendered: Rendered) -> bytes:
        """The prompt the model would get."""
        reply = self._object()
        reply.debug_info = wire.DebugInfo(rendered.prompt, rendered.image_count)
        return json(reply)

    def unloaded(self) -> bytes:
        """That the model was unloaded."""
        return json(self._end(Done("unload")))

    def _delta(self, reply: R, logprobs: Sequence[types.TokenLogprob]) -> bytes:
        if logprobs:
            reply.logprobs = _logprobs(logprobs)
        return _line(reply)

    def _end(self, done: Done, *, text: str = "", thinking: str = "", calls: Sequence[types.ToolCall] = ()) -> R:
        """The object that says how an answer ended; what it took, only where there was one."""
        reply = self._object(text=text, thinking=thinking, calls=calls)
        reply.done, reply.done_reason, reply.prompt_truncated = True, done.reason, done.prompt_truncated
        if done.reason not in ("load", "unload"):
            reply.total_duration = _nanoseconds(done.timings.total)
            reply.load_duration = _nanoseconds(done.timings.load)
            reply.prompt_eval_count = done.usage.prompt_tokens
            reply.prompt_eval_duration = _nanoseconds(done.timings.prompt)
            reply.eval_count = done.usage.completion_tokens
            reply.eval_duration = _nanoseconds(done.timings.completion)
        return reply

    @abstractmethod
    def _object(self, *, text: str = "", thinking: str = "", calls: Sequence[types.ToolCall] = ()) -> R:
        """An object of the reply, not the last one."""

    def _called(self, called: ToolCalled) -> bytes:
        """The line of a stream that says a tool call; empty when it is to come with the end."""
        self._held.append(called.call)
        return b""


class ChatWords(Words[wire.ChatReply]):
    """The words of ``/api/chat``, where a tool call is said when it is certain."""

    def rendered(self, rendered: Rendered) -> bytes:
        """The prompt the model would get, beside a message that nobody says."""
        reply = self._object()
        reply.message.role = ""
        reply.debug_info = wire.DebugInfo(rendered.prompt, rendered.image_count)
        return json(reply)

    def _object(self, *, text: str = "", thinking: str = "", calls: Sequence[types.ToolCall] = ()) -> wire.ChatReply:
        said = tuple(
            wire.ToolCall(id=call.id, function=wire.Function(call.index, call.name, call.arguments)) for call in calls
        )
        message = wire.Message("assistant", text, thinking, said)
        return wire.ChatReply(model=self._model, created_at=timestamp(self._clock()), message=message, done=False)

    def _called(self, called: ToolCalled) -> bytes:
        return super()._called(called) if called.at_end else _line(self._object(calls=(called.call,)))


class GenerateWords(Words[wire.GenerateReply]):
    """The words of ``/api/generate``, where tool calls have no id and come in the last object only."""

    def _object(
        self, *, text: str = "", thinking: str = "", calls: Sequence[types.ToolCall] = ()
    ) -> wire.GenerateReply:
        created = timestamp(self._clock())
        reply = wire.GenerateReply(model=self._model, created_at=created, response=text, thinking=thinking, done=False)
        if calls:
            functions = (wire.Function(call.index, call.name, call.arguments) for call in calls)
            reply.tool_calls = tuple(wire.ToolCall(function=function) for function in functions)
        return reply

    def _end(
        self, done: Done, *, text: str = "", thinking: str = "", calls: Sequence[types.ToolCall] = ()
    ) -> wire.GenerateReply:
        reply = super()._end(done, text=text, thinking=thinking, calls=calls)
        reply.context = done.context
        return reply


def progress(step: Progress) -> bytes:
    """A step of work on the store, as one object."""
    return json(wire.Progress(step.status, step.digest, step.total, step.completed))


def progress_line(step: Progress) -> bytes:
    """A step of work on the store, as a line of a stream."""
    return _line(wire.Progress(step.status, step.digest, step.total, step.completed))


def error(text: str) -> bytes:
    """An error as one object."""
    return json({"error": text})


def error_line(text: str) -> bytes:
    """An error as the last line of a stream."""
    return _line({"error": text})


def tags(models: Iterable[types.ModelSummary]) -> bytes:
    """The list of models."""
    listed = [
        wire.ListedModel(
            name=model.name,
            model=model.name,
            remote_model=model.remote_model,
            remote_host=model.remote_host,
            modified_at=model.modified,
            size=model.size,
            digest=model.digest,
            details=_details(model.details, with_lengths=True),
            capabilities=model.capabilities,
        )
        for model in models
    ]
    return json(wire.Listed(listed))


def ps(models: Iterable[types.RunningModel]) -> bytes:
    """The models in memory."""
    running = [
        wire.RunningModel(
            name=model.name,
            model=model.name,
            size=model.size,
            digest=model.digest,
            details=_details(model.details, with_parent=False),
            expires_at=model.expires,
            size_vram=model.size_vram,
            context_length=model.context_length,
        )
        for model in models
    ]
    return json(wire.Running(running))


def show(model: types.ModelDetails) -> bytes:
    """Everything there is to show of a model."""
    return json(
        wire.Show(
            license=model.license,
            modelfile=model.modelfile,
            parameters=model.parameters,
            template=model.template,
            system=model.system,
            details=_details(model.details),
            messages=tuple(wire.ShownMessage(message.role, message.content) for message in model.messages),
            remote_model=model.remote_model,
            remote_host=model.remote_host,
            model_info=model.model_info,
            projector_info=model.projector_info,
            tensors=tuple(wire.Tensor(tensor.name, tensor.type, tensor.shape) for tensor in model.tensors),
            capabilities=model.capabilities,
            modified_at=model.modified,
            requires=model.requires,
        )
    )


def _line(value: Any) -> bytes:
    return ascii_json(value) + b"\n"


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _logprobs(logprobs: Iterable[types.TokenLogprob]) -> tuple[wire.Logprob, ...]:
    return tuple(
        wire.Logprob(token.token, token.logprob, token.bytes, _logprobs(token.alternatives)) for token in logprobs
    )


def _details(details: types.Details, *, with_parent: bool = True, with_lengths: bool = False) -> wire.Details:
    return wire.Details(
        parent_model=details.parent_model if with_parent else "",
        format=details.format,
        family=details.family,
        families=details.families or None,
        parameter_size=details.parameter_size,
        quantization_level=details.quantization_level,
        context_length=details.context_length if with_lengths else 0,
        embedding_length=details.embedding_length if with_lengths else 0,
    )
