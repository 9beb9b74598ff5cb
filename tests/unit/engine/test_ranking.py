import json

import pytest

from puna.engine import Ranked, ranking
from puna.errors import GenerationFailed


def test_scores_come_in_the_order_of_the_documents() -> None:
    """The engine gives the best first."""
    path, body = ranking.request("q", ("a", "b"))
    assert ("/v1/rerank", {"query": "q", "documents": ["a", "b"]}) == (path, json.loads(body))
    results = [{"index": 1, "relevance_score": 0.5}, {"index": 0, "relevance_score": -2.0}]
    reply = json.dumps({"results": results, "usage": {"prompt_tokens": 7}}).encode()
    assert Ranked((-2.0, 0.5), 7) == ranking.decode(reply, 2)


@pytest.mark.parametrize("reply", [b"{", b"{}", b'{"results": [{"index": 0, "relevance_score": 1}]}', b"\xff"])
def test_a_reply_that_lacks_a_score_is_a_failure(reply: bytes) -> None:
    """No document goes without."""
    with pytest.raises(GenerationFailed):
        ranking.decode(reply, 2)
