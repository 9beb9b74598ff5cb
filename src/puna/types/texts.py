"""What is asked of texts besides an answer: their tokens, their vectors, their order for a query."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from puna.types.answers import Timings, Usage


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
