"""The JSON objects of OpenAI's requests, for the description of the API; the decoders read them, and more leniently.

Any field may be null where it is not required, which is as good as leaving it out; what OpenAI has and puna does not
read is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from puna.http.parameters import Binary, KeepAlive, ModelOptions
from puna.types import ThinkLevel

Model = Annotated[str, Meta(min_length=1, description="The name of a model.", examples=["smollm2"])]
Number = float | None
Whole = int | None
Alternatives = Annotated[
    Annotated[int, Meta(ge=0, le=20)] | None, Meta(description="How many likely others to tell of each token.")
]
Count = Annotated[Annotated[int, Meta(ge=1, le=128)] | None, Meta(description="How many answers to give.")]
Truncate = Annotated[
    bool | None, Meta(description="Leave out oldest messages where the prompt is too long; false: that is an error.")
]
_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_LISTS = {"type": "array", "items": _TOKENS, "minItems": 1}


class StreamOptions(Struct, kw_only=True):
    """What a stream has beside the answer."""

    include_usage: Annotated[bool | None, Meta(description="End with the tokens it took.")] = False


class ReasoningParam(Struct, kw_only=True):
    """How much a model thinks that can."""

    effort: Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "ultra", "max"] | None = ""


class FunctionCalled(Struct, kw_only=True):
    """What a tool call of an earlier answer called; the arguments are JSON in a string."""

    name: str
    arguments: str | Mapping[str, Any] | None = None


class ToolCalled(Struct, kw_only=True):
    """A tool call of an earlier answer."""

    id: str
    function: FunctionCalled
    index: Whole = 0


class ImageURL(Struct, kw_only=True):
    """A picture as a data URL."""

    url: Annotated[str, Meta(pattern="^data:(image/|;base64)")]


class InputAudio(Struct, kw_only=True):
    """Sound in base64."""

    data: Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})]


class TextPart(Struct, tag_field="type", tag="text", kw_only=True):
    """Text of a message."""

    text: str


class RefusalPart(Struct, tag_field="type", tag="refusal", kw_only=True):
    """What a model said in the place of an answer."""

    refusal: str


class ImagePart(Struct, tag_field="type", tag="image_url", kw_only=True):
    """A picture of a message."""

    image_url: ImageURL


class AudioPart(Struct, tag_field="type", tag="input_audio", kw_only=True):
    """Sound of a message."""

    input_audio: InputAudio


class MessageParam(Struct, kw_only=True):
    """A message of a chat."""

    role: Annotated[str, Meta(examples=["user", "assistant", "system", "developer", "tool"])]
    content: Annotated[
        str | Sequence[TextPart | RefusalPart | ImagePart | AudioPart] | None,
        Meta(description="Null only beside `tool_calls`."),
    ] = None
    name: Annotated[str | None, Meta(description="Of the role `tool`: whose result it is.")] = ""
    tool_calls: Sequence[ToolCalled] | None = ()
    tool_call_id: str | None = ""
    reasoning: Annotated[str | None, Meta(description="What the model thought before it said this.")] = ""
    reasoning_content: Annotated[str | None, Meta(description="Another name of `reasoning`.")] = ""


class FunctionParam(Struct, kw_only=True):
    """A function that a model may call; ``parameters`` is the JSON Schema of its arguments."""

    name: Annotated[str, Meta(min_length=1)]
    description: str | None = ""
    parameters: Mapping[str, Any] | None = None


class ToolParam(Struct, kw_only=True):
    """A tool that a model may call."""

    function: FunctionParam
    type: Literal["function"] = "function"


class FunctionName(Struct, kw_only=True):
    """The name of a function."""

    name: Annotated[str, Meta(min_length=1)]


class NamedTool(Struct, tag_field="type", tag="function", kw_only=True):
    """The function that is to be called."""

    function: FunctionName


class AllowedTools(Struct, kw_only=True):
    """Some of the tools, and whether one of them must be called."""

    mode: Literal["auto", "required"]
    tools: Sequence[NamedTool]


class AllowedToolsChoice(Struct, tag_field="type", tag="allowed_tools", kw_only=True):
    """Some of the tools."""

    allowed_tools: AllowedTools


class JsonSchema(Struct, kw_only=True):
    """The JSON Schema that an answer is held to."""

    schema: Mapping[str, Any]


class TextFormat(Struct, tag_field="type", tag="text", kw_only=True):
    """Any text."""


class JsonObjectFormat(Struct, tag_field="type", tag="json_object", kw_only=True):
    """Any JSON object."""


class JsonSchemaFormat(Struct, tag_field="type", tag="json_schema", kw_only=True):
    """JSON that follows a schema."""

    json_schema: JsonSchema


class SamplingBody(Struct, kw_only=True):
    """What the bodies of requests for texts have in common."""

    model: Model
    stream: Annotated[bool | None, Meta(description="Whether the reply is a stream of events.")] = False
    temperature: Number = 1.0
    top_p: Number = 1.0
    top_k: Whole = None
    min_p: Number = None
    frequency_penalty: Number = None
    presence_penalty: Number = None
    repeat_penalty: Number = None
    seed: Whole = None
    stop: Annotated[str | Sequence[str] | None, Meta(description="Texts that end the answer, without them.")] = None
    max_tokens: Annotated[Whole, Meta(description="The most tokens of an answer.")] = None
    reasoning: ReasoningParam | None = None
    reasoning_effort: Annotated[
        Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "ultra", "max"] | None,
        Meta(description="How much a model thinks that can."),
    ] = ""
    think: Annotated[bool | ThinkLevel | None, Meta(description="The same, as Ollama's API says it.")] = None
    options: ModelOptions | None = None
    num_ctx: Annotated[Whole, Meta(description="Tokens of context.")] = None
    keep_alive: KeepAlive = None


class CompletionsBody(SamplingBody, kw_only=True):
    """What the bodies of chats and completions have in common."""

    stream_options: StreamOptions | None = None
    n: Count = 1
    logit_bias: Annotated[
        Mapping[Annotated[str, Meta(pattern="^[0-9]+$")], Annotated[float, Meta(ge=-100, le=100)]] | None,
        Meta(description="What is added to the logits of tokens, by their numbers."),
    ] = None
    max_completion_tokens: Annotated[Whole, Meta(description="The same as `max_tokens`, and before it.")] = None
    truncate: Truncate = True


class ChatBody(CompletionsBody, kw_only=True):
    """A body of ``/v1/chat/completions``."""

    messages: Annotated[Sequence[MessageParam], Meta(min_length=1)]
    tools: Annotated[Sequence[ToolParam] | None, Meta(description="What the model may call.")] = ()
    tool_choice: Annotated[
        Literal["none", "auto", "required"] | NamedTool | AllowedToolsChoice | None,
        Meta(description="Whether it must."),
    ] = "auto"
    parallel_tool_calls: Annotated[bool | None, Meta(description="Whether it may call several at once.")] = True
    response_format: Annotated[
        TextFormat | JsonObjectFormat | JsonSchemaFormat | None, Meta(description="What the answer is held to.")
    ] = None
    logprobs: Annotated[bool | None, Meta(description="Tell the probability of each token of the answer.")] = False
    top_logprobs: Alternatives = 0
    debug_render_only: Annotated[bool | None, Meta(description="Answer with the prompt that the model would get.")] = (
        field(default=False, name="_debug_render_only")
    )


class CompletionBody(CompletionsBody, kw_only=True):
    """A body of ``/v1/completions``."""

    prompt: Annotated[
        Any,
        Meta(
            description="A text or its tokens, or a list of those.",
            extra_json_schema={"anyOf": [{"type": "string"}, _TEXTS, _TOKENS, _LISTS, {"type": "null"}]},
        ),
    ] = None
    suffix: Annotated[str | None, Meta(description="What follows the text that is to be written between.")] = ""
    logprobs: Annotated[
        Annotated[int, Meta(ge=0, le=20)] | None,
        Meta(description="Tell the probability of each token, and of as many others."),
    ] = None
    best_of: Annotated[
        Annotated[int, Meta(ge=1, le=128)] | None, Meta(description="Make so many, and give the likeliest.")
    ] = None
    echo: Annotated[bool | None, Meta(description="Repeat the prompt before each text.")] = False


class EmbeddingsBody(Struct, kw_only=True):
    """A body of ``/v1/embeddings``."""

    model: Model
    input: Annotated[
        Any,
        Meta(
            description="A text or its tokens, or a list of those.",
            extra_json_schema={"anyOf": [{"type": "string"}, _TEXTS, _TOKENS, _LISTS]},
        ),
    ]
    encoding_format: Annotated[
        Literal["float", "base64", ""] | None, Meta(description="How vectors are written; `base64` of 32-bit floats.")
    ] = "float"
    dimensions: Annotated[int | None, Meta(description="The most numbers a vector may have; 0: all.")] = 0
    truncate: Annotated[bool | None, Meta(description="Cut texts that are too long; false: that is an error.")] = True
    options: ModelOptions | None = None
    num_ctx: Annotated[Whole, Meta(description="Tokens of context.")] = None
    keep_alive: KeepAlive = None


class TranscriptionForm(Struct, kw_only=True):
    """The form of ``/v1/audio/transcriptions``; at most 25 MiB."""

    model: Model
    file: Annotated[Binary, Meta(description="The recording.")]
    language: Annotated[str, Meta(description="The language that is spoken.")] = ""
    prompt: Annotated[str, Meta(description="What was said before, or words that occur.")] = ""
    response_format: Literal["json", "text", ""] = "json"
