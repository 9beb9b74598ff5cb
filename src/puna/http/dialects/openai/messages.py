"""The messages and tools of a chat -> puna's."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from puna.errors import InvalidRequest
from puna.http.body import Fields
from puna.http.dialects.openai.parameters import go_type
from puna.types import Message, Tool, ToolCall

_decode_arguments = msgspec.json.Decoder(dict[str, Any]).decode


def messages(values: Sequence[Any]) -> tuple[Message, ...]:
    """Decode the messages of a chat; a tool's result is told whose it is.

    Raises:
        InvalidRequest: one is not what a message is.
    """
    found: list[Message] = []
    names: dict[str, str] = {}
    for value in values:
        message = _message(Fields(value, "Message"), names)
        names.update((call.id, call.name) for call in message.tool_calls)
        found.append(message)
    return tuple(found)


def tools(values: Iterable[Any]) -> tuple[Tool, ...]:
    """Decode the tools of a chat.

    Raises:
        InvalidRequest: one is not a function with a name.
    """
    return tuple(_tool(Fields(value, "Tool")) for value in values)


def tool(function: Mapping[str, Any]) -> Tool:
    """The tool whose function is defined so.

    Raises:
        InvalidRequest: it has no name, or parameters that are not an object.
    """
    fields = Fields(function, "ToolFunction")
    name, parameters = fields.text("name"), fields.mapping("parameters")
    if not name:
        raise InvalidRequest("a tool's function must have a name")
    definition: dict[str, Any] = {"name": name}
    if description := fields.text("description"):
        definition["description"] = description
    definition["parameters"] = parameters or {"type": "object", "properties": {}}
    return Tool(name, {"type": "function", "function": definition})


def arguments(text: Any) -> Mapping[str, Any]:
    """Decode a call's arguments, JSON in a string; without any, there are none.

    Raises:
        InvalidRequest: they are not a JSON object.
    """
    if isinstance(text, dict):
        return text
    try:
        return _decode_arguments(text) if text else {}
    except (msgspec.DecodeError, TypeError, RecursionError) as error:
        raise InvalidRequest("invalid tool call arguments") from error


def data_url(url: str) -> bytes:
    """The picture in a data URL.

    Raises:
        InvalidRequest: it is another URL, or damaged.
    """
    if url.startswith(("http://", "https://")):
        raise InvalidRequest("image URLs are not currently supported, please use base64 encoded data instead")
    head, comma, encoded = url.partition(",")
    if not (comma and head.endswith(";base64") and (head.startswith("data:image/") or head == "data:;base64")):
        raise InvalidRequest("invalid image input")
    return decoded(encoded, "invalid image input")


def decoded(encoded: str, otherwise: str) -> bytes:
    """The bytes that are ``encoded`` in base64.

    Raises:
        InvalidRequest: they are not; its text is ``otherwise``.
    """
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(otherwise) from error


def _message(fields: Fields, names: Mapping[str, str]) -> Message:
    role = fields.text("role").lower()
    calls = fields.objects("tool_calls", "openai.ToolCall", _tool_call)
    text, images = _content(fields.raw("content"), called=bool(calls))
    call_id = fields.text("tool_call_id")
    return Message(
        # What OpenAI calls the developer's message is what models know as the system's.
        role="system" if role == "developer" else role,
        content=text,
        thinking=fields.text("reasoning") or fields.text("reasoning_content"),
        images=images,
        tool_calls=calls,
        tool_name=(fields.text("name") or names.get(call_id, "")) if role == "tool" else "",
        tool_call_id=call_id,
    )


def _content(value: Any, *, called: bool) -> tuple[str, tuple[bytes, ...]]:
    if value is None and called:
        return "", ()
    return content(value, lambda part, text, images: _part(Fields(part, "Content"), text, images))


def content(value: Any, read: Callable[[Any, list[str], list[bytes]], None]) -> tuple[str, tuple[bytes, ...]]:
    """The text and the images that a message's content is: a text, or parts that ``read`` adds to either list.

    Raises:
        InvalidRequest: it is neither.
    """
    match value:
        case str():
            return value, ()
        case list():
            text: list[str] = []
            images: list[bytes] = []
            for part in value:
                read(part, text, images)
            return "\n".join(text), tuple(images)
    raise InvalidRequest(f"invalid message content type: {go_type(value)}")


def _part(part: Fields, text: list[str], images: list[bytes]) -> None:
    match part.text("type"):
        case "text":
            text.append(part.text("text"))
        case "refusal":
            text.append(part.text("refusal"))
        case "image_url":
            url = part.raw("image_url")
            url = Fields(url, "ImageURL").text("url") if isinstance(url, dict) else url
            if not isinstance(url, str):
                raise InvalidRequest("invalid message format")
            images.append(data_url(url))
        case "input_audio":
            audio = Fields(part.mapping("input_audio"), "InputAudio")
            images.append(decoded(audio.text("data"), "invalid audio input"))
        case "file":
            raise InvalidRequest("file inputs are not currently supported")
        case _:
            raise InvalidRequest("invalid message format")


def _tool_call(value: Any) -> ToolCall:
    fields = Fields(value, "ToolCall")
    function = Fields(fields.mapping("function"), "ToolCallFunction")
    return ToolCall(
        function.text("name"), arguments(function.raw("arguments")), fields.text("id"), fields.whole("index")
    )


def _tool(fields: Fields) -> Tool:
    if fields.text("type") not in {"", "function"}:
        raise InvalidRequest(f'tools of the type "{fields.text("type")}" are not supported')
    return tool(fields.mapping("function") or {})
