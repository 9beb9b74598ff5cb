"""The items of ``/v1/responses``, which are what is said and done in a conversation -> puna's messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from puna.errors import InvalidRequest
from puna.http.body import Fields
from puna.http.dialects.openai.messages import arguments, content, data_url, decoded
from puna.http.dialects.openai.parameters import go_type
from puna.types import Message, ToolCall

_KIND = {"[]interface {}": "array", "float64": "number", "map[string]interface {}": "object"}


def items(value: Any) -> Sequence[Any]:
    """The items that an ``input`` means.

    Raises:
        InvalidRequest: it is neither a text nor a list.
    """
    match value:
        case None | "":
            return []
        case str():
            return [{"type": "message", "role": "user", "content": value}]
        case list():
            return value
    kind = _KIND.get(go_type(value), go_type(value))
    raise InvalidRequest(
        f"input must be a string or array: json: cannot unmarshal {kind} into Go value of type []jsontext.Value"
    )


def messages(instructions: str, values: Iterable[Any], earlier: int = 0) -> tuple[Message, ...]:
    """The messages that items mean; the first ``earlier`` of them are not the caller's.

    Raises:
        InvalidRequest: one is not what an item is; it is named as the caller counts.
    """
    gathered = _Gathered()
    if instructions:
        gathered.messages.append(Message("system", instructions))
    for at, value in enumerate(values):
        gathered.add(Fields(value, "ResponsesInput"), f"input[{at - earlier}]")
    gathered.end_turn()
    return tuple(gathered.messages)


class _Gathered:
    """What items come to: reasoning, text and calls of one turn are one message."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._thinking = ""
        self._calls: list[ToolCall] = []
        self._names: dict[str, str] = {}

    def add(self, item: Fields, where: str) -> None:
        """Take in one item."""
        kind = item.text("type") or ("message" if item.raw("role") is not None else "")
        match kind:
            case "message":
                self._message(item, where)
            case "function_call":
                self._call(item)
            case "function_call_output":
                self._output(item, where)
            case "reasoning":
                self._thinking = item.text("encrypted_content") or _summary(item)
            case "web_search_call":
                pass
            case _:
                raise InvalidRequest(f'{where}: unknown input item type: "{kind}"')

    def end_turn(self) -> None:
        """Reasoning that nothing follows is a message of its own."""
        self._settle()
        if self._thinking:
            self.messages.append(Message("assistant", thinking=self._thinking))
            self._thinking = ""

    def _message(self, item: Fields, where: str) -> None:
        role = item.text("role").lower()
        text, images = _content(item.raw("content"), where, "content")
        self._settle()
        if role != "assistant":
            self.end_turn()
        said = Message("system" if role == "developer" else role, text, self._thinking, images)
        self._thinking = ""
        self.messages.append(said)

    def _call(self, item: Fields) -> None:
        call_id, name = item.text("call_id"), item.text("name")
        self._names[call_id] = name
        if self._thinking or not (self.messages and self.messages[-1].role == "assistant"):
            self._settle()
            self.messages.append(Message("assistant", thinking=self._thinking))
            self._thinking = ""
        self._calls.append(ToolCall(name, arguments(item.raw("arguments")), call_id, index=len(self._calls)))

    def _settle(self) -> None:
        """Give the last message its calls: all at once, since there may be thousands."""
        if self._calls:
            self.messages[-1] = replace(self.messages[-1], tool_calls=tuple(self._calls))
            self._calls = []

    def _output(self, item: Fields, where: str) -> None:
        self.end_turn()
        call_id = item.text("call_id")
        text, images = _content(item.raw("output"), where, "output")
        self.messages.append(
            Message("tool", text, images=images, tool_name=self._names.get(call_id, ""), tool_call_id=call_id)
        )


def _summary(item: Fields) -> str:
    def read(value: Any) -> str:
        return Fields(value, "ResponsesReasoning").text("text")

    parts = (item.objects(name, "openai.ResponsesReasoningSummary", read) for name in ("content", "summary"))
    return "\n".join(next(filter(None, parts), ()))


def _content(value: Any, where: str, name: str) -> tuple[str, tuple[bytes, ...]]:
    """The text and the images of the field ``name`` of the item at ``where``."""
    if value is None:
        return "", ()
    if not isinstance(value, str | list):
        raise InvalidRequest(f"{where}: {name} must be a string or array")

    def read(at: int, part: Any, text: list[str], images: list[bytes]) -> None:
        _part(Fields(part, "ResponsesContent"), f"{where}: {name}[{at}]", text, images)

    return content(value, read, between="")


def _part(part: Fields, where: str, text: list[str], images: list[bytes]) -> None:
    match part.text("type"):
        case "input_text" | "output_text" | "text":
            text.append(part.text("text"))
        case "refusal":
            text.append(part.text("refusal"))
        case "input_image":
            if not part.text("image_url"):
                raise InvalidRequest("invalid image input")
            images.append(data_url(part.text("image_url")))
        case "input_audio":
            audio = Fields(part.mapping("input_audio"), "InputAudio")
            images.append(decoded(audio.text("data"), "invalid audio input"))
        case "input_file":
            raise InvalidRequest("file inputs are not currently supported")
        case kind:
            raise InvalidRequest(f"{where}: unknown content type: {kind}")
