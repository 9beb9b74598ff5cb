"""Embeddings of one request: the order, the length, what is cut, and what the engine is asked."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from math import hypot, inf, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from puna.engine import Embedded, LoadSpec
from puna.errors import ContextTooLong, GenerationFailed, InvalidOption, NotFinite
from puna.gguf import Gguf
from puna.options import Options
from puna.scheduler.pool import Lease
from puna.service.embedding import EmbedService
from puna.types import Embeddings, EmbedRequest, Usage

FIRST, LAST = 1, 2
BERT = {"general.architecture": "bert", "bert.pooling_type": 1}


class WordModel:
    """A model whose tokens are the lengths of words, framed by two more; its vectors tell the first and the number."""

    def __init__(self, spec: LoadSpec, frame: Sequence[int], vector: Sequence[float]) -> None:
        self.spec = spec
        self.calls: list[list[str | list[int]]] = []
        self.tokenized: list[str] = []
        self.fault: Exception | None = None
        self._frame = frame
        self._vector = vector

    async def tokenize(self, text: str, *, framed: bool = False) -> list[int]:
        assert framed
        self.tokenized.append(text)
        return [*self._frame[:1], *(10 + len(word) for word in text.split()), *self._frame[1:]]

    async def embed(self, inputs: Sequence[str | list[int]]) -> Embedded:
        if self.fault is not None:
            raise self.fault
        self.calls.append(list(inputs))
        found = [[one] if isinstance(one, str) else one for one in inputs]
        vectors = [array("f", self._vector or [1, 1 + len(str(one[0]))]) for one in found]
        return Embedded(tuple(vectors), sum(map(len, found)))


class OneModel:
    """A leasing that knows one model, loaded with ``spec``."""

    def __init__(
        self,
        *,
        num_ctx: int = 512,
        batch: int = 512,
        metadata: Mapping[str, Any] = BERT,
        frame: Sequence[int] = (FIRST, LAST),
        vector: Sequence[float] = (),
    ) -> None:
        self.spec = LoadSpec(Path("m.gguf"), num_ctx, parallel=4, threads=1, batch=batch, pooling="own")
        self.loaded = WordModel(self.spec, frame, vector)
        self.planned: list[tuple[Options, bool]] = []
        self.leased: list[float | None] = []
        self.held = 0
        gguf = Gguf(Path("m.gguf"), metadata, (), parameter_count=0, tensor_bytes=0)
        self._model = SimpleNamespace(parameters={"num_ctx": 256}, gguf=gguf)
        self._now = 0.0

    def clock(self) -> float:
        self._now += 0.5
        return self._now

    async def opened(self, name: str) -> Any:
        return self._model

    def plan(self, model: Any, options: Options, *, embedding: bool = False) -> LoadSpec:
        self.planned.append((options, embedding))
        return self.spec

    @asynccontextmanager
    async def lease(self, model: Any, spec: LoadSpec, options: Options, keep_alive: float | None) -> AsyncIterator[Any]:
        self.leased.append(keep_alive)
        self.held += 1
        try:
            yield Lease(self.loaded, self.spec.num_ctx, 0.25)
        finally:
            self.held -= 1


def embed(leasing: OneModel, *inputs: str, **fields: Any) -> Embeddings:
    service = EmbedService(leasing)
    try:
        return asyncio.run(service.embed(EmbedRequest("m", inputs, **fields)))
    finally:
        assert leasing.held == 0


def test_a_batch_is_one_call_of_the_engine() -> None:
    """Whatever is short goes as the text it is, without a question to the tokenizer."""
    leasing = OneModel()
    found = embed(leasing, "a", "bbb", "cc")
    assert [["a", "bbb", "cc"]] == leasing.loaded.calls
    assert [] == leasing.loaded.tokenized
    assert (3, 0.25, 0.5) == (found.usage.prompt_tokens, found.timings.load, found.timings.total)
    assert [round(vector[1] / vector[0]) for vector in found.vectors] == [2, 4, 3]


def test_every_vector_has_the_length_one() -> None:
    """So a client's dot product is the cosine."""
    [vector] = embed(OneModel(vector=[3, 0, -4]), "a").vectors
    assert array("f", [0.6, 0, -0.8]) == vector


@pytest.mark.parametrize(
    ("dimensions", "expected"),
    [(1, [1]), (2, [0.6, 0.8]), (3, [0.3, 0.4, 0.75**0.5]), (9, None), (0, None), (-1, None)],
)
def test_a_vector_that_is_cut_has_the_length_one_again(dimensions: int, expected: list[float] | None) -> None:
    """One that is short enough stays."""
    whole = [0.3, 0.4, 0.75**0.5]
    [vector] = embed(OneModel(vector=whole), "a", dimensions=dimensions).vectors
    assert pytest.approx(expected or whole) == list(vector)
    assert pytest.approx(1) == hypot(*vector)


def test_a_vector_of_zeros_stays_one() -> None:
    """It has no direction to keep."""
    assert array("f", [0, 0]) == embed(OneModel(vector=[0, 0]), "a").vectors[0]


@pytest.mark.parametrize("bad", [nan, inf, -inf])
@pytest.mark.parametrize("normalize", [True, False])
def test_what_is_no_number_is_an_error(bad: float, normalize: bool) -> None:
    """JSON could not say it, and nothing could be compared with it."""
    with pytest.raises(NotFinite):
        embed(OneModel(vector=[1, bad], metadata={"general.architecture": "nomic-bert"}), "a", normalize=normalize)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"general.architecture": "llama"}, 1),
        (BERT, 1),
        (BERT | {"bert.normalize_embeddings": False}, 5),
        ({"general.architecture": "nomic-bert"}, 5),
        ({"general.architecture": "nomic-bert", "nomic-bert.normalize_embeddings": True}, 1),
    ],
)
def test_the_older_route_keeps_the_length_the_makers_meant(metadata: dict[str, Any], expected: float) -> None:
    """And the newer does not."""
    older, newer = (
        embed(OneModel(vector=[3, 4], metadata=metadata), "a", normalize=normalize).vectors[0]
        for normalize in (False, True)
    )
    assert pytest.approx(expected) == hypot(*older)
    assert pytest.approx(1) == hypot(*newer)


def test_a_long_text_is_cut_between_its_frame() -> None:
    """As many tokens as the context holds, the last of them the one that ends every text."""
    leasing = OneModel(num_ctx=8)
    found = embed(leasing, "a bb ccc dddd eeeee ffffff ggggggg", "a", "a bb ccc dddd")
    assert [[[FIRST, 11, 12, 13, 14, 15, 16, LAST], "a", [FIRST, 11, 12, 13, 14, LAST]]] == leasing.loaded.calls
    assert 8 + 1 + 6 == found.usage.prompt_tokens


@pytest.mark.parametrize(
    ("frame", "expected"), [((), [11, 12, 13]), ((FIRST,), [FIRST, 11, 12]), ((FIRST, LAST), [FIRST, 11, LAST])]
)
def test_every_tokenizers_frame_is_kept(frame: tuple[int, ...], expected: list[int]) -> None:
    """Of none, one or two tokens."""
    leasing = OneModel(num_ctx=3, frame=frame)
    embed(leasing, "a bb ccc dddd")
    assert [[expected]] == leasing.loaded.calls


def test_a_long_text_that_may_not_be_cut_is_refused_with_both_numbers() -> None:
    """And nothing is computed."""
    leasing = OneModel(num_ctx=4)
    with pytest.raises(ContextTooLong) as refused:
        embed(leasing, "a", "a bb ccc", truncate=False)
    assert (5, 4) == (refused.value.prompt_tokens, refused.value.limit)
    assert [] == leasing.loaded.calls


@pytest.mark.parametrize(
    ("pooling", "batch", "room"),
    [
        ({"bert.pooling_type": 1}, 512, 8),
        ({"bert.pooling_type": 1}, 6, 6),
        ({"bert.pooling_type": 3}, 6, 7),
        ({}, 6, 7),
    ],
)
def test_a_text_may_fill_what_the_model_can_read(pooling: dict[str, int], batch: int, room: int) -> None:
    """A model that reads all at once is held to its batch; one that goes on token by token wants room for the next."""
    leasing = OneModel(num_ctx=8, batch=batch, metadata={"general.architecture": "bert", **pooling})
    assert room == embed(leasing, "word " * 20).usage.prompt_tokens


@pytest.mark.parametrize(("ids", "expected"), [({"bos": 5, "eos": 6}, 5), ({"eos": 6}, 6), ({}, 0)])
def test_an_empty_text_has_a_vector_too(ids: dict[str, int], expected: int) -> None:
    """Also with a tokenizer that makes nothing of nothing, which the engine refuses."""
    metadata = BERT | {f"tokenizer.ggml.{kind}_token_id": token for kind, token in ids.items()}
    leasing = OneModel(metadata=metadata, frame=())
    assert 2 == len(embed(leasing, "", "a").vectors)
    assert [[[expected], "a"]] == leasing.loaded.calls


def test_a_large_batch_is_several_calls_in_order() -> None:
    """No other request waits for all of it."""
    leasing = OneModel(num_ctx=8192, batch=8192)
    texts = [str(number) for number in range(300)] + ["x" * 7000] * 20
    found = embed(leasing, *texts)
    assert texts == [text for call in leasing.loaded.calls for text in call]
    assert len(found.vectors) == len(texts) == found.usage.prompt_tokens
    assert max(len(call) for call in leasing.loaded.calls) == 128
    assert max(sum(map(len, call)) for call in leasing.loaded.calls) <= 65536


@pytest.mark.parametrize("metadata", [{"general.architecture": "llama"}, BERT | {"bert.pooling_type": 3}])
def test_a_model_that_reads_token_by_token_gets_one_text_at_a_time(metadata: dict[str, Any]) -> None:
    """So that a text has the same vector whatever is asked beside it."""
    leasing = OneModel(metadata=metadata)
    assert 3 == len(embed(leasing, "a", "b", "c").vectors)
    assert [["a"], ["b"], ["c"]] == leasing.loaded.calls


def test_a_text_larger_than_a_call_is_a_call() -> None:
    """It is not lost."""
    leasing = OneModel(num_ctx=100_000, batch=100_000)
    embed(leasing, "a", "x" * 70_000, "b")
    assert [["a"], ["x" * 70_000], ["b"]] == leasing.loaded.calls


def test_without_inputs_the_model_is_only_loaded() -> None:
    """And stays as long as it is told to."""
    leasing = OneModel()
    assert Embeddings() == embed(leasing, keep_alive=60)
    assert ([60], []) == (leasing.leased, leasing.loaded.calls)


def test_the_requests_options_go_before_the_models() -> None:
    """And the model is loaded so that it makes embeddings."""
    leasing = OneModel()
    embed(leasing, "a", options={"num_thread": 2})
    embed(leasing, "a", options={"num_ctx": 64})
    first, second = leasing.planned
    assert ((256, 2), True) == ((first[0].num_ctx, first[0].num_thread), first[1])
    assert 64 == second[0].num_ctx
    with pytest.raises(InvalidOption):
        embed(leasing, "a", options={"num_ctx": "x"})


def test_an_error_of_the_engine_gives_the_lease_back() -> None:
    """It is the caller's to hear of."""
    leasing = OneModel()
    leasing.loaded.fault = GenerationFailed("no")
    with pytest.raises(GenerationFailed):
        embed(leasing, "a")
    assert Usage(0) == embed(leasing).usage
