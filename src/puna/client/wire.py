"""puna's types and events as the JSON of the native API, for a client: requests are written, replies read.

What a server leaves out or says as null is read as the field's empty value, and what it adds is ignored, so that an
older or newer Ollama is understood too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from puna.durations import FOREVER
from puna.events import Done, Event, Progress, Rendered, Text, Thinking, ToolCalled
from puna.types import (
    CreateRequest,
    Details,
    Inference,
    Message,
    ModelDetails,
    ModelSummary,
    PullRequest,
    PushRequest,
    RunningModel,
    Tensor,
    Timings,
    TokenLogprob,
    Tool,
    ToolCall,
    Usage,
)

_WIRE_NAMES = {"source": "from", "licenses": "license", "render_only": "_debug_render_only"}


def body(request: Inference | CreateRequest | PullRequest | PushRequest) -> dict[str, Any]:
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
    match value:
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case Message():
            return {"role": value.role, "content": value.content} | _said(value)
        case Tool():
            return value.definition
        case ToolCall(name=name, arguments=arguments, id=call_id, index=index):
            return {"id": call_id, "function": {"index": index, "name": name, "arguments": arguments}}
        case Mapping():
            return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _details(raw: Mapping[str, Any]) -> Details:
    said = {name: value for name, value in (raw.get("details") or {}).items() if value is not None}
    known = {field.name: said[field.name] for field in fields(Details) if field.name in said}
    return Details(**known | {"families": tuple(said.get("families", ()))})


def summary(raw: Mapping[str, Any]) -> ModelSummary:
    """One model of ``/api/tags``."""
    return ModelSummary(
        name=raw.get("name") or raw.get("model") or "",
        modified=raw.get("modified_at") or "",
        size=raw.get("size") or 0,
        digest=raw.get("digest") or "",
        details=_details(raw),
        capabilities=tuple(raw.get("capabilities") or ()),
        remote_model=raw.get("remote_model") or "",
        remote_host=raw.get("remote_host") or "",
    )


def running(raw: Mapping[str, Any]) -> RunningModel:
    """One model of ``/api/ps``."""
    return RunningModel(
        name=raw.get("name") or raw.get("model") or "",
        size=raw.get("size") or 0,
        size_vram=raw.get("size_vram") or 0,
        digest=raw.get("digest") or "",
        details=_details(raw),
        expires=raw.get("expires_at") or "",
        context_length=raw.get("context_length") or 0,
    )


def model_details(raw: Mapping[str, Any]) -> ModelDetails:
    """The reply of ``/api/show``."""
    return ModelDetails(
        modelfile=raw.get("modelfile") or "",
        details=_details(raw),
        model_info=raw.get("model_info") or {},
        capabilities=tuple(raw.get("capabilities") or ()),
        modified=raw.get("modified_at") or "",
        license=raw.get("license") or "",
        parameters=raw.get("parameters") or "",
        template=raw.get("template") or "",
        system=raw.get("system") or "",
        messages=tuple(
            Message(role=said.get("role") or "", content=said.get("content") or "")
            for said in raw.get("messages") or ()
        ),
        projector_info=raw.get("projector_info"),
        tensors=tuple(
            Tensor(name=tensor["name"], type=tensor["type"], shape=tuple(tensor["shape"]))
            for tensor in raw.get("tensors") or ()
        ),
        requires=raw.get("requires") or "",
        remote_model=raw.get("remote_model") or "",
        remote_host=raw.get("remote_host") or "",
    )


def progress(raw: Mapping[str, Any]) -> Progress:
    """One line of ``/api/create``, ``/api/pull`` or ``/api/push``."""
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
