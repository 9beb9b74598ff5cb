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
class ToolChoice:
    """Which of the tools an answer calls: ``auto``, as the model likes; ``none``; ``required``, at least one.

    ``name`` is the one tool that is required; ``parallel`` allows several calls in one answer.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    name: str = ""
    parallel: bool = True


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
    ``think_if_able`` has ``think`` left out, rather than refused, where the model knows no thinking. ``logit_bias`` is
    what is added to the logits of tokens, by their numbers.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: float | None = None
    format: Format = None
    think: Think = None
    think_if_able: bool = False
    logit_bias: Mapping[int, float] = field(default_factory=dict)
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
    tool_choice: ToolChoice = field(default_factory=ToolChoice)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest(Inference):
    """Complete a prompt; ``context`` holds the tokens an earlier reply ended with.

    ``tokens`` are the whole prompt, as the model reads it, in the place of all else.
    """

    prompt: str = ""
    tokens: tuple[int, ...] = ()
    suffix: str = ""
    system: str | None = None
    template: str | None = None
    context: tuple[int, ...] = ()
    raw: bool = False
    images: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; ``prompt_tokens`` counts cached ones too, of which there are ``cached_tokens``."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds one answer took, and where they went."""

    total: float = 0.0
    load: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0


@dataclass(frozen=True, slots=True)
class TokenizeRequest:
    """Make tokens of ``text``; ``framed`` adds those that a text of this model begins and ends with.

    Special tokens in the text count as such. ``model``, ``options`` and ``keep_alive`` as in ``Inference``.
    """

    model: str
    text: str
    framed: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: float | None = None


@dataclass(frozen=True, slots=True)
class DetokenizeRequest:
    """Make text of ``tokens``; the rest is as in ``TokenizeRequest``."""

    model: str
    tokens: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: float | None = None


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """Tell how well each of ``documents`` answers ``query``.

    ``instruction`` is what "answers" means, for models that follow instructions ("": to find passages that do).
    ``raw_scores`` are a model's own, without bounds; else they are from 0 to 1. ``options`` as in ``Inference``.
    """

    model: str
    query: str
    documents: tuple[str, ...]
    instruction: str = ""
    raw_scores: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: float | None = None


@dataclass(frozen=True, slots=True)
class Relevance:
    """How well the document number ``index``, from 0, answers the query."""

    index: int
    score: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """All documents, the best first; equally good ones stay in their order."""

    documents: tuple[Relevance, ...]
    usage: Usage


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Make a vector of each of ``inputs``, texts or their tokens; without any, only load the model.

    ``model``, ``options`` and ``keep_alive`` as in ``Inference``. ``truncate`` cuts inputs that are longer than the
    context, which else are an error. ``dimensions`` is the most numbers a vector may have (0: all). ``normalize`` gives
    every vector the length one; without it they are what the model's makers meant.
    """

    model: str
    inputs: tuple[str | tuple[int, ...], ...] = ()
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
    tokens that the answer's text must show, which the engine else leaves out. ``tokens`` come before the text.
    """

    text: str
    images: tuple[bytes, ...] = ()
    preserved_tokens: tuple[str, ...] = ()
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages that the engine renders with the model's own (Jinja) template.

    ``messages`` and ``tools`` are in the form of OpenAI's chat API; ``template_kwargs`` are variables for the template.
    ``parallel_calls`` lets the answer call several tools.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    parallel_calls: bool = True


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """An answer that is kept for later requests to go on from, with what was asked.

    ``previous`` is the id of the one it went on from, "" if none; ``items`` are the messages that were asked, and
    ``body`` the reply, in the words of the dialect that keeps them.
    """

    id: str
    previous: str
    items: bytes
    body: bytes


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
class StorePlace:
    """Where a model store is on its machine. ``device`` and ``inode`` are those of the directory of its blobs."""

    path: str
    device: int
    inode: int


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


RequestKind = Literal["chat", "generate", "embed", "rerank"]
RequestState = Literal["queued", "loading", "prompt", "answering"]
"""Where a request stands: it waits for its turn, its model is loaded, its prompt is read, its answer is written."""


@dataclass(frozen=True, slots=True)
class RunningRequest:
    """A request that runs, ``since`` that RFC 3339 time, for ``seconds``, from the address ``client``.

    ``prompt_done`` of the ``prompt_tokens`` are read (0 of 0: not known yet), about ``tokens`` of the answer written.
    """

    id: str
    kind: RequestKind
    model: str
    state: RequestState
    client: str
    since: str
    seconds: float
    prompt_tokens: int
    prompt_done: int
    tokens: int


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """Make a model from another (``source``) or from uploaded files (path -> digest). None means "not said".

    ``quantize`` is the level its weights are to have, ``draft_quantize`` that of the draft model in ``draft_files``.
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
    draft_files: Mapping[str, str] | None = None
    draft_quantize: str = ""
    modelfile: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """Fetch a model by its name, or a file by its URL.

    ``insecure`` allows HTTP, and HTTPS without a trusted certificate. ``limit_rate`` is in bytes per second,
    0 for no limit.
    """

    model: str
    insecure: bool = False
    limit_rate: int = 0


@dataclass(frozen=True, slots=True)
class PushRequest:
    """Send a model to the registry its name says; the rest is as in ``PullRequest``."""

    model: str
    insecure: bool = False
    limit_rate: int = 0
