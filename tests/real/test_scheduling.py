"""Which processes hold which models, when one is loaded again and when it goes: the scheduler with a real engine."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real

SHORT = {"temperature": 0, "num_predict": 2}
AT_ONCE = 0.05 * 1e9
"""Nanoseconds of load_duration below which nothing was loaded."""


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Path:
    """SmolLM2 in another file, which is another model."""
    path = tmp_path_factory.mktemp("models") / "twin.gguf"
    path.write_bytes(smollm2.read_bytes().replace(b"smollm2", b"smollmT", 1))
    return path


@pytest.fixture(scope="module")
def scheduled(
    tmp_path_factory: pytest.TempPathFactory,
    smollm2: Path,
    twin: Path,
    start_server: Callable[..., AbstractContextManager[Any]],
) -> Iterator[Any]:
    """A server with two models, and a third that has the weights of the first and another template and system."""
    with start_server(tmp_path_factory.mktemp("store")) as running:
        running.create("first", smollm2)
        running.create("second", twin)
        derived = {"from": "first", "system": "Be brief.", "template": "{{ .System }} {{ .Prompt }}"}
        running.call("POST", "/api/create", {"model": "derived", "stream": False, **derived})
        yield running


@pytest.fixture
def server(scheduled: Any) -> Iterator[Any]:
    """The server, with nothing in memory before and after."""
    yield scheduled
    for name in ("first", "second"):
        scheduled.call("POST", "/api/generate", {"model": name, "keep_alive": 0})
    assert {"models": []} == scheduled.call("GET", "/api/ps")
    assert [] == scheduled.children()


def ask(server: Any, model: str, *, keep_alive: Any = None, **options: Any) -> Any:
    """One short answer."""
    body = {"model": model, "prompt": "Hi", "stream": False, "options": SHORT | options}
    return server.call("POST", "/api/generate", body | ({} if keep_alive is None else {"keep_alive": keep_alive}))


def running(server: Any) -> list[Any]:
    """What /api/ps lists."""
    return server.call("GET", "/api/ps")["models"]


def resident(pid: int) -> int:
    """The bytes of memory that a process holds."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def test_one_process_for_all_models_of_the_same_weights(server: Any) -> None:
    """A model made of another needs no load and no memory; ps shows the one process by the name last asked for."""
    ask(server, "first")
    before = server.children()
    assert AT_ONCE > ask(server, "derived")["load_duration"]
    assert before == server.children()
    assert ["derived:latest"] == [model["name"] for model in running(server)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such policy")
def test_a_model_that_computes_is_not_interrupted(server: Any) -> None:
    """The server waits for a core; the threads of its engines are scheduled as those of any program."""
    ask(server, "first")
    [engine] = server.children()
    assert os.SCHED_BATCH == os.sched_getscheduler(server.process.pid)
    threads = [int(thread.name) for thread in Path(f"/proc/{engine}/task").iterdir()]
    assert {os.SCHED_OTHER} == {os.sched_getscheduler(thread) for thread in threads}


def test_the_context_decides_when_a_model_is_loaded_again(server: Any) -> None:
    """A smaller context, and one that nobody chose, are served as it is; a larger one loads it once, for all."""
    assert AT_ONCE < ask(server, "first", num_ctx=1024)["load_duration"]
    small = server.children()
    assert AT_ONCE > ask(server, "first", num_ctx=512)["load_duration"]
    assert AT_ONCE > ask(server, "first")["load_duration"]
    assert (small, 1024) == (server.children(), running(server)[0]["context_length"])
    assert AT_ONCE < ask(server, "first", num_ctx=2048)["load_duration"]
    large = server.children()
    assert small != large
    assert AT_ONCE > ask(server, "first", num_ctx=1024)["load_duration"]
    assert (large, 2048) == (server.children(), running(server)[0]["context_length"])


def test_shift_loads_nothing_again(server: Any) -> None:
    """Whether an answer may go on beyond the context is a request's own matter."""
    ask(server, "first")
    before = server.children()
    body = {"model": "first", "prompt": "Hi", "stream": False, "shift": False, "options": SHORT}
    assert AT_ONCE > server.call("POST", "/api/generate", body)["load_duration"]
    assert before == server.children()


def test_ps_tells_what_is_so(server: Any) -> None:
    """The size is the memory of the process, weights included, and the context the one that is loaded."""
    ask(server, "first", keep_alive="1h", num_ctx=1024)
    [model], [pid] = running(server), server.children()
    assert abs(resident(pid) - model["size"]) < 2**20
    assert (1024, 0) == (model["context_length"], model["size_vram"])


def test_keep_alive_0_unloads_at_once(server: Any) -> None:
    """The memory is back when the answer is there, or soon after."""
    ask(server, "first", keep_alive=0)
    server.call("POST", "/api/generate", {"model": "first", "keep_alive": 0})  # returns once it is gone
    assert ([], []) == (running(server), server.children())


def test_two_models_load_side_by_side(server: Any) -> None:
    """Two that are asked for at once are both in memory afterwards, each in a process of its own."""
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda name: ask(server, name), ("first", "second")))
    assert all(answer["load_duration"] > AT_ONCE for answer in answers)
    assert {"first:latest", "second:latest"} == {model["name"] for model in running(server)}
    assert 2 == len(server.children())


def test_a_limit_of_one_model(
    tmp_path: Path, smollm2: Path, twin: Path, start_server: Callable[..., AbstractContextManager[Any]]
) -> None:
    """With OLLAMA_MAX_LOADED_MODELS=1 the idle model makes room for the next, and one that is used for its own turn."""
    with start_server(tmp_path / "store", OLLAMA_MAX_LOADED_MODELS="1") as limited:
        limited.create("first", smollm2)
        limited.create("second", twin)
        names = ("first", "second", "first")
        assert all(ask(limited, name)["load_duration"] > AT_ONCE for name in names)
        assert 1 == len(limited.children())
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda number: ask(limited, names[number % 2]), range(4)))
        assert all(answer["done"] for answer in answers)
        assert 1 == len(limited.children())


def test_a_model_that_cannot_fit_is_refused_with_figures(
    tmp_path: Path, smollm2: Path, start_server: Callable[..., AbstractContextManager[Any]]
) -> None:
    """Nothing is loaded, and the answer says what is needed, what there is, and what to change."""
    with start_server(tmp_path / "store", OLLAMA_NUM_PARALLEL="10000000") as crowded:
        crowded.create("first", smollm2)
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(crowded, "first")
        error = json.loads(caught.value.read())["error"]
        assert 503 == caught.value.code
        assert "B of memory" in error
        assert "smaller OLLAMA_NUM_PARALLEL" in error
        assert [] == crowded.children()
