"""The JSON objects of requests for responses, for the description of the API, as in ``openai.bodies``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from puna.http.dialects.openai.bodies import (
    Alternatives,
    AudioPart,
    RefusalPart,
    SamplingBody,
    TextFormat,
    TextPart,
    Whole,
)


class InputText(Struct, tag_field="type", tag="input_text", kw_only=True):
    """Text of a message."""

    text: str


class OutputText(Struct, tag_field="type", tag="output_text", kw_only=True):
    """Text of an earlier answer."""

    text: str


class InputImage(Struct, tag_field="type", tag="input_image", kw_only=True):
    """A picture of a message, as a data URL."""

    image_url: Annotated[str, Meta(pattern="^data:(image/|;base64)")]


InputPart = InputText | OutputText | TextPart | RefusalPart | InputImage | AudioPart


class InputMessage(Struct, tag_field="type", tag="message", kw_only=True):
    """A message of the conversation."""

    role: Annotated[str, Meta(examples=["user", "assistant", "system", "developer"])]
    content: str | Sequence[InputPart] | None = None


class InputCall(Struct, tag_field="type", tag="function_call", kw_only=True):
    """A tool call of an earlier answer; the arguments are JSON in a string."""

    call_id: str
    name: str
    arguments: str | None = ""


class InputResult(Struct, tag_field="type", tag="function_call_output", kw_only=True):
    """What a tool answered."""

    call_id: str
    output: str | Sequence[InputPart] | None = None


class InputReasoning(Struct, tag_field="type", tag="reasoning", kw_only=True):
    """What the model thought in an earlier answer."""

    encrypted_content: str | None = ""
    content: Sequence[Mapping[str, Any]] | None = ()
    summary: Sequence[Mapping[str, Any]] | None = ()


class InputReference(Struct, tag_field="type", tag="item_reference", kw_only=True):
    """An item of a kept response, by its id."""

    id: str


class FunctionTool(Struct, tag_field="type", tag="function", kw_only=True):
    """A function that a model may call; ``parameters`` is the JSON Schema of its arguments."""

    name: Annotated[str, Meta(min_length=1)]
    description: str | None = ""
    parameters: Mapping[str, Any] | None = None
    strict: bool | None = None


class FunctionChoice(Struct, tag_field="type", tag="function", kw_only=True):
    """The function that is to be called."""

    name: Annotated[str, Meta(min_length=1)]


class AllowedFunctions(Struct, tag_field="type", tag="allowed_tools", kw_only=True):
    """Some of the tools, and whether one of them must be called."""

    mode: Literal["auto", "required"]
    tools: Sequence[FunctionChoice]


class ObjectFormat(Struct, tag_field="type", tag="json_object", kw_only=True):
    """Any JSON object."""


class SchemaFormat(Struct, tag_field="type", tag="json_schema", kw_only=True):
    """JSON that follows a schema."""

    schema: Mapping[str, Any]


class TextParam(Struct, kw_only=True):
    """What the text of a response is."""

    format: TextFormat | ObjectFormat | SchemaFormat | None = None


class ResponsesBody(SamplingBody, kw_only=True):
    """A body of ``/v1/responses``."""

    input: Annotated[
        str | Sequence[InputMessage | InputCall | InputResult | InputReasoning | InputReference] | None,
        Meta(description="A text, or what was said and done; a message may leave its `type` out."),
    ] = None
    instructions: Annotated[str | None, Meta(description="The system message.")] = ""
    previous_response_id: Annotated[str | None, Meta(description="The kept response that this goes on from.")] = ""
    tools: Annotated[Sequence[FunctionTool] | None, Meta(description="What the model may call.")] = ()
    tool_choice: Annotated[
        Literal["none", "auto", "required"] | FunctionChoice | AllowedFunctions | None,
        Meta(description="Whether it must."),
    ] = "auto"
    parallel_tool_calls: Annotated[bool | None, Meta(description="Whether it may call several at once.")] = True
    text: TextParam | None = None
    truncation: Annotated[
        Literal["auto", "disabled", ""] | None,
        Meta(description="`auto`: leave out oldest messages where the prompt is too long; else that is an error."),
    ] = "auto"
    top_logprobs: Alternatives = 0
    include: Annotated[
        Sequence[str] | None, Meta(description="`message.output_text.logprobs`: tell the probability of each token.")
    ] = ()
    max_output_tokens: Annotated[Whole, Meta(description="The most tokens of the response.")] = None
    max_tool_calls: Whole = None
    store: Annotated[bool | None, Meta(description="Keep the response, for later ones to go on from.")] = True
    metadata: Annotated[Mapping[str, Any] | None, Meta(extra_json_schema={"maxProperties": 16})] = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
