"""Anthropic's messages, made of blocks -> puna's messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from puna.errors import InvalidRequest
from puna.http.body import Fields
from puna.types import Message, ToolCall

_ROLES = frozenset({"user", "assistant", "system"})
_SEARCH_FAILED = "web_search_tool_result_error"


def conversation(system: Any, messages: Sequence[Any]) -> tuple[Message, ...]:
    """The messages that ``system`` and ``messages`` mean.

    The results in one of a user's messages come first, as messages of their own, then the rest of it.

    Raises:
        InvalidRequest: one of them is not what a message is, or holds what cannot be shown to a model.
    """
    found: list[Message] = []
    if text := _system(system):
        found.append(Message("system", text))
    names: dict[str, str] = {}
    for at, value in enumerate(messages):
        fields = Fields(value, "MessageParam")
        role = fields.text("role").lower()
        if role not in _ROLES:
            raise InvalidRequest(f'messages.{at}.role: must be "user", "assistant" or "system"')
        gathered = _Gathered(names)
        for block in _blocks(fields.raw("content"), f"messages.{at}.content"):
            gathered.add(block)
        found += gathered.messages(role)
    return tuple(found)


def _system(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case list():
            blocks = (Fields(block, "ContentBlock") for block in value)
            return "".join(block.text("text") for block in blocks if block.text("type") == "text")
    raise InvalidRequest("system: must be a string or a list of text blocks")


def _blocks(value: Any, where: str) -> Iterator[Fields]:
    match value:
        case str():
            yield Fields({"type": "text", "text": value}, "ContentBlock")
        case list():
            for block in value:
                yield Fields(block, "ContentBlock")
        case _:
            raise InvalidRequest(f"{where}: must be a string or a list of blocks")


@dataclass(slots=True)
class _Gathered:
    """What the blocks of one message come to. ``names`` are those of the tools that were called, by the call's id."""

    names: dict[str, str]
    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)

    def add(self, block: Fields) -> None:
        """Take in one block; one of an unknown kind says nothing to a model."""
        match block.text("type"):
            case "text":
                self.text.append(block.text("text"))
            case "image":
                self.images.append(_image(block.mapping("source"), "image source"))
            case "document":
                self._document(block.mapping("source"))
            case "thinking":
                self.thinking.append(block.text("thinking"))
            case "tool_use" | "server_tool_use":
                self._call(block)
            case "tool_result":
                self._result(block)
            case "web_search_tool_result":
                self._add_result(block, _search_results(block.raw("content")))

    def messages(self, role: str) -> Iterator[Message]:
        """The messages it means; one that says nothing is none."""
        if role == "user":
            yield from self.results
        text, thinking = "".join(self.text), "".join(self.thinking)
        if text or thinking or self.images or self.calls:
            yield Message(role, text, thinking=thinking, images=tuple(self.images), tool_calls=tuple(self.calls))
        if role != "user":
            yield from self.results

    def _call(self, block: Fields) -> None:
        id_, name = block.text("id"), block.text("name")
        for key, value in (("id", id_), ("name", name)):
            if not value:
                raise InvalidRequest(f"{block.text('type')} block missing required '{key}' field")
        self.names[id_] = name
        self.calls.append(ToolCall(name, block.mapping("input") or {}, id_, len(self.calls)))

    def _result(self, block: Fields) -> None:
        text: list[str] = []
        content = block.raw("content")
        for part in _blocks("" if content is None else content, "tool_result content"):
            match part.text("type"):
                case "text":
                    text.append(part.text("text"))
                case "image":
                    # No model was made to see in a tool's result, but all that see do so in what a user says.
                    self.images.append(_image(part.mapping("source"), "tool_result image source"))
                case "document":
                    text.append(_document_text(part.mapping("source")))
        said = "".join(text)
        if block.flag("is_error") and not said.lower().startswith("error"):
            said = f"Error: {said}"
        self._add_result(block, said)

    def _add_result(self, block: Fields, text: str) -> None:
        id_ = block.text("tool_use_id")
        self.results.append(Message("tool", text, tool_name=self.names.get(id_, ""), tool_call_id=id_))

    def _document(self, source: Mapping[str, Any] | None) -> None:
        fields = Fields(source, "DocumentSource")
        if fields.text("type") == "content":
            for block in _blocks(fields.raw("content"), "document content"):
                if block.text("type") in {"text", "image"}:
                    self.add(block)
        else:
            self.text.append(_document_text(source))


def _image(source: Mapping[str, Any] | None, what: str) -> bytes:
    if source is None:
        raise InvalidRequest(f"invalid {what}")
    fields = Fields(source, "ImageSource")
    if (kind := fields.text("type")) != "base64":
        raise InvalidRequest(f"invalid image source type: {kind}. Only base64 images are supported.")
    try:
        found = fields.blob("data")
    except InvalidRequest as error:
        raise InvalidRequest("invalid base64 image data") from error
    if not found:
        raise InvalidRequest("invalid base64 image data")
    return found


def _document_text(source: Mapping[str, Any] | None) -> str:
    fields = Fields(source, "DocumentSource")
    match fields.text("type"):
        case "text":
            return fields.text("data")
        case "content":
            blocks = _blocks(fields.raw("content"), "document content")
            return "".join(block.text("text") for block in blocks if block.text("type") == "text")
        case kind:
            raise InvalidRequest(
                f'invalid document source type: {kind}. Only "text" and "content" documents are supported.'
            )


def _search_results(content: Any) -> str:
    """What an earlier search found, or why it did not, as a model reads it.

    The text of a page is encrypted for Anthropic.
    """
    if isinstance(content, str | None):
        return content or ""
    if isinstance(content, list):
        found = [Fields(one, "WebSearchResult") for one in content]
        return "\n".join(f"- {one.text('title')}: {one.text('url')}" for one in found)
    failure = Fields(content if isinstance(content, dict) else None, "WebSearchToolResultError")
    if failure.text("type") == _SEARCH_FAILED:
        return ": ".join(filter(None, (_SEARCH_FAILED, failure.text("error_code"))))
    return msgspec.json.encode(content).decode()
