"""``bench``: what is asked of the server, and what is told."""

import json
import signal
import threading

import pytest

from puna.cli import bench
from puna.types import GenerateRequest

DONE = {
    "response": "",
    "done": True,
    "done_reason": "length",
    "prompt_eval_count": 512,
    "prompt_eval_duration": 2 * 10**9,
    "eval_count": 128,
    "eval_duration": 4 * 10**9,
}


@pytest.fixture
def served(api):
    api.on("GET", "/api/ps", {"models": []})
    api.streams("/api/generate", {"response": "a"}, DONE)
    return api


def test_a_table(served, puna):
    """Each round reads a prompt of its own; the medians are a table, and what is done is told meanwhile."""
    result = puna("bench", "smol", "--rounds", "2", "--parallel", "3")
    rows = [line.split() for line in result.out.splitlines()]
    assert 0 == result.code
    assert ["prompt", "512", "256.0"] in rows
    assert ["answer", "128", "32.0"] in [row[:3] for row in rows]
    assert ["3", "at", "once", "128"] in [row[:4] for row in rows]
    assert "reading 512 tokens and writing 128, 2 of 2" in result.err
    prompts = [body["prompt"] for body in served.bodies("/api/generate") if "prompt" in body]
    assert 5 == len(prompts) == len(set(prompts))


def test_json(served, puna):
    """Programs get every round."""
    report = json.loads(puna("bench", "smol", "--rounds", "2", "--parallel", "1", "--json").out)
    assert [256.0, 256.0] == [each["prompt_tokens_per_second"] for each in report["rounds"]]
    assert (None, "smol") == (report["parallel"], report["model"])
    assert report["load_seconds"] > 0


def test_an_interruption_waits_for_no_answer():
    """Not even where several are written at once."""
    begun, may_end, waited = threading.Barrier(2), threading.Event(), []

    class Slow:
        def generate(self, _request):
            if begun.wait(60) == 0:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            waited.append(may_end.wait(60))
            yield from ()

    with pytest.raises(KeyboardInterrupt):
        bench._together(Slow(), [GenerateRequest("m")] * 2)
    assert [] == waited
    may_end.set()


def test_a_model_that_is_not_there(api, puna):
    """The server's words about a model it lacks are the error."""
    api.on("GET", "/api/ps", {"models": []})
    api.on("POST", "/api/generate", {"error": "model 'nope' not found"}, status=404)
    result = puna("bench", "nope")
    assert (1, "") == (result.code, result.out)
    assert result.err.endswith("Error: 404 Not Found: model 'nope' not found\n")
