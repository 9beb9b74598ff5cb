"""The messages and tools of a chat -> puna's."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from puna.errors import InvalidRequest
from puna.http.body import Fields
from puna.http.dialects.openai.parameters import go_type
from puna.types import Message, Tool, ToolCall
from puna.types.nesting import is_too_deep

_decode_arguments = msgspec.json.Decoder(dict[str, Any]).decode


def messages(chat: Fields) -> tuple[Message, ...]:
    """Decode the messages of a chat; a tool's result is told whose it is.

    Raises:
        InvalidRequest: there are none, or one is not what a message is.
    """
    names: dict[str, str] = {}

    def read(value: Any) -> Message:
        message = _message(Fields(value, "Message"), names)
        names.update((call.id, call.name) for call in message.tool_calls)
        return message

    found = chat.objects("messages", "openai.Message", read)
    if not found:
        raise InvalidRequest("[] is too short - 'messages'")
    return found


def tools(chat: Fields) -> tuple[Tool, ...]:
    """Decode the tools of a chat.

    Raises:
        InvalidRequest: one is not a function with a name.
    """
    return chat.objects("tools", "api.Tool", lambda value: _tool(Fields(value, "Tool")))


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
        decoded = _decode_arguments(text) if text else {}
    except (msgspec.DecodeError, TypeError, RecursionError) as error:
        raise InvalidRequest("invalid tool call arguments") from error
    if is_too_deep(decoded):
        raise InvalidRequest("invalid tool call arguments: they are nested too deeply")
    return decoded


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
        InvalidRequest: they are not, or there are none; its text is ``otherwise``.
    """
    try:
        found = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(otherwise) from error
    if not found:
        raise InvalidRequest(otherwise)
    return found


def _message(fields: Fields, names: Mapping[str, str]) -> Message:
    role = fields.text("role").lower()
    calls = fields.objects("tool_calls", "openai.ToolCall", _tool_call)
    text, images = _content(fields.raw("content"), called=fields.raw("tool_calls") is not None)
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
    return content(value, lambda _at, part, text, images: _part(part, text, images))


def content(
    value: Any, read: Callable[[int, Any, list[str], list[bytes]], None], *, between: str = "\n"
) -> tuple[str, tuple[bytes, ...]]:
    """The text and the images that a message's content is: a text, or parts that ``read`` adds to either list.

    ``read`` is told the place of each part, from 0; ``between`` stands between the texts.

    Raises:
        InvalidRequest: it is neither.
    """
    match value:
        case str():
            return value, ()
        case list():
            text: list[str] = []
            images: list[bytes] = []
            for at, part in enumerate(value):
                read(at, part, text, images)
            return between.join(text), tuple(images)
    raise InvalidRequest(f"invalid message content type: {go_type(value)}")


def _part(value: Any, text: list[str], images: list[bytes]) -> None:
    part = Fields(value if isinstance(value, dict) else None, "Content")
    match part.raw("type"):
        case "text" | "refusal" as kind:
            text.append(_string(part.raw(kind)))
        case "image_url":
            url = part.raw("image_url")
            images.append(data_url(_string(Fields(url, "ImageURL").raw("url") if isinstance(url, dict) else url)))
        case "input_audio":
            audio = Fields(part.mapping("input_audio"), "InputAudio")
            images.append(decoded(audio.text("data"), "invalid audio input"))
        case "file":
            raise InvalidRequest("file inputs are not currently supported")
        case _:
            raise InvalidRequest("invalid message format")


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidRequest("invalid message format")
    return value


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
