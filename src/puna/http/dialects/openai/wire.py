"""The objects of OpenAI's API for chat, completions, embeddings and models, as they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

FINGERPRINT = "fp_ollama"


class PromptDetails(msgspec.Struct):
    """Of a prompt's tokens, those that had been processed before."""

    cached_tokens: int


class CompletionDetails(msgspec.Struct):
    """Of an answer's tokens, those of the reasoning."""

    reasoning_tokens: int


class Usage(msgspec.Struct, omit_defaults=True):
    """The tokens a reply took. ``prompt_truncated`` says that whole oldest turns were left out."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails | UnsetType = UNSET
    completion_tokens_details: CompletionDetails | UnsetType = UNSET
    prompt_truncated: bool = False


class Alternative(msgspec.Struct):
    """A token that might have been."""

    token: str
    logprob: float
    bytes: Sequence[int]


class Logprob(msgspec.Struct):
    """A token of an answer."""

    token: str
    logprob: float
    bytes: Sequence[int]
    top_logprobs: Sequence[Alternative]


class Logprobs(msgspec.Struct):
    """The tokens of an answer, or of a piece of it."""

    content: Sequence[Logprob]


class Function(msgspec.Struct):
    """What is called; the arguments are JSON in a string."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, kw_only=True):
    """A call of a tool."""

    id: str
    index: int
    type: str = "function"
    function: Function


class Message(msgspec.Struct):
    """A message, or what a chunk adds to one."""

    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: Sequence[ToolCall] | UnsetType = UNSET


class Choice(msgspec.Struct):
    """One of the answers to a chat."""

    index: int
    message: Message
    finish_reason: str | None
    logprobs: Logprobs | UnsetType = UNSET


class ChunkChoice(msgspec.Struct):
    """What a chunk adds to one of the answers."""

    index: int
    delta: Message
    finish_reason: str | None
    logprobs: Logprobs | UnsetType = UNSET


class DebugInfo(msgspec.Struct, omit_defaults=True):
    """The prompt a request comes to."""

    rendered_template: str
    image_count: int = 0


class Chat(msgspec.Struct, kw_only=True):
    """The reply of ``/v1/chat/completions``; ``created`` in seconds since the epoch."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str = FINGERPRINT
    choices: Sequence[Choice]
    usage: Usage | UnsetType = UNSET
    debug_info: DebugInfo | UnsetType = msgspec.field(default=UNSET, name="_debug_info")


class Chunk(msgspec.Struct, kw_only=True):
    """An event of a streamed reply of ``/v1/chat/completions``."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    system_fingerprint: str = FINGERPRINT
    choices: Sequence[ChunkChoice]
    usage: Usage | UnsetType = UNSET


class ErrorDetail(msgspec.Struct):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(msgspec.Struct):
    """What went wrong; only a text where it is that only ollama.com could do it."""

    error: ErrorDetail | str


class TextLogprobs(msgspec.Struct):
    """The tokens of a text: their probabilities, the likeliest others, and where in the text they begin."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[Mapping[str, float]]
    text_offset: list[int]


class TextChoice(msgspec.Struct):
    """One of the texts, or what a chunk adds to it."""

    text: str
    index: int
    finish_reason: str | None
    logprobs: TextLogprobs | UnsetType = UNSET


class Completion(msgspec.Struct, kw_only=True):
    """The reply of ``/v1/completions``, and an event of its stream."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str = FINGERPRINT
    choices: Sequence[TextChoice]
    usage: Usage | UnsetType = UNSET


class Embedding(msgspec.Struct, kw_only=True):
    """A vector: a list of numbers, or base64 of 32-bit floats, the lowest byte first."""

    object: Literal["embedding"] = "embedding"
    embedding: Annotated[
        Any,
        msgspec.Meta(extra_json_schema={"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string"}]}),
    ]
    index: int


class EmbeddingUsage(msgspec.Struct):
    """The tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(msgspec.Struct, kw_only=True):
    """The reply of ``/v1/embeddings``."""

    object: Literal["list"] = "list"
    data: Sequence[Embedding]
    model: str
    usage: EmbeddingUsage


class Model(msgspec.Struct, kw_only=True):
    """A model; ``created`` in seconds since the epoch."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class Models(msgspec.Struct, kw_only=True):
    """The reply of ``/v1/models``."""

    object: Literal["list"] = "list"
    data: Sequence[Model] | None


class Transcription(msgspec.Struct):
    """The reply of ``/v1/audio/transcriptions``."""

    text: str
