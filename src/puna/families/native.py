"""Models that bring their template in their GGUF: the engine renders with it, and reads the answer with it too."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import msgspec

from puna import media
from puna.families import Chat
from puna.types import Conversation, Message, Think, Tool, ToolCall

_WANTS_SHORT_IDS = re.compile(r"length\s*!=\s*9\b")
"""How the templates of Mistral's models refuse the id of a call that has not nine letters and digits."""

_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}")


def conversation(chat: Chat, *, template: str = "") -> Conversation:
    """``chat`` in the form of OpenAI's chat API, which the engine's own ``template`` renders.

    Some templates print the ids of tool calls, or refuse calls without: a call that has none gets one, and a tool's
    result that does not say which call it is for belongs to the first of that tool that has no result yet. Others
    refuse ids that are not like their own, which get such.
    """
    short = _WANTS_SHORT_IDS.search(template) is not None
    return Conversation(
        messages=list(_messages(_open_turn_joined(chat.messages), short_ids=short)),
        tools=[_tool(tool) for tool in chat.tools],
        template_kwargs=_template_kwargs(chat.think),
    )


def _open_turn_joined(messages: Sequence[Message]) -> Sequence[Message]:
    """``messages`` with the assistant's at their end as one: the engine continues only one, and none that is empty."""
    start = len(messages)
    while start and messages[start - 1].role == "assistant":
        start -= 1
    said = [one for one in messages[start:] if one.content or one.thinking or one.tool_calls or one.images]
    if len(said) < 2:
        return [*messages[:start], *said]
    joined = replace(
        said[0],
        content="\n\n".join(one.content for one in said if one.content),
        thinking="\n\n".join(one.thinking for one in said if one.thinking),
        images=tuple(image for one in said for image in one.images),
        tool_calls=tuple(call for one in said for call in one.tool_calls),
    )
    return [*messages[:start], joined]


def _messages(messages: Sequence[Message], *, short_ids: bool) -> Iterator[dict[str, Any]]:
    numbers = count(1)
    waiting: list[ToolCall] = []
    renamed: dict[str, str] = {}

    def named(call: ToolCall) -> ToolCall:
        if call.id and (not short_ids or _SHORT_ID.fullmatch(call.id)):
            return call
        # Mistral's templates take no id that has not nine letters and digits.
        renamed[call.id] = f"call{next(numbers):05}"
        return replace(call, id=renamed[call.id])

    for message in messages:
        wire: dict[str, Any] = {"role": message.role, "content": _content(message)}
        if message.thinking:
            wire["reasoning_content"] = message.thinking
        if message.tool_calls:
            waiting = [named(call) for call in message.tool_calls]
            wire["tool_calls"] = [_call(call) for call in waiting]
        elif message.role == "tool":
            said = message.tool_call_id
            call = _called(replace(message, tool_call_id=renamed.get(said, said) if said else ""), waiting)
            if call in waiting:
                waiting.remove(call)
            wire |= {key: value for key, value in (("tool_call_id", call.id), ("name", call.name)) if value}
        yield wire


def _called(result: Message, waiting: Sequence[ToolCall]) -> ToolCall:
    """The call that ``result`` is for, as far as it can be told."""
    said = ToolCall(result.tool_name, {}, result.tool_call_id)
    if said.id:
        return next((call for call in waiting if call.id == said.id), said)
    return next((call for call in waiting if said.name in {"", call.name}), said)


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    text = [{"type": "text", "text": message.content}] if message.content else []
    return text + [_media(image) for image in message.images]


def _media(data: bytes) -> dict[str, Any]:
    kind, encoded = media.kind(data), base64.b64encode(data).decode()
    if kind.startswith("audio/"):
        # The engine takes no other names, and looks at the data itself.
        name = "mp3" if kind == "audio/mpeg" else "wav"
        return {"type": "input_audio", "input_audio": {"data": encoded, "format": name}}
    return {"type": "image_url", "image_url": {"url": f"data:{kind or 'image/jpeg'};base64,{encoded}"}}


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = msgspec.json.encode(call.arguments).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _tool(tool: Tool) -> dict[str, Any]:
    """The caller's definition, with what the engine insists on: a type, and nothing that is null."""
    function = _without_null(tool.definition.get("function"))
    if "parameters" in function:
        function["parameters"] = _without_null(function["parameters"])
    return {**tool.definition, "type": "function", "function": {**function, "name": tool.name}}


def _without_null(value: Any) -> dict[str, Any]:
    return {key: one for key, one in value.items() if one is not None} if isinstance(value, Mapping) else {}


def _template_kwargs(think: Think) -> dict[str, Any]:
    if think is None:
        return {}
    kwargs: dict[str, Any] = {"enable_thinking": think is not False}
    if isinstance(think, str):
        kwargs["reasoning_effort"] = think
    return kwargs
