"""The files of ``cases`` and ``renderings``: what they hold, as puna's own types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from puna.families import Chat
from puna.types import Message, Tool, ToolCall

HERE = Path(__file__).parent


def entries(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every entry of every file in ``folder``, with a name for it."""
    for path in sorted((HERE / folder).glob("*.json")):
        for entry in json.loads(path.read_text("utf-8")):
            yield f"{path.stem}: {entry['name']}", entry


def chat_of(entry: dict[str, Any]) -> Chat:
    """The chat of an entry: messages, tools and think as a caller of Ollama's API would write them."""
    messages = entry.get("messages", [{"role": "user", "content": "Hi"}])
    tools = [Tool(one["function"]["name"], one) for one in entry.get("tools", ())]
    return Chat(tuple(map(_message, messages)), tuple(tools), entry.get("think"))


def _message(wire: dict[str, Any]) -> Message:
    return Message(
        role=wire["role"],
        content=wire.get("content", ""),
        thinking=wire.get("thinking", ""),
        images=tuple(image.encode() for image in wire.get("images", ())),
        tool_calls=tuple(_call(call, index) for index, call in enumerate(wire.get("tool_calls", ()))),
        tool_name=wire.get("tool_name", ""),
        tool_call_id=wire.get("tool_call_id", ""),
    )


def _call(wire: dict[str, Any], index: int) -> ToolCall:
    return ToolCall(wire["function"]["name"], wire["function"]["arguments"], wire.get("id", ""), index)
