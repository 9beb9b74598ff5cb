"""Reranking with real models: one made for it, compared with a computation in numpy, and one that writes."""

from __future__ import annotations

import math
import urllib.error
from typing import Any

import pytest

from support import cross_encoder

pytestmark = pytest.mark.real

QUERY = "what is a panda?"
DOCUMENTS = ["hi", "it is a bear", "The giant panda is a bear species endemic to China.", "Paris, c'est où ?"]


@pytest.fixture(scope="module")
def ranker(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The server with the real models, which has a cross-encoder as `ranker`."""
    path = cross_encoder.write_gguf(tmp_path_factory.mktemp("ranker") / "ranker.gguf")
    server.create("ranker", path)
    yield server
    server.call("DELETE", "/api/delete", {"model": "ranker"})


def test_scores_are_the_models(ranker: Any) -> None:
    """To a thousandth, in their order, the best first; from 0 to 1, or raw where that is asked for."""
    expected = [cross_encoder.score(QUERY, document) for document in DOCUMENTS]
    asked = {"model": "ranker", "query": QUERY, "documents": DOCUMENTS}
    raw = ranker.call("POST", "/v1/rerank", {**asked, "raw_scores": True})
    bounded = ranker.call("POST", "/rerank", asked)

    order = sorted(range(len(DOCUMENTS)), key=lambda index: -expected[index])
    assert order == [one["index"] for one in raw["results"]] == [one["index"] for one in bounded["results"]]
    for one, other in zip(raw["results"], bounded["results"], strict=True):
        assert abs(expected[one["index"]] - one["relevance_score"]) < 5e-3
        assert math.isclose(other["relevance_score"], 1 / (1 + math.exp(-one["relevance_score"])), abs_tol=1e-6)
    assert raw["usage"]["total_tokens"] > len(DOCUMENTS) * 5


def test_many_documents_are_ranked_together(ranker: Any) -> None:
    """More than the engine takes in one call; each has the score it has alone."""
    documents = [f"{DOCUMENTS[number % 4]} {number}" for number in range(40)]
    found = ranker.call("POST", "/v1/rerank", {"model": "ranker", "query": QUERY, "documents": documents})["results"]
    alone = ranker.call("POST", "/v1/rerank", {"model": "ranker", "query": QUERY, "documents": documents[17:18]})

    assert list(range(40)) == sorted(one["index"] for one in found)
    (score,) = [one["relevance_score"] for one in found if one["index"] == 17]
    assert math.isclose(score, alone["results"][0]["relevance_score"], abs_tol=1e-4)


def test_a_document_that_is_too_long_is_refused(ranker: Any) -> None:
    """With both numbers: nothing is cut silently."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        ranker.call("POST", "/v1/rerank", {"model": "ranker", "query": QUERY, "documents": ["bear " * 2000]})
    with raised.value as error:
        assert 400 == error.code
        assert "512" in error.read().decode()


def test_a_model_that_writes_judges(server: Any) -> None:
    """By how likely it says yes or no; every document has a score from 0 to 1."""
    found = server.call("POST", "/v1/rerank", {"model": "smollm2", "query": QUERY, "documents": DOCUMENTS})

    scores = [one["relevance_score"] for one in found["results"]]
    assert sorted(scores, reverse=True) == scores
    assert all(0 <= score <= 1 for score in scores)
    assert any(scores)
