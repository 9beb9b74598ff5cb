"""The objects of ``/v1/responses``, as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from puna.http.dialects.openai.wire import Logprob


class Summary(msgspec.Struct, tag_field="type", tag="summary_text"):
    """A part of the summary of a model's reasoning."""

    text: str


class Reasoning(msgspec.Struct, tag_field="type", tag="reasoning"):
    """What the model thought. ``encrypted_content`` is the same again for the caller to send back, once it is whole."""

    id: str
    summary: list[Summary]
    encrypted_content: str | UnsetType = UNSET


class Text(msgspec.Struct, tag_field="type", tag="output_text"):
    """A part of a message."""

    text: str
    annotations: list[Any] = []
    logprobs: list[Logprob] = []


class Message(msgspec.Struct, tag_field="type", tag="message"):
    """What the model said."""

    id: str
    status: str
    content: list[Text]
    role: Literal["assistant"] = "assistant"


class FunctionCall(msgspec.Struct, tag_field="type", tag="function_call"):
    """A call of a tool; the arguments are JSON in a string."""

    id: str
    status: str
    call_id: str
    name: str
    arguments: str


Item = Reasoning | Message | FunctionCall


class InputDetails(msgspec.Struct):
    """Of the tokens of what was asked, those that had been processed before."""

    cached_tokens: int = 0


class OutputDetails(msgspec.Struct):
    """Of the tokens of what was answered, those of the reasoning."""

    reasoning_tokens: int = 0


class Usage(msgspec.Struct):
    """The tokens a response took."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputDetails
    output_tokens_details: OutputDetails


class Failure(msgspec.Struct):
    """Why there is no response."""

    code: str
    message: str


class Why(msgspec.Struct):
    """Why a response is not complete."""

    reason: str


class Response(msgspec.Struct, kw_only=True):
    """The reply of ``/v1/responses``. Times in seconds since the epoch."""

    id: str
    object: str = "response"
    created_at: int
    completed_at: int | None = None
    status: str = "in_progress"
    incomplete_details: Why | None = None
    model: str
    previous_response_id: str | None = None
    instructions: str | None = None
    output: Sequence[Item] = ()
    error: Failure | None = None
    tools: Sequence[Any] = ()
    tool_choice: Any = "auto"
    truncation: str = "auto"
    parallel_tool_calls: bool = True
    text: Any
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    top_logprobs: int = 0
    temperature: float = 1.0
    reasoning: Any = None
    usage: Usage | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    store: bool
    background: bool = False
    service_tier: str = "default"
    metadata: Any
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class Items(msgspec.Struct):
    """A page of the items that a response was asked with; ``has_more`` says that there are others after it."""

    data: Sequence[Any]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


class InputTokens(msgspec.Struct):
    """How many tokens a response would be asked with."""

    input_tokens: int
    object: str = "response.input_tokens"


EventName = Literal[
    "response.created",
    "response.in_progress",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
]


class Event(msgspec.Struct, kw_only=True):
    """An event of a streamed response: what its name says, and where."""

    type: EventName
    sequence_number: int
    response: Response | UnsetType = UNSET
    item_id: str | UnsetType = UNSET
    output_index: int | UnsetType = UNSET
    content_index: int | UnsetType = UNSET
    summary_index: int | UnsetType = UNSET
    item: Item | UnsetType = UNSET
    part: Text | Summary | UnsetType = UNSET
    delta: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    logprobs: Sequence[Logprob] | UnsetType = UNSET


class Deleted(msgspec.Struct):
    """The reply to the deletion of a response."""

    id: str
    object: str = "response"
    deleted: bool = True
