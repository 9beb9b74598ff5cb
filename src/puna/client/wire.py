"""puna's types and events as the JSON of the native API, for a client: requests are written, replies read.

What a server leaves out or says as null is read as the field's empty value, and what it adds is ignored, so that an
older or newer Ollama is understood too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from puna.durations import FOREVER
from puna.events import Done, Text, Thinking, ToolCalled
from puna.types import Timings, TokenLogprob, ToolCall, Usage

if TYPE_CHECKING:
    from puna.events import Event, Progress
    from puna.types import CreateRequest, EmbedRequest, Inference, PullRequest, PushRequest

_WIRE_NAMES = {"source": "from", "licenses": "license", "inputs": "input", "render_only": "_debug_render_only"}


def body(request: Inference | CreateRequest | EmbedRequest | PullRequest | PushRequest) -> dict[str, Any]:
    """The body that asks for a streamed answer to ``request``, saying only what the request says."""
    said = {"stream": True} | {_WIRE_NAMES.get(name, name): value for name, value in _said(request).items()}
    if said.get("keep_alive") == FOREVER:
        said["keep_alive"] = -1
    return said


def encode(value: Mapping[str, Any]) -> bytes:
    """``value`` as JSON; it may hold puna's messages, tools and images."""
    return json.dumps(value, default=_plain).encode()


def _said(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from saying nothing."""
    said = {}
    for field in fields(value):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if (current := getattr(value, field.name)) != default:
            said[field.name] = current
    return said


def _plain(value: object) -> object:
    """The JSON form of what ``json`` does not know."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return dict(value)
    from puna.types import Message, Tool  # noqa: PLC0415 - a single prompt has none

    match value:
        case Message():
            return {"role": value.role, "content": value.content} | _said(value)
        case Tool():
            return value.definition
        case ToolCall(name=name, arguments=arguments, id=call_id, index=index):
            return {"id": call_id, "function": {"index": index, "name": name, "arguments": arguments}}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def progress(raw: Mapping[str, Any]) -> Progress:
    """One line of ``/api/create``, ``/api/pull`` or ``/api/push``."""
    from puna.events import Progress  # noqa: PLC0415 - an answer has none

    return Progress(
        status=raw.get("status") or "",
        digest=raw.get("digest") or "",
        total=raw.get("total") or 0,
        completed=raw.get("completed") or 0,
    )


def events(raw: Mapping[str, Any]) -> Iterator[Event]:
    """The events in one line of ``/api/generate`` or ``/api/chat``."""
    message = raw.get("message") or {}
    logprobs = tuple(_logprob(entry) for entry in raw.get("logprobs") or ())
    text = raw.get("response") or message.get("content") or ""
    if thinking := raw.get("thinking") or message.get("thinking"):
        yield Thinking(thinking, () if text else logprobs)
    if text or (logprobs and not thinking):
        yield Text(text, logprobs)
    for call in raw.get("tool_calls") or message.get("tool_calls") or ():
        function = call["function"]
        yield ToolCalled(
            ToolCall(function["name"], function.get("arguments") or {}, call.get("id") or "", function.get("index", 0))
        )
    if debug := raw.get("_debug_info"):
        from puna.events import Rendered  # noqa: PLC0415 - seldom asked for

        yield Rendered(debug["rendered_template"], debug.get("image_count") or 0)
    if raw.get("done"):
        yield _done(raw)


def _done(raw: Mapping[str, Any]) -> Done:
    def seconds(name: str) -> float:
        return (raw.get(name) or 0) / 1e9

    return Done(
        reason=raw.get("done_reason") or "stop",
        usage=Usage(raw.get("prompt_eval_count") or 0, raw.get("eval_count") or 0),
        timings=Timings(
            total=seconds("total_duration"),
            load=seconds("load_duration"),
            prompt=seconds("prompt_eval_duration"),
            completion=seconds("eval_duration"),
        ),
        context=tuple(raw.get("context") or ()),
        prompt_truncated=bool(raw.get("prompt_truncated")),
    )


def _logprob(raw: Mapping[str, Any]) -> TokenLogprob:
    return TokenLogprob(
        token=raw.get("token") or "",
        logprob=raw.get("logprob") or 0.0,
        bytes=tuple(raw.get("bytes") or ()),
        alternatives=tuple(_logprob(entry) for entry in raw.get("top_logprobs") or ()),
    )
