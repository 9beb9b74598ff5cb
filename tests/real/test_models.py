"""Several real models in memory, several requests at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real

ASK = {"prompt": "Count to ten in words.", "stream": False, "options": {"temperature": 0, "num_predict": 24}}


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Path:
    """SmolLM2 under another name in its own metadata: another file, and so another process."""
    path = tmp_path_factory.mktemp("models") / "other.gguf"
    path.write_bytes(smollm2.read_bytes().replace(b"smollm2", b"smollmX", 1))
    return path


@pytest.fixture(scope="module")
def two_models(
    tmp_path_factory: pytest.TempPathFactory, start_server: Any, smollm2: Path, other_model: Path
) -> Iterator[Any]:
    """A server with room for two models in memory, and three in its store."""
    with start_server(tmp_path_factory.mktemp("store"), OLLAMA_MAX_LOADED_MODELS="2") as running:
        running.create("one", smollm2)
        running.create("two", other_model)
        running.call(
            "POST", "/api/create", {"model": "one-again", "from": "one", "system": "Be brief.", "stream": False}
        )
        yield running


def ask(server: Any, model: str, **fields: Any) -> Any:
    """One whole answer of /api/generate."""
    return server.call("POST", "/api/generate", {"model": model, **ASK, **fields})


def test_two_models_answer_at_once_as_they_do_alone(two_models: Any) -> None:
    """Both are in memory, each in a process of its own, and sharing the machine changes no answer."""
    alone = {name: ask(two_models, name)["response"] for name in ("one", "two")}
    with ThreadPoolExecutor(2) as threads:
        together = dict(zip(alone, threads.map(lambda name: ask(two_models, name)["response"], alone), strict=True))
    assert together == alone
    running = {model["name"] for model in two_models.call("GET", "/api/ps")["models"]}
    assert running == {"one:latest", "two:latest"}
    assert len(two_models.children()) == 2


def test_many_requests_on_one_model_are_all_answered(two_models: Any) -> None:
    """More requests than slots wait their turn and get whole answers."""
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda number: ask(two_models, "one", prompt=f"Say {number}."), range(12)))
    assert all(answer["done"] and answer["eval_count"] for answer in answers)


def test_models_with_the_same_weights_share_one_process(two_models: Any) -> None:
    """A model made of another adds no second copy of the weights."""
    ask(two_models, "one")
    before = two_models.children()
    assert ask(two_models, "one-again")["response"]
    assert two_models.children() == before


def test_keep_alive_and_unload_free_the_memory(two_models: Any) -> None:
    """keep_alive 0 unloads after the answer; an empty request with keep_alive 0 unloads at once."""
    ask(two_models, "two", keep_alive=0)
    ask(two_models, "one", keep_alive="1h")
    unloaded = two_models.call("POST", "/api/generate", {"model": "one", "keep_alive": 0})
    assert ("unload", True) == (unloaded["done_reason"], unloaded["done"])
    assert two_models.call("GET", "/api/ps") == {"models": []}
    assert two_models.children() == []


def test_the_same_seed_gives_the_same_answer(two_models: Any) -> None:
    """Reproducible output: alone, a seed decides; another seed gives another answer."""
    options = {"temperature": 1.2, "num_predict": 24}
    first, again, other = (ask(two_models, "one", options=options | {"seed": seed})["response"] for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_a_conversation_too_long_drops_whole_oldest_turns_and_says_so(two_models: Any) -> None:
    """The newest turns stay, the reply says that something was left out, and truncate false refuses with numbers."""
    turns = [
        {"role": role, "content": f"{number} " + "word " * 60} for number in range(10) for role in ("user", "assistant")
    ]
    messages = [*turns, {"role": "user", "content": "Say hello."}]
    body = {"model": "one", "messages": messages, "stream": False, "options": {"num_ctx": 512, "num_predict": 4}}
    reply = two_models.call("POST", "/api/chat", body)
    assert reply["prompt_truncated"] is True
    assert 256 < reply["prompt_eval_count"] < 512
    with pytest.raises(Exception, match="400"):
        two_models.call("POST", "/api/chat", body | {"truncate": False})
    short = two_models.call("POST", "/api/chat", body | {"messages": messages[-1:]})
    assert "prompt_truncated" not in short
