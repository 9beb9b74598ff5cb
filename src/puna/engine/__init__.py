"""The contract between puna and whatever computes: ``Engine.load(spec) -> Loaded``.

Above this package nothing knows llama.cpp. An engine is one module here; ``tests/contracts`` holds the suite that each
must pass, the scripted stand-in included.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from puna.events import Piece, PromptProgress
from puna.options import Options
from puna.types import Conversation, Format, Prompt, Usage


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """How a model is to be held in memory: everything that cannot change without loading it again.

    ``num_ctx`` is the context of one request in tokens, ``parallel`` how many requests may run at once, ``threads`` the
    CPU threads of a computation, ``batch`` the prompt tokens processed between two looks at the outside world.
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


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the answer is drawn: the run-scope ``options``, what the text must be, and the log-probabilities wanted.

    ``max_tokens`` is the final limit (the caller of the engine has applied its bounds), ``num_ctx`` the tokens a prompt
    may have; ``top_logprobs`` None means no log-probabilities, 0 the chosen token's only.
    """

    options: Options
    max_tokens: int
    num_ctx: int
    format: Format = None
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end of an answer: why, the tokens, and the seconds prompt and answer took."""

    reason: Literal["stop", "length"]
    usage: Usage
    prompt_seconds: float
    completion_seconds: float


Generated = Piece | PromptProgress | Stopped


class Loaded(Protocol):
    """A model in memory. Calls may overlap; closing a generation's iterator cancels it and frees its place."""

    @property
    def spec(self) -> LoadSpec:
        """What it was loaded with."""
        ...

    @property
    def memory(self) -> int:
        """Bytes of memory it held when loading ended."""
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
        """The prompt the model's own template makes of ``conversation``."""
        ...

    async def tokenize(self, text: str) -> list[int]:
        """The tokens of ``text``, none added, special tokens recognised."""
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
            LoadFailed: it could not be loaded; the text says why.
        """
        ...

    async def close(self) -> None:
        """Close everything that was loaded."""
        ...
