"""Conversations, what is asked of them, and what answers are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

ThinkLevel = Literal["low", "medium", "high", "max"]
Think = bool | ThinkLevel | None
"""What the caller said of thinking: on, off, a level, or nothing."""

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

    ``names`` are the only tools that may be called, () all of them; ``parallel`` allows several calls in one answer.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] = ()
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
    """Tokens of one answer; ``prompt_tokens`` counts cached ones too, of which there are ``cached_tokens``.

    ``reasoning_tokens`` of the ``completion_tokens`` are the model's reasoning.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds one answer took, and where they went."""

    total: float = 0.0
    load: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0


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


RequestKind = Literal["chat", "generate", "embed", "rerank", "tokenize", "detokenize", "apply-template", "count-tokens"]
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
