from typing import Any

import pytest

DOCUMENTS = ["short", "a longer one", "middle"]


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_documents_are_ranked(site: Any, path: str) -> None:
    """The best first, with scores and counts where Jina's clients look for them, and where Cohere's do."""
    reply = site.send("POST", path, {"model": "smol", "query": "q", "documents": DOCUMENTS})
    assert 200 == reply.status
    assert [
        {"index": 1, "relevance_score": 0.12},
        {"index": 2, "relevance_score": 0.06},
        {"index": 0, "relevance_score": 0.05},
    ] == reply.json["results"]
    assert {"prompt_tokens": 7, "total_tokens": 7} == reply.json["usage"]
    assert {"tokens": {"input_tokens": 7}} == reply.json["meta"]
    assert ("smol", reply.headers["x-request-id"]) == (reply.json["model"], reply.json["id"])


def test_the_best_can_be_had_with_their_texts(site: Any) -> None:
    """As many as are wanted."""
    body = {"model": "smol", "query": "q", "documents": DOCUMENTS, "top_n": 1, "return_documents": True}
    reply = site.send("POST", "/v1/rerank", body)
    assert [{"index": 1, "relevance_score": 0.12, "document": {"text": "a longer one"}}] == reply.json["results"]


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"documents": ["a"]}, "a"),
        ({"texts": ["a"]}, "a"),
        ({"documents": [{"text": "a"}]}, "a"),
        ({"documents": [{"title": "t", "body": "b", "year": 3}]}, "title: t\nbody: b"),
        ({"documents": [{"title": "t", "text": "b"}], "rank_fields": ["text", "title"]}, "text: b\ntitle: t"),
    ],
)
def test_a_document_may_be_an_object(site: Any, fields: dict[str, Any], read: str) -> None:
    """In each form that clients send."""
    site.send("POST", "/v1/rerank", {"model": "smol", "query": {"text": "q"}, **fields})
    (asked,) = site.reranking.asked
    assert ("q", (read,)) == (asked.query, asked.documents)


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"model": ""}, 400, "model is required"),
        ({"model": "nope"}, 404, "model 'nope' not found"),
        ({"query": ""}, 400, "query is required"),
        ({"query": 3}, 400, "a document and a query must be a string, or an object with a text"),
        ({"documents": []}, 400, "documents is required: a list of texts"),
        ({"documents": [{"year": 3}]}, 400, "a document that is an object must have a text"),
        ({"top_n": 0}, 400, "top_n must be at least 1"),
    ],
)
def test_what_is_wrong_is_said(site: Any, fields: dict[str, Any], status: int, text: str) -> None:
    """With what would be right."""
    reply = site.send("POST", "/v1/rerank", {"model": "smol", "query": "q", "documents": ["a"], **fields})
    assert (status, {"error": text}) == (reply.status, reply.json)
