"""The JSON objects of Ollama's requests, for the description of the API; ``decode`` reads them, and more leniently.

Any field may be null where it is not required, which is as good as leaving it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from puna.http.parameters import KeepAlive, ModelOptions
from puna.types import ThinkLevel

Model = Annotated[str, Meta(min_length=1, description="The name of a model.", examples=["smollm2"])]
OldName = Annotated[str | None, Meta(description="An older name of `model`.", extra_json_schema={"deprecated": True})]
Streamed = Annotated[bool | None, Meta(description="Whether the reply is a stream; false: one object at the end.")]
Digests = Annotated[
    Mapping[str, Annotated[str, Meta(pattern="^sha256[:-][0-9a-fA-F]{64}$")]] | None,
    Meta(description="The digests of uploaded files, by the files' names."),
]
Base64 = Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})]
Images = Annotated[Sequence[Base64] | None, Meta(description="Pictures or sound in base64, for models that take them.")]
Tools = Annotated[Sequence["ToolParam"] | None, Meta(description="What the model may call.")]
OwnTemplate = Annotated[str | None, Meta(description="A template in the place of the model's own.")]
Rate = Annotated[int | None, Meta(description="The most bytes per second; 0: no limit.")]
Insecure = Annotated[bool | None, Meta(description="Allow HTTP, and certificates that are not trusted.")]


class FunctionCalled(Struct, kw_only=True):
    """What a tool call of an earlier answer called."""

    name: str
    arguments: Mapping[str, Any] | None = None
    index: int | None = None


class ToolCalled(Struct, kw_only=True):
    """A tool call of an earlier answer."""

    function: FunctionCalled
    id: str | None = None


class MessageParam(Struct, kw_only=True):
    """A message of a conversation."""

    role: Annotated[str, Meta(examples=["user", "assistant", "system", "tool"])]
    content: str | None = ""
    thinking: Annotated[str | None, Meta(description="What the model thought before it said this.")] = ""
    images: Images = ()
    tool_calls: Sequence[ToolCalled] | None = ()
    tool_name: Annotated[str | None, Meta(description="Whose result this is, of the role `tool`.")] = ""
    tool_call_id: Annotated[str | None, Meta(description="The id of the call whose result this is.")] = ""


class ToolParameters(Struct, kw_only=True):
    """The JSON Schema of a tool's arguments."""

    type: Any = "object"
    properties: Mapping[str, Mapping[str, Any] | bool | None] | None = None
    required: Sequence[str] | None = None


class ToolFunction(Struct, kw_only=True):
    """A function that a model may call."""

    name: str
    description: str | None = ""
    parameters: ToolParameters | None = None


class ToolParam(Struct, kw_only=True):
    """A tool that a model may call."""

    function: ToolFunction
    type: Literal["function"] = "function"


class InferenceBody(Struct, kw_only=True):
    """What bodies of ``/api/generate`` and ``/api/chat`` have in common."""

    model: Model
    stream: Streamed = True
    format: Annotated[
        Literal["json", ""] | Mapping[str, Any] | None,
        Meta(description="What the answer is held to: any JSON object (`json`), or a JSON Schema."),
    ] = None
    think: Annotated[
        bool | ThinkLevel | None,
        Meta(description="Whether, or how much, a model thinks that can; null: as it does by itself."),
    ] = None
    options: ModelOptions | None = None
    keep_alive: KeepAlive = None
    truncate: Annotated[
        bool | None,
        Meta(description="Leave out oldest messages where the prompt is too long; false: that is an error."),
    ] = True
    shift: Annotated[bool | None, Meta(description="Go on when the context is full; false: the answer ends.")] = None
    logprobs: Annotated[bool | None, Meta(description="Tell the probability of each token of the answer.")] = False
    top_logprobs: Annotated[
        Annotated[int, Meta(ge=0, le=20)] | None, Meta(description="As many likely others of each token.")
    ] = 0
    debug_render_only: Annotated[bool | None, Meta(description="Answer with the prompt that the model would get.")] = (
        field(default=False, name="_debug_render_only")
    )


class GenerateBody(InferenceBody, kw_only=True):
    """A body of ``/api/generate``. Without a prompt the model is loaded, or unloaded if ``keep_alive`` is 0."""

    prompt: str | None = ""
    suffix: Annotated[str | None, Meta(description="What follows the text that is to be written between.")] = ""
    system: Annotated[str | None, Meta(description="A system message in the place of the model's own.")] = ""
    template: OwnTemplate = ""
    context: Annotated[
        Sequence[int] | None, Meta(description="The `context` of an earlier reply, which this goes on from.")
    ] = ()
    raw: Annotated[bool | None, Meta(description="The prompt is all that the model reads.")] = False
    images: Images = ()


class ChatBody(InferenceBody, kw_only=True):
    """A body of ``/api/chat``. Without messages the model is loaded, or unloaded if ``keep_alive`` is 0."""

    messages: Sequence[MessageParam] | None = ()
    tools: Tools = ()


class EmbedBody(Struct, kw_only=True):
    """A body of ``/api/embed``. Without an input the model is loaded."""

    model: Model
    input: Annotated[str | Sequence[str] | None, Meta(description="A text, or several.")] = None
    truncate: Annotated[bool | None, Meta(description="Cut texts that are too long; false: that is an error.")] = True
    dimensions: Annotated[int | None, Meta(description="The most numbers a vector may have; 0: all.")] = 0
    options: ModelOptions | None = None
    keep_alive: KeepAlive = None


class EmbeddingsBody(Struct, kw_only=True):
    """A body of ``/api/embeddings``. Without a prompt the model is loaded."""

    model: Model
    prompt: str | None = ""
    options: ModelOptions | None = None
    keep_alive: KeepAlive = None


class ShowBody(Struct, kw_only=True):
    """A body of ``/api/show``."""

    model: Model
    name: OldName = ""
    verbose: Annotated[bool | None, Meta(description="Tell long lists too, and the tensors.")] = False
    system: Annotated[str | None, Meta(description="Show the model with this system message.")] = ""
    options: Annotated[ModelOptions | None, Meta(description="Show the model with these options.")] = None


class CopyBody(Struct, kw_only=True):
    """A body of ``/api/copy``."""

    source: Model
    destination: Annotated[str, Meta(min_length=1, description="The second name.", examples=["my-smollm2"])]


class DeleteBody(Struct, kw_only=True):
    """A body of ``/api/delete``."""

    model: Annotated[str, Meta(min_length=1, examples=["my-smollm2"])]
    name: OldName = ""


class CreateInfo(Struct, kw_only=True):
    """What is told of a model."""

    capabilities: Sequence[str] | None = None
    model_family: str | None = None
    base_name: str | None = None
    quantization_level: str | None = None
    parameter_size: str | None = None
    context_length: Annotated[int, Meta(ge=0)] | None = None
    embedding_length: Annotated[int, Meta(ge=0)] | None = None


class CreateBody(Struct, kw_only=True):
    """A body of ``/api/create``: a model made of another (``from``), of uploaded ``files``, or as a Modelfile says."""

    model: Annotated[str, Meta(min_length=1, description="Its name.", examples=["mario"])]
    name: OldName = ""
    from_: Annotated[str | None, Meta(description="The model it is made from.")] = field(default="", name="from")
    files: Digests = None
    adapters: Digests = None
    template: OwnTemplate = ""
    system: str | None = ""
    license: str | Sequence[str] | None = ()
    parameters: Annotated[ModelOptions | None, Meta(description="Options it has from then on.")] = None
    messages: Annotated[Sequence[MessageParam] | None, Meta(description="How every conversation begins.")] = ()
    renderer: str | None = ""
    parser: str | None = ""
    requires: Annotated[str | None, Meta(description="The version of Ollama that can run it.")] = ""
    quantize: Annotated[str | None, Meta(description="The level its weights are to have.", examples=["q4_K_M"])] = ""
    quantization: Annotated[
        str | None, Meta(description="An older name of `quantize`.", extra_json_schema={"deprecated": True})
    ] = ""
    draft_files: Digests = None
    draft_quantize: str | None = ""
    info: Annotated[
        CreateInfo | None, Meta(description="What is told of it in the place of what its weights tell.")
    ] = None
    remote_host: Annotated[str | None, Meta(description="Where the model it is made from runs, if not here.")] = ""
    modelfile: Annotated[str | None, Meta(description="The text of a Modelfile.")] = ""
    path: Annotated[str | None, Meta(description="The path of a Modelfile on the server's machine.")] = ""
    stream: Streamed = True


class PullBody(Struct, kw_only=True):
    """A body of ``/api/pull``."""

    model: Model
    name: OldName = ""
    insecure: Insecure = False
    limit_rate: Rate = 0
    stream: Streamed = True


class PushBody(Struct, kw_only=True):
    """A body of ``/api/push``."""

    model: Annotated[str, Meta(min_length=1, examples=["my-namespace/smollm2"])]
    name: OldName = ""
    insecure: Insecure = False
    limit_rate: Rate = 0
    stream: Streamed = True


class TokenizeBody(Struct, kw_only=True):
    """A body of ``/api/tokenize``."""

    model: Model
    text: str
    add_special: Annotated[
        bool | None, Meta(description="Add the tokens that a text of this model begins and ends with.")
    ] = False
    options: ModelOptions | None = None
    keep_alive: KeepAlive = None


class DetokenizeBody(Struct, kw_only=True):
    """A body of ``/api/detokenize``."""

    model: Model
    tokens: Sequence[Annotated[int, Meta(ge=0, lt=2**31)]]
    options: ModelOptions | None = None
    keep_alive: KeepAlive = None
