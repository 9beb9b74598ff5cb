"""Bodies of Ollama's API -> puna's requests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Generic, TypeVar, cast

import msgspec

from puna.errors import InvalidFormat, InvalidRequest, ModelNotFound, PunaError
from puna.http.body import Fields, first_value
from puna.http.cloud import local_name, parent_name, stored_name
from puna.http.parameters import keep_alive, think
from puna.types import (
    ChatRequest,
    CreateRequest,
    Format,
    GenerateRequest,
    Message,
    PullRequest,
    PushRequest,
    Tool,
    ToolCall,
)

R = TypeVar("R", ChatRequest, GenerateRequest)


class Reply(Enum):
    """What a caller of generate or chat gets."""

    STREAM = auto()
    """One object per event."""
    WHOLE = auto()
    """One object with the whole answer."""
    RENDERED = auto()
    """The prompt the model would get, and no answer."""
    UNLOADED = auto()
    """The news that the model's memory is free again."""


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """A decoded call of generate or chat.

    ``model`` is the name as the caller wrote it, which replies repeat. ``fault`` is what is wrong with a field that is
    only looked at once the model is known to exist.
    """

    request: R
    model: str
    reply: Reply
    fault: InvalidFormat | None


def generate(body: bytes) -> Call[GenerateRequest]:
    """Decode a body of ``/api/generate``.

    Raises:
        InvalidRequest: a field has the wrong type.
        ModelNotFound: no model is named.
        CloudDisabled: a cloud model is.
    """
    fields = Fields(first_value(body), "GenerateRequest")
    own: dict[str, Any] = {
        "prompt": fields.text("prompt"),
        "suffix": fields.text("suffix"),
        "system": fields.text("system") or None,
        "template": fields.text("template") or None,
        "context": fields.wholes("context"),
        "raw": fields.flag("raw"),
        "images": fields.blobs("images"),
    }
    return _call(fields, GenerateRequest, own, idle=not own["prompt"], nameless=ModelNotFound(""))


def chat(body: bytes) -> Call[ChatRequest]:
    """Decode a body of ``/api/chat``.

    Raises:
        InvalidRequest: a field has the wrong type, or no model is named.
        CloudDisabled: a cloud model is.
    """
    fields = Fields(first_value(body), "ChatRequest")
    own: dict[str, Any] = {
        "messages": fields.objects("messages", "api.Message", message),
        "tools": fields.objects("tools", "api.Tool", tool),
    }
    return _call(fields, ChatRequest, own, idle=not own["messages"], nameless=InvalidRequest("model is required"))


def create(body: bytes) -> tuple[CreateRequest, bool]:
    """Decode a body of ``/api/create``: the request, and whether its progress is to be streamed.

    Raises:
        InvalidRequest: a field has the wrong type.
        InvalidName: the model it starts from is to be in two places.
    """
    fields = Fields(first_value(body), "CreateRequest")
    license_ = fields.raw("license")
    source, host = parent_name(fields.text("from"))
    request = CreateRequest(
        model=stored_name(fields.text("model") or fields.text("name")),
        source=source,
        files=fields.texts_by_text("files"),
        adapters=fields.texts_by_text("adapters"),
        template=fields.text("template") or None,
        system=fields.text("system") or None,
        licenses=(license_,) if isinstance(license_, str) else fields.texts("license"),
        parameters=fields.mapping("parameters"),
        messages=fields.objects("messages", "api.Message", message) or None,
        renderer=fields.text("renderer"),
        parser=fields.text("parser"),
        requires=fields.text("requires"),
        quantize=fields.text("quantize") or fields.text("quantization"),
        draft_files=fields.texts_by_text("draft_files"),
        draft_quantize=fields.text("draft_quantize"),
        info=fields.mapping("info"),
        remote_host=fields.text("remote_host") or host,
        modelfile=fields.text("modelfile"),
        path=fields.text("path"),
    )
    return request, fields.flag("stream", default=True)


def pull(body: bytes) -> tuple[PullRequest, bool]:
    """Decode a body of ``/api/pull``: the request, and whether its progress is to be streamed.

    Raises:
        InvalidRequest: a field has the wrong type.
    """
    fields = Fields(first_value(body), "PullRequest")
    request = PullRequest(
        model=stored_name(fields.text("model") or fields.text("name")),
        insecure=fields.flag("insecure"),
        limit_rate=max(0, fields.whole("limit_rate")),
    )
    return request, fields.flag("stream", default=True)


def push(body: bytes) -> tuple[PushRequest, bool]:
    """Decode a body of ``/api/push``: the request, and whether its progress is to be streamed.

    Raises:
        InvalidRequest: a field has the wrong type, or no model is named.
    """
    fields = Fields(first_value(body), "PushRequest")
    model = fields.text("model") or fields.text("name")
    if not model:
        raise InvalidRequest("model is required")
    request = PushRequest(
        model=stored_name(model),
        insecure=fields.flag("insecure"),
        limit_rate=max(0, fields.whole("limit_rate")),
    )
    return request, fields.flag("stream", default=True)


def message(value: Any) -> Message:
    """Decode one message."""
    fields = Fields(value, "Alias")
    return Message(
        role=fields.text("role").lower(),
        content=fields.text("content"),
        thinking=fields.text("thinking"),
        images=fields.blobs("images"),
        tool_calls=fields.objects("tool_calls", "api.ToolCall", _tool_call),
        tool_name=fields.text("tool_name"),
        tool_call_id=fields.text("tool_call_id"),
    )


def tool(value: Any) -> Tool:
    """Decode one tool. What is not known of its definition is kept: the model may know it.

    Raises:
        InvalidRequest: it is not what a tool is; the model would be shown one that lacks what was wrong.
    """
    definition = _lowered(value, ("type", "items", "function"))
    Fields(definition, "Tool").text("type")
    function = _lowered(definition.get("function"), ("name", "description", "parameters"))
    fields = Fields(function, "ToolFunction")
    fields.text("description")
    _check_schema(fields.mapping("parameters"), "ToolFunctionParameters")
    return Tool(fields.text("name"), {**definition, "function": function})


def format_(value: Any) -> Format:
    """Decode a ``format``.

    Raises:
        InvalidFormat: it is neither "json" nor an object.
    """
    if value is None or value == "":
        return None
    if value == "json" or isinstance(value, dict):
        return cast(Format, value)
    raise InvalidFormat(msgspec.json.encode(value).decode())


def _call(fields: Fields, kind: type[R], own: dict[str, Any], *, idle: bool, nameless: PunaError) -> Call[R]:
    """Decode what generate and chat have in common.

    ``own`` are the fields only this ``kind`` has, ``idle`` says that they hold nothing to answer, and ``nameless`` is
    the error when no model is named.
    """
    stay = keep_alive(fields.raw("keep_alive"))
    renders = fields.flag("_debug_render_only")
    wanted, fault = (None, None) if idle or renders else _format(fields)
    common: dict[str, Any] = {
        "options": fields.mapping("options") or {},
        "keep_alive": stay,
        "format": wanted,
        "think": think(fields.raw("think")),
        "truncate": fields.flag("truncate", default=True),
        "shift": fields.flag("shift") if fields.raw("shift") is not None else None,
        "logprobs": fields.flag("logprobs"),
        "top_logprobs": fields.whole("top_logprobs"),
        "render_only": renders,
    }
    model, stream = fields.text("model"), fields.flag("stream", default=True)
    if not 0 <= fields.whole("top_logprobs") <= 20:
        raise InvalidRequest("top_logprobs must be between 0 and 20")
    name = local_name(model, "remote model is")
    if not name:
        raise nameless
    if idle:
        reply = Reply.UNLOADED if stay == 0 else Reply.WHOLE
    elif renders:
        reply = Reply.RENDERED
    else:
        reply = Reply.STREAM if stream else Reply.WHOLE
    return Call(kind(model=name, **common, **own), model, reply, fault)


def _format(fields: Fields) -> tuple[Format, InvalidFormat | None]:
    try:
        return format_(fields.raw("format")), None
    except InvalidFormat as fault:
        return None, fault


def _tool_call(value: Any) -> ToolCall:
    fields = Fields(value, "ToolCall")
    function = Fields(fields.mapping("function"), "ToolCallFunction")
    return ToolCall(
        name=function.text("name"),
        arguments=function.mapping("arguments") or {},
        id=fields.text("id"),
        index=function.whole("index"),
    )


def _check_schema(value: Any, path: str) -> None:
    """Do nothing if the schema ``value``, which errors call ``path``, says what it says in the right types.

    Raises:
        InvalidRequest: it does not.
    """
    if value is None or isinstance(value, bool):  # JSON Schema has it that true allows anything
        return
    if not isinstance(value, dict):
        raise InvalidRequest(f"{path} of a tool must be a JSON object")
    fields = Fields(value, path)
    fields.text("description")
    fields.texts("required")
    fields.items("enum")
    if not isinstance(fields.raw("type"), str):
        fields.texts("type")
    for name, schema in (fields.mapping("properties") or {}).items():
        _check_schema(schema, f"{path}.properties.{name}")
    for number, schema in enumerate(fields.items("anyof")):
        _check_schema(schema, f"{path}.anyOf.{number}")


def _lowered(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """``value`` with the ``names`` among its keys in lower case, and all else as it is."""
    if not isinstance(value, dict | None):
        raise InvalidRequest("a tool and its function must be JSON objects")
    return {(name.lower() if name.lower() in names else name): field for name, field in (value or {}).items()}
