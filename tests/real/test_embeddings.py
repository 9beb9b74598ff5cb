"""Embeddings by real models: one that writes, and one made for embeddings, against its own arithmetic in numpy."""

from __future__ import annotations

import importlib.util
import json
import urllib.error
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from math import hypot
from operator import mul
from pathlib import Path
from typing import Any

import ollama
import pytest

pytestmark = pytest.mark.real

SUPPORT = Path(__file__).parent.parent / "support" / "minilm.py"

TEXTS = [
    "The cat sat on the mat.",
    "A feline rested on the rug.",
    "Stock prices fell sharply on Monday.",
    "Ça coûte très cher, n'est-ce pas, Zoë?",
    "東京は日本の首都です。",
    "Привет, мир! Как дела?",
    "naïve façade — “quotes” … €5, 50 % off 😀",
    "supercalifragilisticexpialidocious\tantidisestablishmentarianism\nx",
    "The quick brown fox jumps over the lazy dog. " * 25,
    " ".join(f"Sentence {number} of a text that no context of this model can hold." for number in range(60)),
    "a",
    "",
]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(mul, one, other)) / hypot(*one) / hypot(*other)


@pytest.fixture(scope="module")
def minilm() -> Any:
    found = importlib.util.spec_from_file_location("minilm", SUPPORT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, start_server: Any, smollm2: Path, minilm: Any) -> Iterator[Any]:
    """A server with a model that writes and one made for embeddings."""
    with start_server(tmp_path_factory.mktemp("store")) as running:
        running.create("smollm2", smollm2)
        running.create("minilm", minilm.write_gguf(tmp_path_factory.mktemp("model") / "minilm.gguf"))
        yield running


def embed(server: Any, model: str, texts: str | list[str], **fields: Any) -> Any:
    return server.call("POST", "/api/embed", {"model": model, "input": texts, **fields})


def refusal(server: Any, path: str, body: Any) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.call("POST", path, body)
    with refused.value as reply:
        return reply.code, json.loads(reply.read())["error"]


def test_the_vectors_are_those_of_the_model(running: Any, minilm: Any) -> None:
    """Computed in 16 bits by llama.cpp, and in 32 by the model's own arithmetic; in any script, of any length."""
    reference = minilm.Reference()
    reply = embed(running, "minilm", TEXTS)
    for text, vector in zip(TEXTS, reply["embeddings"], strict=True):
        assert cosine(vector, reference.embed(text)) > 0.999, text
    assert sum(len(reference.tokens(text)) for text in TEXTS) == reply["prompt_eval_count"]


def test_what_means_the_same_lies_close(running: Any) -> None:
    """Which is what embeddings are for."""
    cat, feline, stocks = embed(running, "minilm", TEXTS[:3])["embeddings"]
    assert cosine(cat, feline) > 0.5 > cosine(cat, stocks) + 0.3


@pytest.mark.parametrize("model", ["smollm2", "minilm"])
def test_a_text_has_the_same_vector_alone_and_in_a_batch(running: Any, model: str) -> None:
    """In the order they were asked for, each of the length one; so the older route has it, too."""
    texts = [*TEXTS[:8], "a", ""]
    together = embed(running, model, texts)["embeddings"]
    alone = [embed(running, model, [text])["embeddings"][0] for text in texts]
    old = [running.call("POST", "/api/embeddings", {"model": model, "prompt": text})["embedding"] for text in texts[:3]]
    assert len(together) == len(texts)
    for vector, other in [*zip(together, alone, strict=True), *zip(together, old, strict=False)]:
        assert cosine(vector, other) > 0.9999
        assert hypot(*vector) == pytest.approx(1, abs=1e-5)
    assert len({tuple(vector) for vector in together}) == len(texts)


def test_requests_side_by_side_have_their_own_vectors(running: Any) -> None:
    """Also while the model writes: one process does both. Sharing it only rounds differently."""
    texts = [f"{number} and {text}" for number in range(3) for text in TEXTS[:4]]
    alone = embed(running, "smollm2", texts)["embeddings"]
    write = {"model": "smollm2", "prompt": "Once", "stream": False, "options": {"num_predict": 16, "temperature": 0}}
    with ThreadPoolExecutor(8) as threads:
        answer = threads.submit(running.call, "POST", "/api/generate", write)
        replies = list(threads.map(lambda text: embed(running, "smollm2", text), texts))
    assert answer.result()["response"]
    assert all(cosine(vector, reply["embeddings"][0]) > 0.99 for vector, reply in zip(alone, replies, strict=True))
    loaded = [model["name"] for model in running.call("GET", "/api/ps")["models"]]
    assert loaded.count("smollm2:latest") == 1
    assert len(loaded) == len(running.children())


@pytest.mark.parametrize(("model", "room"), [("smollm2", 63), ("minilm", 64)])
def test_a_text_longer_than_the_context_is_cut_or_refused(running: Any, model: str, room: int) -> None:
    """Its beginning is what counts; refused, it is told how long it is and how long it may be."""
    options = {"num_ctx": 64}
    texts = ["short", "word " * 200, "word " * 300]
    reply = embed(running, model, texts, options=options)
    short = embed(running, model, texts[:1], options=options)["prompt_eval_count"]
    assert short + 2 * room == reply["prompt_eval_count"]
    assert cosine(*reply["embeddings"][1:]) > 0.9999
    status, error = refusal(
        running, "/api/embed", {"model": model, "input": texts, "options": options, "truncate": False}
    )
    assert status == 400
    assert error.startswith("the input length exceeds the context length")
    assert f" {room} " in error
    assert refusal(running, "/api/embeddings", {"model": model, "prompt": texts[1], "options": options})[0] == 500


def test_fewer_dimensions_are_the_first_ones(running: Any) -> None:
    """Of the length one again."""
    [whole], [cut] = (embed(running, "minilm", "a", dimensions=size)["embeddings"] for size in (0, 64))
    assert (384, 64) == (len(whole), len(cut))
    assert cosine(whole[:64], cut) == pytest.approx(1)
    assert hypot(*cut) == pytest.approx(1, abs=1e-5)


def test_a_model_made_for_embeddings_does_not_chat(running: Any) -> None:
    """And says so."""
    assert refusal(running, "/api/chat", {"model": "minilm", "messages": [{"role": "user", "content": "Hi"}]}) == (
        400,
        '"minilm" does not support chat',
    )
    assert running.call("POST", "/api/show", {"model": "minilm"})["capabilities"] == ["embedding"]


def test_ollamas_own_client_gets_them(running: Any) -> None:
    """Both ways it has of asking."""
    with closing(ollama.Client(running.url)) as client:
        reply = client.embed("minilm", ["a", "b"], truncate=True, dimensions=16)
        assert [16, 16] == [len(vector) for vector in reply.embeddings]
        assert reply.prompt_eval_count == 6
        assert reply.total_duration
        assert len(client.embeddings("minilm", "a").embedding) == 384
