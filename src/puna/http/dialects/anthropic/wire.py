"""The JSON objects of Anthropic's replies. A field with a default is left out while it has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct


class TextBlock(Struct, tag_field="type", tag="text"):
    """A part of the answer."""

    text: str


class ThinkingBlock(Struct, tag_field="type", tag="thinking"):
    """A part of the reasoning. Clients send it back with its signature, and only then."""

    thinking: str
    signature: str


class ToolUseBlock(Struct, tag_field="type", tag="tool_use"):
    """A tool call."""

    id: str
    name: str
    input: Mapping[str, Any]


Block = TextBlock | ThinkingBlock | ToolUseBlock


class Usage(Struct, omit_defaults=True, kw_only=True):
    """Tokens. ``input_tokens`` leaves out those that were read before and kept; the prompt is both together.

    ``prompt_truncated`` says that whole oldest turns were left out to make the prompt fit.
    """

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    prompt_truncated: bool = False


class Message(Struct, tag_field="type", tag="message", omit_defaults=True, kw_only=True):
    """A whole reply, or the beginning of a streamed one."""

    id: str
    role: str
    model: str
    content: Sequence[Block]
    stop_reason: str = ""
    stop_sequence: str = ""
    usage: Usage


class TokenCount(Struct):
    """The reply of ``count_tokens``."""

    input_tokens: int


class ErrorDetail(Struct):
    """What went wrong."""

    type: str
    message: str


class Error(Struct, tag_field="type", tag="error"):
    """An error, as a body or as the last event of a stream."""

    error: ErrorDetail
    request_id: str


class TextDelta(Struct, tag_field="type", tag="text_delta"):
    """More of a text block."""

    text: str


class ThinkingDelta(Struct, tag_field="type", tag="thinking_delta"):
    """More of a thinking block."""

    thinking: str


class SignatureDelta(Struct, tag_field="type", tag="signature_delta"):
    """The signature of a thinking block, which it ends with."""

    signature: str


class InputJsonDelta(Struct, tag_field="type", tag="input_json_delta"):
    """More of the JSON of a tool call's arguments."""

    partial_json: str


class MessageStart(Struct, tag_field="type", tag="message_start"):
    """The first event of a stream."""

    message: Message


class ContentBlockStart(Struct, tag_field="type", tag="content_block_start"):
    """A block begins, the ``index``-th from 0."""

    index: int
    content_block: Block


class ContentBlockDelta(Struct, tag_field="type", tag="content_block_delta"):
    """A block goes on."""

    index: int
    delta: TextDelta | ThinkingDelta | SignatureDelta | InputJsonDelta


class ContentBlockStop(Struct, tag_field="type", tag="content_block_stop"):
    """A block is complete."""

    index: int


class Stop(Struct, omit_defaults=True):
    """Why a message ended."""

    stop_reason: str
    stop_sequence: str = ""


class MessageDelta(Struct, tag_field="type", tag="message_delta"):
    """How a message ended."""

    delta: Stop
    usage: Usage


class MessageStop(Struct, tag_field="type", tag="message_stop"):
    """The last event of a stream."""


class Ping(Struct, tag_field="type", tag="ping"):
    """A sign of life."""


StreamEvent = (
    MessageStart | ContentBlockStart | ContentBlockDelta | ContentBlockStop | MessageDelta | MessageStop | Ping | Error
)
