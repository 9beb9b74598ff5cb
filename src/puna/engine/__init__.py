"""The contract between puna and whatever computes: ``Engine.load(spec) -> Loaded``.

Above this package nothing knows llama.cpp. An engine is one module here; ``tests/contracts`` holds the suite that each
must pass, the scripted stand-in included.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from puna.events import Piece, PromptProgress
from puna.options import Options
from puna.types import Conversation, Format, Prompt, Usage

Pooling = Literal["own", "mean", "last", "rank"]
"""How the vectors of a text's tokens become one: as the model's file says, their mean, or the last token's.

``rank`` is for a model that makes no vectors but tells how well a text answers a query.
"""


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """How a model is to be held in memory: everything that cannot change without loading it again.

    ``num_ctx`` is the context of one request in tokens, ``parallel`` how many requests may run at once, ``threads`` the
    CPU threads of a computation, ``batch`` the prompt tokens processed between two looks at the outside world.
    ``pooling`` says that the model is also to make embeddings, and how. ``prompt_cache`` is the most bytes of earlier
    prompts that are kept beside the contexts, so that they need not be read again. ``name`` is what the model is called
    in logs and errors; it makes no difference.
    """

    model: Path
    num_ctx: int
    parallel: int
    threads: int
    batch: int = 512
    adapters: tuple[Path, ...] = ()
    projector: Path | None = None
    gpu_layers: int = -1
    main_gpu: int | None = None
    mmap: bool | None = None
    flash_attention: bool | None = None
    kv_cache_type: str = ""
    pooling: Pooling | None = None
    prompt_cache: int = 0
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the answer is drawn: the run-scope ``options``, what the text must be, and the log-probabilities wanted.

    ``max_tokens`` is the final limit (the caller of the engine has applied its bounds), ``num_ctx`` the tokens a prompt
    may have; ``top_logprobs`` None means no log-probabilities, 0 the chosen token's only; ``logit_bias`` is what is
    added to the logits of tokens, by their numbers.
    """

    options: Options
    max_tokens: int
    num_ctx: int
    format: Format = None
    top_logprobs: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end of an answer: why, the tokens, and the seconds prompt and answer took.

    ``stop_sequence`` is the one that ended it, where one did and the engine tells.
    """

    reason: Literal["stop", "length"]
    usage: Usage
    prompt_seconds: float
    completion_seconds: float
    stop_sequence: str = ""


Generated = Piece | PromptProgress | Stopped


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors of several inputs in their order, as the model made them, and the tokens all inputs had."""

    vectors: tuple[array[float], ...]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """How well each of several documents answers a query, as the model says it, and the tokens they all had."""

    scores: tuple[float, ...]
    prompt_tokens: int


class Loaded(Protocol):
    """A model in memory. Calls may overlap; closing a generation's iterator cancels it and frees its place."""

    @property
    def spec(self) -> LoadSpec:
        """What it was loaded with."""
        ...

    @property
    def memory(self) -> int:
        """Bytes of memory it holds now; its files where the system does not tell."""
        ...

    @property
    def mapped(self) -> int:
        """How many of them are mapped files: the system gives such memory away when it is needed, and calls it free."""
        ...

    def generate(self, prompt: Prompt | Conversation, sampling: Sampling) -> AsyncGenerator[Generated, None]:
        """Answer ``prompt``; the last item is ``Stopped``.

        Raises:
            ContextTooLong: the prompt has more tokens than the context holds.
            GenerationFailed: the engine refused or failed this request.
            EngineGone: the engine died.
        """
        ...

    async def render(self, conversation: Conversation) -> str:
        """The prompt the model's own template makes of ``conversation``, with ``[img-N]`` for each image."""
        ...

    async def embed(self, inputs: Sequence[str | Sequence[int]]) -> Embedded:
        """The vectors of ``inputs``, each a text or all of its tokens and at least one. Cancelling the call stops it.

        Raises:
            ContextTooLong: an input has more tokens than the context holds.
            InvalidRequest, GenerationFailed: the engine refused or failed this request.
            EngineGone: the engine died.
        """
        ...

    async def rank(self, query: str, documents: Sequence[str]) -> Ranked:
        """How well each of ``documents`` answers ``query``; there is one at least. Cancelling the call stops it.

        Raises:
            InvalidRequest, GenerationFailed: the engine refused or failed this request.
            EngineGone: the engine died.
        """
        ...

    async def tokenize(self, text: str, *, framed: bool = False) -> list[int]:
        """The tokens of ``text``, special tokens recognised; ``framed`` adds those that a text begins and ends with."""
        ...

    async def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of ``tokens``."""
        ...

    async def wait_gone(self) -> str:
        """Return when the engine has died or was closed, with its last words ("" when closed)."""
        ...

    async def close(self) -> None:
        """Give the memory back. Running generations end with ``EngineGone``."""
        ...


class Engine(Protocol):
    """Loads models."""

    async def load(self, spec: LoadSpec) -> Loaded:
        """Load a model; cancelling the call stops the load and leaves nothing behind.

        Raises:
            InsufficientMemory: it ran out of memory.
            LoadFailed: it could not be loaded, or got no further for too long; the text says why.
        """
        ...

    async def close(self) -> None:
        """Close everything that was loaded."""
        ...
