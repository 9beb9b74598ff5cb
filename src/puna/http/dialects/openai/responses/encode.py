"""puna's events -> the objects and events of ``/v1/responses``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from puna.events import Answer, Done, Event, Text, Thinking, ToolCalled
from puna.http.dialects.openai import encode, replies
from puna.http.dialects.openai.responses import wire
from puna.http.dialects.openai.responses.references import item_id
from puna.types import TokenLogprob, ToolCall

_json = msgspec.json.Encoder().encode

Clock = Callable[[], int]
"""Seconds since the epoch."""


class Words:
    """Says what happens in one call; ``response`` is what is known of its reply before anything is said."""

    def __init__(self, response: wire.Response, clock: Clock) -> None:
        self.response = response
        self._clock = clock
        self._output: list[wire.Item] = []
        self._number = 0
        self._begun = False

    def whole(self, answer: Answer) -> wire.Response:
        """The reply that has all of ``answer``."""
        if answer.thinking:
            self._output.append(wire.Reasoning(self._id("rs_"), [wire.Summary(answer.thinking)], answer.thinking))
        if answer.text or not answer.tool_calls:
            told = [encode.logprob(one) for one in answer.logprobs]
            content = wire.Text(answer.text, logprobs=told)
            self._output.append(wire.Message(self._id("msg_"), "completed", [content]))
        for call in answer.tool_calls:
            self._output.append(self._call(call))
        return self._finish(answer.done)

    def events(self, event: Event) -> Iterator[bytes]:
        """What a stream says of ``event``, but for the end, of which ``last`` is what it says."""
        if not self._begun:
            self._begun = True
            yield self._event("response.created", response=self.response)
            yield self._event("response.in_progress", response=self.response)
        match event:
            case Thinking():
                yield from self._thinking(event.text)
            case Text() if event.text or event.logprobs:
                yield from self._text(event.text, event.logprobs)
            case ToolCalled():
                yield from self._called(event.call)
            case Done():
                if not any(isinstance(item, wire.Message | wire.FunctionCall) for item in self._output):
                    yield from self._text("", ())
                yield from self._close(_status(event))
                self._finish(event)
            case _:
                pass

    def last(self) -> bytes:
        """The end of a stream."""
        finished = self.response.status == "completed"
        return self._event("response.completed" if finished else "response.incomplete", response=self.response)

    def failed(self, error: Exception) -> bytes:
        """The end of a stream, if it is this error."""
        for item in self._output:
            if isinstance(item, wire.Message) and item.status == "in_progress":
                item.status = "incomplete"
        self.response.status = "failed"
        self.response.store = False
        self.response.output = self._output
        self.response.error = wire.Failure("server_error", replies.text(error))
        return self._event("response.failed", response=self.response)

    def _thinking(self, text: str) -> Iterator[bytes]:
        if not (self._output and isinstance(item := self._output[-1], wire.Reasoning)):
            yield from self._close("completed")
            item = wire.Reasoning(self._id("rs_"), [])
            yield from self._added(item)
        place = {"item_id": item.id, "output_index": len(self._output) - 1, "summary_index": 0}
        if not item.summary:
            item.summary.append(wire.Summary(""))
            yield self._event("response.reasoning_summary_part.added", **place, part=item.summary[0])
        item.summary[0].text += text
        yield self._event("response.reasoning_summary_text.delta", **place, delta=text)

    def _text(self, text: str, found: Sequence[TokenLogprob]) -> Iterator[bytes]:
        if not (self._output and isinstance(item := self._output[-1], wire.Message)):
            yield from self._close("completed")
            item = wire.Message(self._id("msg_"), "in_progress", [])
            yield from self._added(item)
            item.content.append(wire.Text("", logprobs=[]))
            yield self._event("response.content_part.added", **self._place(item), part=item.content[0])
        told = [encode.logprob(one) for one in found]
        item.content[0].text += text
        item.content[0].logprobs += told
        if text or told:
            yield self._event("response.output_text.delta", **self._place(item), delta=text, logprobs=told)

    def _called(self, call: ToolCall) -> Iterator[bytes]:
        yield from self._close("completed")
        item = self._call(call)
        yield from self._added(msgspec.structs.replace(item, status="in_progress", arguments=""))
        self._output[-1] = item
        place = {"item_id": item.id, "output_index": len(self._output) - 1}
        yield self._event("response.function_call_arguments.delta", **place, delta=item.arguments)
        yield self._event("response.function_call_arguments.done", **place, arguments=item.arguments)
        yield self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)

    def _added(self, item: wire.Item) -> Iterator[bytes]:
        self._output.append(item)
        yield self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)

    def _close(self, status: str) -> Iterator[bytes]:
        """End the item that is open."""
        item = self._output[-1] if self._output else None
        at = len(self._output) - 1
        if isinstance(item, wire.Reasoning):
            place = {"item_id": item.id, "output_index": at, "summary_index": 0}
            item.encrypted_content = item.summary[0].text
            yield self._event("response.reasoning_summary_text.done", **place, text=item.summary[0].text)
            yield self._event("response.reasoning_summary_part.done", **place, part=item.summary[0])
        elif isinstance(item, wire.Message):
            item.status = status
            part = item.content[0]
            yield self._event("response.output_text.done", **self._place(item), text=part.text, logprobs=part.logprobs)
            yield self._event("response.content_part.done", **self._place(item), part=part)
        else:
            return
        yield self._event("response.output_item.done", output_index=at, item=item)

    def _id(self, prefix: str) -> str:
        """The id of the item that is next."""
        return item_id(prefix, self.response.id, len(self._output))

    def _call(self, call: ToolCall) -> wire.FunctionCall:
        arguments = _json(call.arguments).decode()
        return wire.FunctionCall(self._id("fc_"), "completed", call.id, call.name, arguments)

    def _place(self, item: wire.Message) -> dict[str, Any]:
        return {"item_id": item.id, "output_index": len(self._output) - 1, "content_index": 0}

    def _finish(self, done: Done) -> wire.Response:
        response, usage = self.response, done.usage
        response.output = self._output
        response.status = _status(done)
        if response.status == "incomplete":
            response.incomplete_details = wire.Why("max_output_tokens")
            if self._output and isinstance(last := self._output[-1], wire.Message):
                last.status = response.status
        else:
            response.completed_at = self._clock()
        response.usage = wire.Usage(
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.prompt_tokens + usage.completion_tokens,
            wire.InputDetails(usage.cached_tokens),
            wire.OutputDetails(usage.reasoning_tokens),
        )
        return response

    def _event(self, kind: wire.EventName, **fields: Any) -> bytes:
        said = replies.event(wire.Event(type=kind, sequence_number=self._number, **fields), kind)
        self._number += 1
        return said


def _status(done: Done) -> str:
    return "incomplete" if done.reason == "length" else "completed"
