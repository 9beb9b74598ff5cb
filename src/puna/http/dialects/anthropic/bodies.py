"""The JSON objects of Anthropic's requests, for the description of the API; ``decode`` reads them, and more leniently.

Any field may be null where it is not required, which is as good as leaving it out. Blocks of other types are ignored,
as is what Anthropic has and puna does not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from puna.http.parameters import KeepAlive, ModelOptions

Base64 = Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})]


class Base64Source(Struct, tag_field="type", tag="base64", kw_only=True):
    """A picture in base64."""

    data: Base64
    media_type: str | None = ""


class TextSource(Struct, tag_field="type", tag="text", kw_only=True):
    """The text of a document."""

    data: str
    media_type: str | None = ""


class TextParam(Struct, tag_field="type", tag="text", kw_only=True):
    """Text of a message."""

    text: str


class ImageParam(Struct, tag_field="type", tag="image", kw_only=True):
    """A picture of a message."""

    source: Base64Source


class ContentSource(Struct, tag_field="type", tag="content", kw_only=True):
    """The parts of a document."""

    content: str | Sequence[TextParam | ImageParam]


class DocumentParam(Struct, tag_field="type", tag="document", kw_only=True):
    """A document of a message."""

    source: TextSource | ContentSource


class ThinkingParam(Struct, tag_field="type", tag="thinking", kw_only=True):
    """What the model thought in an earlier answer."""

    thinking: str
    signature: str | None = ""


class ToolUseParam(Struct, tag_field="type", tag="tool_use", kw_only=True):
    """A tool call of an earlier answer."""

    id: Annotated[str, Meta(min_length=1)]
    name: Annotated[str, Meta(min_length=1)]
    input: Mapping[str, Any] | None = None


class ToolResultParam(Struct, tag_field="type", tag="tool_result", kw_only=True):
    """What a tool answered."""

    tool_use_id: str
    content: str | Sequence[TextParam | ImageParam | DocumentParam] | None = None
    is_error: bool | None = False


class MessageParam(Struct, kw_only=True):
    """A message of the conversation: a text, or blocks."""

    role: Literal["user", "assistant", "system"]
    content: str | Sequence[TextParam | ImageParam | DocumentParam | ThinkingParam | ToolUseParam | ToolResultParam]


class ToolParam(Struct, kw_only=True):
    """A tool that the model may call; ``input_schema`` is the JSON Schema of its arguments."""

    name: Annotated[str, Meta(min_length=1)]
    description: str | None = ""
    input_schema: Mapping[str, Any] | None = None
    type: Literal["custom", ""] | None = "custom"


class AutoChoice(Struct, tag_field="type", tag="auto", kw_only=True):
    """The model calls tools as it likes."""

    disable_parallel_tool_use: bool | None = False


class AnyChoice(Struct, tag_field="type", tag="any", kw_only=True):
    """The model must call a tool."""

    disable_parallel_tool_use: bool | None = False


class ToolNamed(Struct, tag_field="type", tag="tool", kw_only=True):
    """The model must call this tool."""

    name: Annotated[str, Meta(min_length=1)]
    disable_parallel_tool_use: bool | None = False


class NoChoice(Struct, tag_field="type", tag="none", kw_only=True):
    """The model must not call tools."""


class ThinkingConfig(Struct, kw_only=True):
    """Whether a model thinks that can."""

    type: Annotated[str | None, Meta(examples=["enabled", "adaptive", "disabled"])] = ""


class OutputFormat(Struct, tag_field="type", tag="json_schema", kw_only=True):
    """JSON that follows a schema."""

    schema: Mapping[str, Any]


class OutputConfig(Struct, kw_only=True):
    """What the answer is held to, and how much is thought about it."""

    format: OutputFormat | None = None
    effort: Annotated[str | None, Meta(examples=["low", "medium", "high", "max"])] = ""


class CountTokensBody(Struct, kw_only=True):
    """A body of ``/v1/messages/count_tokens``; ``options`` and ``keep_alive`` are Ollama's."""

    model: Annotated[str, Meta(min_length=1, description="The name of a model.", examples=["smollm2"])]
    messages: Annotated[Sequence[MessageParam], Meta(min_length=1)]
    system: Annotated[str | Sequence[TextParam] | None, Meta(description="The system message.")] = ""
    tools: Annotated[Sequence[ToolParam] | None, Meta(description="What the model may call.")] = ()
    tool_choice: Annotated[
        AutoChoice | AnyChoice | ToolNamed | NoChoice | None, Meta(description="Whether it must.")
    ] = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    output_format: Annotated[OutputFormat | None, Meta(description="An older name of `output_config.format`.")] = None
    options: ModelOptions | None = None
    keep_alive: KeepAlive = None


class MessagesBody(CountTokensBody, kw_only=True):
    """A body of ``/v1/messages``; ``options`` and ``keep_alive`` are Ollama's."""

    max_tokens: Annotated[int, Meta(ge=1, description="The most tokens of the answer.")]
    stream: Annotated[bool | None, Meta(description="Whether the reply is a stream of events.")] = False
    stop_sequences: Annotated[Sequence[str] | None, Meta(description="Texts that end the answer.")] = ()
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
