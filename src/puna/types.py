"""The nouns every part of puna shares. All are frozen values; none knows a dialect or an engine."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

ThinkLevel = Literal["low", "medium", "high", "max"]
Think = bool | ThinkLevel | None
"""What the caller said of thinking: on, off, a level, or nothing."""

Capability = Literal["completion", "tools", "insert", "vision", "audio", "embedding", "thinking", "image generation"]

Schema = Mapping[str, Any]
Format = Literal["json"] | Schema | None
"""What the reply must be: any JSON object, JSON that follows a schema, or (None) anything."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for: ``arguments`` is the JSON object it gave; ``index`` counts from 0 in one reply."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True)
class Tool:
    """A function offered to the model; ``definition`` is its JSON as the caller gave it."""

    name: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. ``images`` are decoded bytes (pictures or sound)."""

    role: str
    content: str = ""
    thinking: str = ""
    images: tuple[bytes, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Inference:
    """What generate and chat have in common.

    ``model`` is the name as the caller wrote it, ``options`` only what the caller set, ``keep_alive`` seconds
    (None: the server's default), ``top_logprobs`` the number of alternatives per token (0 to 20).
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: float | None = None
    format: Format = None
    think: Think = None
    truncate: bool = True
    shift: bool | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    render_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest(Inference):
    """Continue a conversation."""

    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest(Inference):
    """Complete a prompt; ``context`` holds the tokens an earlier reply ended with."""

    prompt: str = ""
    suffix: str = ""
    system: str | None = None
    template: str | None = None
    context: tuple[int, ...] = ()
    raw: bool = False
    images: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; ``prompt_tokens`` counts cached ones too."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds one answer took, and where they went."""

    total: float = 0.0
    load: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Make a vector of each of ``inputs``; without any, only load the model.

    ``model``, ``options`` and ``keep_alive`` as in ``Inference``. ``truncate`` cuts inputs that are longer than the
    context, which else are an error. ``dimensions`` is the most numbers a vector may have (0: all). ``normalize`` gives
    every vector the length one; without it they are what the model's makers meant.
    """

    model: str
    inputs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: float | None = None
    truncate: bool = True
    dimensions: int = 0
    normalize: bool = True


@dataclass(frozen=True, slots=True)
class Embeddings:
    """A vector of 32-bit floats for each input, in their order."""

    vectors: tuple[array[float], ...] = ()
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token, its natural-log probability, its UTF-8 bytes, and the likeliest alternatives, likeliest first."""

    token: str
    logprob: float
    bytes: tuple[int, ...] = ()
    alternatives: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the model reads it. Special tokens in the text count as special tokens.

    ``images`` are pictures or sound; the n-th stands where the text says ``[img-n]``. ``preserved_tokens`` are special
    tokens that the answer's text must show, which the engine else leaves out.
    """

    text: str
    images: tuple[bytes, ...] = ()
    preserved_tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages that the engine renders with the model's own (Jinja) template.

    ``messages`` and ``tools`` are in the form of OpenAI's chat API; ``template_kwargs`` are variables for the template.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Details:
    """What kind of model it is, in Ollama's words. The last two are 0 where they are not known."""

    parent_model: str = ""
    format: str = ""
    family: str = ""
    families: tuple[str, ...] = ()
    parameter_size: str = ""
    quantization_level: str = ""
    context_length: int = 0
    embedding_length: int = 0


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One line of the list of models.

    ``digest`` is bare hex, ``size`` in bytes, ``modified`` an RFC 3339 text with nanoseconds and the local offset, such
    as ``2026-11-21T20:41:05.742011893+01:00``.
    """

    name: str
    modified: str
    size: int
    digest: str
    details: Details
    capabilities: tuple[Capability, ...] = ()
    remote_model: str = ""
    remote_host: str = ""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a GGUF file: ``type`` as llama.cpp names it, ``shape`` in GGUF order."""

    name: str
    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """Everything there is to show of a model. ``model_info`` holds the GGUF's metadata by its own keys."""

    modelfile: str
    details: Details
    model_info: Mapping[str, Any]
    capabilities: tuple[Capability, ...]
    modified: str
    license: str = ""
    parameters: str = ""
    template: str = ""
    system: str = ""
    messages: tuple[Message, ...] = ()
    projector_info: Mapping[str, Any] | None = None
    tensors: tuple[Tensor, ...] = ()
    requires: str = ""
    remote_model: str = ""
    remote_host: str = ""


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model in memory. ``size`` and ``size_vram`` in bytes; ``expires`` as ``ModelSummary.modified``."""

    name: str
    size: int
    size_vram: int
    digest: str
    details: Details
    expires: str
    context_length: int


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """Make a model from another (``source``) or from uploaded files (path -> digest). None means "not said".

    ``modelfile`` is the text of a Modelfile and ``path`` the path of one on the server, as older clients send them.
    """

    model: str
    source: str = ""
    files: Mapping[str, str] | None = None
    adapters: Mapping[str, str] | None = None
    template: str | None = None
    system: str | None = None
    licenses: tuple[str, ...] = ()
    parameters: Mapping[str, Any] | None = None
    messages: tuple[Message, ...] | None = None
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    quantize: str = ""
    modelfile: str = ""
    path: str = ""
