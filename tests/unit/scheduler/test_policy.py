"""The scheduler's rules, told as stories: events with their times on the left, what is done about each on the right."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from puna.durations import FOREVER
from puna.engine import LoadSpec
from puna.errors import InsufficientMemory, LoadFailed, QueueFull, ShuttingDown
from puna.scheduler.messages import (
    Action,
    Closed,
    Died,
    Event,
    Grant,
    Key,
    Left,
    Load,
    Memory,
    Need,
    Reject,
    Request,
    Requested,
    Started,
    StartFailed,
    Stop,
    Stopped,
    Tick,
    Unload,
    WakeAt,
)
from puna.scheduler.policy import State
from puna.scheduler.runners import Runner

PLENTY = 1000
SPEC = LoadSpec(model=Path("smol"), num_ctx=4096, parallel=2, threads=4)

Step = tuple[float, Event, str]


def ask(
    number: int,
    model: str = "smol",
    *,
    keep_alive: float | None = None,
    need: int = 0,
    insists: tuple[str, ...] = ("num_ctx",),
    **spec: Any,
) -> Requested:
    wanted = dataclasses.replace(SPEC, model=Path(model), **spec)
    return Requested(Request(number, wanted, Need(need), keep_alive, frozenset(insists)))


def started(runner: int) -> Started:
    return Started(runner)


def unload(model: str = "smol") -> Unload:
    return Unload(Key(Path(model)))


def tell(actions: list[Action]) -> str:
    words = []
    for action in actions:
        match action:
            case Load(runner, spec):
                words.append(f"load {runner} {spec.model}")
            case Stop(runner):
                words.append(f"stop {runner}")
            case Grant(request, runner):
                words.append(f"{request} gets {runner}")
            case Reject(request, error):
                words.append(f"{request} {type(error).__name__}")
            case WakeAt(when):
                words.append(f"wake {when:g}")
    return ", ".join(words)


def make(**given: Any) -> State:
    return State(**{"max_loaded": 2, "max_queue": 10, "keep_alive": 300.0, "patience": 5.0, **given})


def handle(
    state: State, event: Event, now: float, free: int, held: Mapping[int, tuple[int, int]] = MappingProxyType({})
) -> list[Action]:
    whole, files = ({runner: sizes[at] for runner, sizes in held.items()} for at in (0, 1))
    return [*state.take(event, now), *state.decide(now, Memory(free, whole, files))]


def play(state: State, *steps: Step) -> None:
    for now, event, expected in steps:
        assert (event, expected) == (event, tell(handle(state, event, now, PLENTY)))


STORIES: dict[str, tuple[dict[str, Any], list[Step], str]] = {
    "a model is loaded when it is first asked for, and serves at once from then on": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (3, started(1), "1 gets 1"),
            (4, ask(2), "2 gets 1"),
        ],
        "<State smol: ready 2/2 leases | queue 0>",
    ),
    "requests beyond the slots wait, and are served in the order they came": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (0, ask(2), ""),
            (0, ask(3), ""),
            (0, ask(4), ""),
            (1, started(1), "1 gets 1, 2 gets 1"),
            (2, Left(2), "3 gets 1"),
            (3, Left(1), "4 gets 1"),
        ],
        "<State smol: ready 2/2 leases | queue 0>",
    ),
    "one model's long line does not delay another's free slot": (
        {},
        [
            (0, ask(1, parallel=1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (1, ask(2), ""),
            (1, ask(3), ""),
            (2, ask(4, "gemma"), "load 2 gemma"),
            (3, started(2), "4 gets 2"),
        ],
        "<State smol: ready 1/1 leases | gemma: ready 1/2 leases | queue 2>",
    ),
    "several models load side by side": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (0, ask(2, "gemma"), "load 2 gemma"),
            (1, started(2), "2 gets 2"),
        ],
        "<State smol: loading | gemma: ready 1/2 leases | queue 1>",
    ),
    "an idle model leaves when its keep-alive has run out since the last lease ended": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, ask(2), "2 gets 1"),
            (9, Left(1), ""),
            (10, Left(2), "wake 310"),
            (310, Tick(), "stop 1"),
            (311, Stopped(1), ""),
        ],
        "<State queue 0>",
    ),
    "a model that is asked for again before its keep-alive ends stays": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), "wake 302"),
            (3, ask(2), "2 gets 1, wake inf"),
            (302, Tick(), ""),
            (400, Left(2), "wake 700"),
        ],
        "<State smol: ready 0/2 leases, expires 700.0 | queue 0>",
    ),
    "an alarm that rings a moment early is set again": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), "wake 302"),
            (301.9, Tick(), "wake 302"),
        ],
        "<State smol: ready 0/2 leases, expires 302.0 | queue 0>",
    ),
    "keep_alive 0 stops the model as soon as the request ends": (
        {},
        [
            (0, ask(1, keep_alive=0.0), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), "stop 1"),
        ],
        "<State smol: stopping | queue 0>",
    ),
    "keep_alive 0 does not stop a model that others use or wait for": (
        {},
        [
            (0, ask(1, keep_alive=0.0, parallel=1), "load 1 smol"),
            (0, ask(2), ""),
            (1, started(1), "1 gets 1"),
            (2, Left(1), "2 gets 1"),
            (3, Left(2), "stop 1"),
        ],
        "<State smol: stopping | queue 0>",
    ),
    "a model kept forever never expires": (
        {},
        [
            (0, ask(1, keep_alive=FOREVER), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), ""),
        ],
        "<State smol: ready 0/2 leases, expires inf | queue 0>",
    ),
    "a request that says nothing of keep_alive leaves the last word in force": (
        {},
        [
            (0, ask(1, keep_alive=60.0), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), "wake 62"),
            (3, ask(2), "2 gets 1, wake inf"),
            (4, Left(2), "wake 64"),
        ],
        "<State smol: ready 0/2 leases, expires 64.0 | queue 0>",
    ),
    "a smaller context is served without loading again": (
        {},
        [
            (0, ask(1, num_ctx=8192), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, ask(2, num_ctx=2048), "2 gets 1"),
        ],
        "<State smol: ready 2/2 leases | queue 0>",
    ),
    "a larger context loads again once, after the running requests; nobody overtakes it meanwhile": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, ask(2, num_ctx=8192), ""),
            (3, ask(3), ""),
            (4, Left(1), "stop 1"),
            (5, Stopped(1), "load 2 smol"),
            (6, started(2), "2 gets 2, 3 gets 2"),
        ],
        "<State smol: ready 2/2 leases | queue 0>",
    ),
    "a context that nobody chose is what the model has, and loads nothing again": (
        {},
        [
            (0, ask(1, num_ctx=2048), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, ask(2, num_ctx=4096, insists=()), "2 gets 1"),
        ],
        "<State smol: ready 2/2 leases | queue 0>",
    ),
    "a model that is loaded again keeps its keep-alive": (
        {},
        [
            (0, ask(1, keep_alive=900.0), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), "wake 902"),
            (3, ask(2, num_ctx=8192), "stop 1, wake inf"),
            (4, Stopped(1), "load 2 smol"),
            (5, started(2), "2 gets 2"),
            (6, Left(2), "wake 906"),
        ],
        "<State smol: ready 0/2 leases, expires 906.0 | queue 0>",
    ),
    "a model that was unloaded on purpose is kept as usual when it is asked for anew": (
        {},
        [
            (0, ask(1, keep_alive=0.0), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), "stop 1"),
            (3, ask(2), ""),
            (4, Stopped(1), "load 2 smol"),
            (5, started(2), "2 gets 2"),
            (6, Left(2), "wake 306"),
        ],
        "<State smol: ready 0/2 leases, expires 306.0 | queue 0>",
    ),
    "a model is loaded again at once for another context when it is idle": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), "wake 302"),
            (3, ask(2, num_ctx=8192), "stop 1, wake inf"),
            (4, Stopped(1), "load 2 smol"),
        ],
        "<State smol: loading | queue 1>",
    ),
    "a load that no longer suits the first in line is given up": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (0, ask(2, num_ctx=8192), ""),
            (1, Left(1), "stop 1"),
            (2, Stopped(1), "load 2 smol"),
            (3, started(2), "2 gets 2"),
        ],
        "<State smol: ready 1/2 leases | queue 0>",
    ),
    "the same weights with an adapter are another model": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, ask(2, adapters=(Path("lora"),)), "load 2 smol"),
        ],
        "<State smol: ready 1/2 leases | smol: loading | queue 1>",
    ),
    "at the limit the idle model that is kept for the shortest time makes room": (
        {},
        [
            (0, ask(1, "a", keep_alive=900.0), "load 1 a"),
            (0, ask(2, "b", keep_alive=60.0), "load 2 b"),
            (1, started(1), "1 gets 1"),
            (1, started(2), "2 gets 2"),
            (2, Left(1), "wake 902"),
            (3, Left(2), "wake 63"),
            (4, ask(3, "c"), "stop 2, wake 902"),
            (5, Stopped(2), "load 3 c"),
        ],
        "<State a: ready 0/2 leases, expires 902.0 | c: loading | queue 1>",
    ),
    "a model kept long makes no room while one kept shortly is idle, though its own time ends first": (
        {},
        [
            (0, ask(1, "a", keep_alive=900.0), "load 1 a"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), "wake 902"),
            (800, ask(2, "b"), "load 2 b"),
            (801, started(2), "2 gets 2"),
            (802, Left(2), ""),
            (803, ask(3, "c"), "stop 2"),
        ],
        "<State a: ready 0/2 leases, expires 902.0 | b: stopping | queue 1>",
    ),
    "of two models kept as long the least recently used makes room": (
        {"keep_alive": FOREVER},
        [
            (0, ask(1, "a"), "load 1 a"),
            (0, ask(2, "b"), "load 2 b"),
            (1, started(1), "1 gets 1"),
            (1, started(2), "2 gets 2"),
            (2, Left(2), ""),
            (3, Left(1), ""),
            (4, ask(3, "c"), "stop 2"),
        ],
        "<State a: ready 0/2 leases, expires inf | b: stopping | queue 1>",
    ),
    "a model in use is never evicted; the first to fall idle makes room": (
        {},
        [
            (0, ask(1, "a"), "load 1 a"),
            (0, ask(2, "b"), "load 2 b"),
            (1, started(1), "1 gets 1"),
            (1, started(2), "2 gets 2"),
            (2, ask(3, "c"), "wake 7"),
            (3, Left(2), "stop 2, wake inf"),
            (4, Stopped(2), "load 3 c"),
        ],
        "<State a: ready 1/2 leases | c: loading | queue 1>",
    ),
    "a stopping model's place is promised once; the next in line gets another": (
        {},
        [
            (0, ask(1, "a"), "load 1 a"),
            (0, ask(2, "b"), "load 2 b"),
            (1, started(1), "1 gets 1"),
            (1, started(2), "2 gets 2"),
            (2, Left(1), "wake 302"),
            (3, Left(2), ""),
            (4, ask(3, "c"), "stop 1, wake 303"),
            (4, ask(4, "d"), "stop 2, wake inf"),
            (5, Stopped(2), "load 3 c"),
            (6, Stopped(1), "load 4 d"),
        ],
        "<State c: loading | d: loading | queue 2>",
    ),
    "whoever waits for a place is passed by users of loaded models only while patience lasts": (
        {"max_loaded": 1},
        [
            (0, ask(1, "a"), "load 1 a"),
            (1, started(1), "1 gets 1"),
            (2, ask(2, "b"), "wake 7"),
            (3, ask(3, "a"), "3 gets 1"),
            (4, ask(4, "a"), ""),
            (5, Left(1), "4 gets 1"),
            (7, Tick(), ""),
            (8, ask(5, "a"), ""),
            (9, Left(3), ""),
            (10, Left(4), "stop 1"),
            (11, Stopped(1), "load 2 b, wake 13"),
            (12, started(2), "2 gets 2"),
            (13, Tick(), ""),
            (14, Left(2), "stop 2"),
            (15, Stopped(2), "load 3 a"),
            (16, started(3), "5 gets 3"),
        ],
        "<State a: ready 1/2 leases | queue 0>",
    ),
    "requests older than the impatient one still get their turn before it": (
        {"max_loaded": 1},
        [
            (0, ask(1, "a", parallel=1), "load 1 a"),
            (1, started(1), "1 gets 1"),
            (2, ask(2, "a"), ""),
            (2, ask(3, "b"), "wake 7"),
            (3, ask(4, "a"), ""),
            (7, Tick(), ""),
            (8, Left(1), "2 gets 1"),
            (9, Left(2), "stop 1"),
        ],
        "<State a: stopping | queue 2>",
    ),
    "the bar is lifted when the impatient one gives up": (
        {"max_loaded": 1},
        [
            (0, ask(1, "a"), "load 1 a"),
            (1, started(1), "1 gets 1"),
            (2, ask(2, "b"), "wake 7"),
            (7, Tick(), ""),
            (8, ask(3, "a"), ""),
            (9, Left(2), "3 gets 1"),
        ],
        "<State a: ready 2/2 leases | queue 0>",
    ),
    "of models in use the one that is kept for the shortest time is barred": (
        {},
        [
            (0, ask(1, "a", keep_alive=FOREVER), "load 1 a"),
            (0, ask(2, "b"), "load 2 b"),
            (1, started(1), "1 gets 1"),
            (1, started(2), "2 gets 2"),
            (1, ask(3, "b"), "3 gets 2"),
            (2, ask(4, "c"), "wake 7"),
            (7, Tick(), ""),
        ],
        "<State a: ready 1/2 leases | b: ready 2/2 leases, barred from 4 | queue 1>",
    ),
    "of models kept as long the least busy is the one that is barred": (
        {},
        [
            (0, ask(1, "a"), "load 1 a"),
            (0, ask(2, "b"), "load 2 b"),
            (1, started(1), "1 gets 1"),
            (1, started(2), "2 gets 2"),
            (1, ask(3, "a"), "3 gets 1"),
            (2, ask(4, "c"), "wake 7"),
            (7, Tick(), ""),
            (8, Left(3), ""),
            (9, ask(5, "a"), "5 gets 1"),
        ],
        "<State a: ready 2/2 leases | b: ready 1/2 leases, barred from 4 | queue 1>",
    ),
    "a model that leaves to be loaded again keeps its place; another needs a place of its own": (
        {},
        [
            (0, ask(1, "a"), "load 1 a"),
            (0, ask(2, "b"), "load 2 b"),
            (1, started(1), "1 gets 1"),
            (1, started(2), "2 gets 2"),
            (2, Left(1), "wake 302"),
            (3, Left(2), ""),
            (4, ask(3, "a", num_ctx=8192), "stop 1, wake 303"),
            (5, ask(4, "c"), "stop 2, wake inf"),
            (6, Stopped(1), "load 3 a"),
            (7, Stopped(2), "load 4 c"),
        ],
        "<State a: loading | c: loading | queue 2>",
    ),
    "the bar stays where it is, though another model has become less busy": (
        {},
        [
            (0, ask(1, "a"), "load 1 a"),
            (0, ask(2, "b"), "load 2 b"),
            (0, ask(3, "a"), ""),
            (0, ask(4, "b"), ""),
            (1, started(1), "1 gets 1, 3 gets 1"),
            (1, started(2), "2 gets 2, 4 gets 2"),
            (2, ask(5, "c"), "wake 7"),
            (7, Tick(), ""),
            (8, Left(2), ""),
        ],
        "<State a: ready 2/2 leases, barred from 5 | b: ready 1/2 leases | queue 1>",
    ),
    "two impatient ones bar a model each": (
        {},
        [
            (0, ask(1, "a"), "load 1 a"),
            (0, ask(2, "b"), "load 2 b"),
            (1, started(1), "1 gets 1"),
            (1, started(2), "2 gets 2"),
            (2, ask(3, "c"), "wake 7"),
            (2, ask(4, "d"), ""),
            (7, Tick(), ""),
        ],
        "<State a: ready 1/2 leases, barred from 3 | b: ready 1/2 leases, barred from 4 | queue 2>",
    ),
    "a full queue turns new requests away, but not those that need not wait": (
        {"max_queue": 1},
        [
            (0, ask(1), "load 1 smol"),
            (0, ask(2), "2 QueueFull"),
            (1, started(1), "1 gets 1"),
            (2, ask(3, "gemma"), "load 2 gemma"),
            (3, ask(4, "other"), "4 QueueFull"),
            (4, ask(5), "5 gets 1"),
            (5, ask(6), "6 QueueFull"),
        ],
        "<State smol: ready 2/2 leases | gemma: loading | queue 1>",
    ),
    "a queue of none still lets a model be loaded": (
        {"max_queue": 0},
        [
            (0, ask(1), "load 1 smol"),
            (0, ask(2), "2 QueueFull"),
        ],
        "<State smol: loading | queue 1>",
    ),
    "a request that is cancelled while it waits for a slot is forgotten": (
        {},
        [
            (0, ask(1, parallel=1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, ask(2), ""),
            (2, ask(3), ""),
            (3, Left(2), ""),
            (4, Left(1), "3 gets 1"),
        ],
        "<State smol: ready 1/1 leases | queue 0>",
    ),
    "a load nobody waits for any more is cancelled": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, ask(2), ""),
            (2, Left(1), ""),
            (3, Left(2), "stop 1"),
            (3, started(1), ""),
            (4, Stopped(1), ""),
        ],
        "<State queue 0>",
    ),
    "whoever asks for a model that is just leaving gets it loaded anew": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, Left(1), "stop 1"),
            (2, ask(2), ""),
            (3, Stopped(1), "load 2 smol"),
        ],
        "<State smol: loading | queue 1>",
    ),
    "a failed load is told to all who waited for it, and to no one else": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (0, ask(2, "gemma"), "load 2 gemma"),
            (0, ask(3), ""),
            (0, ask(4, num_ctx=8192), ""),
            (1, StartFailed(1, LoadFailed("no")), "1 LoadFailed, 3 LoadFailed, load 3 smol"),
            (2, StartFailed(3, LoadFailed("no")), "4 LoadFailed"),
        ],
        "<State gemma: loading | queue 1>",
    ),
    "a model that dies is loaded anew for those who wait": (
        {},
        [
            (0, ask(1, parallel=1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, ask(2), ""),
            (3, Died(1, "oops"), "stop 1"),
            (3, Left(1), ""),
            (4, Stopped(1), "load 2 smol"),
            (5, started(2), "2 gets 2"),
        ],
        "<State smol: ready 1/2 leases | queue 0>",
    ),
    "whoever waits does not wait through more than three deaths": (
        {},
        [
            (0, ask(1, parallel=1), "load 1 smol"),
            (0, ask(2, parallel=1), ""),
            (0, ask(3, parallel=1), ""),
            (0, ask(4, parallel=1), ""),
            (1, started(1), "1 gets 1"),
            (2, Died(1, "oops"), "stop 1"),
            (3, Stopped(1), "load 2 smol"),
            (4, started(2), "2 gets 2"),
            (5, Died(2, "oops"), "stop 2"),
            (6, Stopped(2), "load 3 smol"),
            (7, started(3), "3 gets 3"),
            (8, Died(3, "oops"), "stop 3, 4 EngineGone"),
            (9, Stopped(3), ""),
        ],
        "<State queue 0>",
    ),
    "an idle model that dies is dropped": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), "wake 302"),
            (3, Died(1, "oops"), "stop 1, wake inf"),
            (4, Stopped(1), ""),
        ],
        "<State queue 0>",
    ),
    "unloading an idle model stops it at once": (
        {},
        [
            (0, ask(1, keep_alive=FOREVER), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, Left(1), ""),
            (3, unload(), "stop 1"),
        ],
        "<State smol: stopping | queue 0>",
    ),
    "unloading a model in use waits for its requests": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, started(1), "1 gets 1"),
            (2, unload(), ""),
            (3, Left(1), "stop 1"),
        ],
        "<State smol: stopping | queue 0>",
    ),
    "unloading a model that loads lets those who wait for it be served first": (
        {},
        [
            (0, ask(1), "load 1 smol"),
            (1, unload(), ""),
            (2, started(1), "1 gets 1"),
            (3, Left(1), "stop 1"),
        ],
        "<State smol: stopping | queue 0>",
    ),
    "unloading a model that is not loaded does nothing": (
        {},
        [(0, unload(), "")],
        "<State queue 0>",
    ),
    "shutting down turns away who waits and stops everything, in use or not": (
        {},
        [
            (0, ask(1, parallel=1), "load 1 smol"),
            (0, ask(2, "gemma"), "load 2 gemma"),
            (1, started(1), "1 gets 1"),
            (1, ask(3), ""),
            (2, Closed(), "2 ShuttingDown, 3 ShuttingDown, stop 1, stop 2, wake inf"),
            (3, ask(4), "4 ShuttingDown"),
            (4, Stopped(1), ""),
        ],
        "<State gemma: stopping | queue 0>",
    ),
    "news of runners and requests that are gone changes nothing": (
        {},
        [
            (0, Left(7), ""),
            (0, started(7), ""),
            (0, StartFailed(7, LoadFailed("no")), ""),
            (0, Died(7, ""), ""),
            (0, Stopped(7), ""),
            (0, Tick(), ""),
        ],
        "<State queue 0>",
    ),
}


@pytest.mark.parametrize(("given", "steps", "end"), STORIES.values(), ids=STORIES.keys())
def test_stories(given: dict[str, Any], steps: list[Step], end: str) -> None:
    """What the story's title says."""
    state = make(**given)
    play(state, *steps)
    assert end == repr(state)


MEMORY: dict[str, tuple[list[tuple[Event, int, dict[int, tuple[int, int]], str]], str]] = {
    "a model that cannot fit even alone is refused at once, and nobody is evicted for it": (
        [
            (ask(1, "a", need=40), 100, {}, "load 1 a"),
            (started(1), 50, {1: (50, 0)}, "1 gets 1"),
            (Left(1), 50, {1: (50, 0)}, "wake 300"),
            (ask(2, "b", need=101), 50, {1: (50, 0)}, "2 InsufficientMemory"),
        ],
        "<State a: ready 0/2 leases, expires 300.0 | queue 0>",
    ),
    "idle models make room for one that would fit without them": (
        [
            (ask(1, "a", need=40), 100, {}, "load 1 a"),
            (started(1), 50, {1: (50, 0)}, "1 gets 1"),
            (Left(1), 50, {1: (50, 0)}, "wake 300"),
            (ask(2, "b", need=80), 50, {1: (50, 0)}, "stop 1, wake inf"),
            (Stopped(1), 100, {}, "load 2 b"),
        ],
        "<State b: loading | queue 1>",
    ),
    "where memory is short, models in use are waited for, and small ones do not slip past": (
        [
            (ask(1, "a", need=40), 100, {}, "load 1 a"),
            (started(1), 60, {1: (40, 0)}, "1 gets 1"),
            (ask(2, "b", need=80), 60, {1: (40, 0)}, "wake 5"),
            (ask(3, "c", need=10), 60, {1: (40, 0)}, ""),
            (Left(1), 60, {1: (40, 0)}, "stop 1, wake inf"),
            (Stopped(1), 100, {}, "load 2 b, load 3 c"),
        ],
        "<State b: loading | c: loading | queue 2>",
    ),
    "memory promised to a load under way is not promised twice": (
        [
            (ask(1, "a", need=60), 100, {}, "load 1 a"),
            (ask(2, "b", need=60), 100, {}, ""),
            (started(1), 70, {1: (30, 0)}, "1 gets 1, load 2 b"),
        ],
        "<State a: ready 1/2 leases | b: loading | queue 1>",
    ),
    "nor is memory that came back promised twice": (
        [
            (ask(1, "a", need=90), 100, {}, "load 1 a"),
            (ask(2, "b", need=60), 100, {}, ""),
            (ask(3, "c", need=60), 100, {}, ""),
            (StartFailed(1, LoadFailed("no")), 100, {}, "1 LoadFailed, load 2 b"),
        ],
        "<State b: loading | queue 2>",
    ),
    "when even eviction has not helped, the request is refused": (
        [
            (ask(1, "a", need=40), 100, {}, "load 1 a"),
            (started(1), 60, {1: (40, 0)}, "1 gets 1"),
            (Left(1), 60, {1: (40, 0)}, "wake 300"),
            (ask(2, "b", need=80), 60, {1: (40, 0)}, "stop 1, wake inf"),
            (Stopped(1), 70, {}, "2 InsufficientMemory"),
        ],
        "<State queue 0>",
    ),
    "a larger context that cannot fit is refused, and the model goes on serving": (
        [
            (ask(1, "a", need=40), 100, {}, "load 1 a"),
            (started(1), 60, {1: (40, 0)}, "1 gets 1"),
            (ask(2, "a", need=200, num_ctx=65536), 60, {1: (40, 0)}, "2 InsufficientMemory"),
            (ask(3, "a", need=40), 60, {1: (40, 0)}, "3 gets 1"),
        ],
        "<State a: ready 2/2 leases | queue 0>",
    ),
    "mapped weights in use are not free, whatever the system says": (
        [
            (ask(1, "a", need=60), 100, {}, "load 1 a"),
            (started(1), 90, {1: (60, 50)}, "1 gets 1"),
            (ask(2, "b", need=60), 90, {1: (60, 50)}, "wake 5"),
            (ask(3, "c", need=40), 90, {1: (60, 50)}, ""),
            (Left(2), 90, {1: (60, 50)}, "load 2 c, wake inf"),
        ],
        "<State a: ready 1/2 leases | c: loading | queue 1>",
    ),
    "mapped weights come back once, not twice, when their model goes": (
        [
            (ask(1, "a", need=60), 100, {}, "load 1 a"),
            (started(1), 90, {1: (60, 50)}, "1 gets 1"),
            (Left(1), 90, {1: (60, 50)}, "wake 300"),
            (ask(2, "b", need=101), 90, {1: (60, 50)}, "2 InsufficientMemory"),
            (ask(3, "b", need=100), 90, {1: (60, 50)}, "stop 1, wake inf"),
        ],
        "<State a: stopping | queue 1>",
    ),
    "weights that the engine has copied are not counted a second time as mapped": (
        [
            (ask(1, "a", need=60), 100, {}, "load 1 a"),
            (started(1), 40, {1: (110, 50)}, "1 gets 1"),
            (ask(2, "b", need=40), 40, {1: (110, 50)}, "load 2 b"),
        ],
        "<State a: ready 1/2 leases | b: loading | queue 1>",
    ),
    "a model that has grown since it was loaded is weighed as it is": (
        [
            (ask(1, "a", need=40), 100, {}, "load 1 a"),
            (started(1), 60, {1: (40, 0)}, "1 gets 1"),
            (Left(1), 20, {1: (80, 0)}, "wake 300"),
            (ask(2, "b", need=90), 20, {1: (80, 0)}, "stop 1, wake inf"),
            (Stopped(1), 100, {}, "load 2 b"),
        ],
        "<State b: loading | queue 1>",
    ),
    "a load that runs out of memory is tried once more without the others, and nothing loads beside it": (
        [
            (ask(1, "a", need=10), 100, {}, "load 1 a"),
            (started(1), 90, {1: (10, 0)}, "1 gets 1"),
            (ask(2, "b", need=10), 90, {1: (10, 0)}, "load 2 b"),
            (StartFailed(2, InsufficientMemory("no")), 90, {1: (10, 0)}, "wake 5"),
            (Left(1), 90, {1: (10, 0)}, "stop 1, wake inf"),
            (Stopped(1), 100, {}, "load 3 b"),
            (ask(3, "c", need=10), 100, {}, ""),
            (started(3), 90, {3: (10, 0)}, "2 gets 3, load 4 c"),
        ],
        "<State b: ready 1/2 leases | c: loading | queue 1>",
    ),
    "a load that runs out of memory alone is given up": (
        [
            (ask(1, "a", need=10), 100, {}, "load 1 a"),
            (StartFailed(1, InsufficientMemory("no")), 100, {}, "1 InsufficientMemory"),
        ],
        "<State queue 0>",
    ),
    "a load that runs out of memory a second time is given up": (
        [
            (ask(1, "a", need=10), 100, {}, "load 1 a"),
            (started(1), 90, {1: (10, 0)}, "1 gets 1"),
            (Left(1), 90, {1: (10, 0)}, "wake 300"),
            (ask(2, "b", need=10), 90, {1: (10, 0)}, "load 2 b"),
            (StartFailed(2, InsufficientMemory("no")), 90, {1: (10, 0)}, "stop 1, wake inf"),
            (Stopped(1), 100, {}, "load 3 b"),
            (StartFailed(3, InsufficientMemory("no")), 100, {}, "2 InsufficientMemory"),
        ],
        "<State queue 0>",
    ),
}


@pytest.mark.parametrize(("steps", "end"), MEMORY.values(), ids=MEMORY.keys())
def test_memory(steps: list[tuple[Event, int, dict[int, tuple[int, int]], str]], end: str) -> None:
    """What the story's title says; in the middle the free memory, and what is held: in all, and of it mapped files."""
    state = make(max_loaded=3)
    for event, free, held, expected in steps:
        assert (event, expected) == (event, tell(handle(state, event, 0, free, held)))
    assert end == repr(state)


def error_of(actions: list[Action]) -> Exception:
    (action,) = actions
    assert isinstance(action, Reject)
    return action.error


@pytest.mark.parametrize(
    ("has", "wants", "expected"),
    [
        ({}, {}, True),
        ({"num_ctx": 8192}, {"num_ctx": 4096}, True),
        ({"num_ctx": 4096}, {"num_ctx": 4097}, False),
        ({"parallel": 1}, {"parallel": 4}, True),
        ({"num_ctx": 2048}, {"num_ctx": 4096, "insists": ()}, True),
        ({"batch": 64}, {"batch": 512}, True),
        ({"batch": 64}, {"batch": 512, "insists": ("batch",)}, False),
        ({"threads": 2}, {"threads": 4}, True),
        ({"threads": 2}, {"threads": 4, "insists": ("threads",)}, False),
        ({"threads": 4}, {"threads": 4, "insists": ("threads",)}, True),
        ({"prompt_cache": 0}, {"prompt_cache": 1}, True),
        ({"mmap": False}, {"mmap": None}, True),
        ({"mmap": None}, {"mmap": True}, True),
        ({"mmap": None}, {"mmap": False}, False),
        ({"mmap": False}, {"mmap": True}, False),
        ({"pooling": "last"}, {"pooling": None}, True),
        ({"pooling": None}, {"pooling": "last"}, False),
        ({"gpu_layers": 0}, {"gpu_layers": -1}, True),
        ({"gpu_layers": -1}, {"gpu_layers": 0}, False),
        ({"main_gpu": 1}, {"main_gpu": None}, True),
        ({"main_gpu": None}, {"main_gpu": 0}, False),
        ({"kv_cache_type": "q8_0"}, {"kv_cache_type": ""}, False),
        ({"flash_attention": True}, {"flash_attention": None}, False),
    ],
)
def test_compatible(has: dict[str, Any], wants: dict[str, Any], expected: bool) -> None:
    """A model is loaded again only for a difference the request insists on."""
    loaded = ask(1, **has).request
    runner = Runner(1, loaded.key, loaded.spec, Need(0), keep_alive=1.0)
    assert expected is runner.serves(ask(2, **wants).request)


def test_expires_in() -> None:
    """While it is in use a model's time is counted from now, afterwards it runs down."""
    state = make()
    play(state, (0, ask(1), "load 1 smol"), (1, started(1), "1 gets 1"))
    (runner,) = state.runners
    assert 300.0 == runner.expires_in(50)
    play(state, (60, Left(1), "wake 360"))
    assert (300.0, 10.0, 0.0) == (runner.expires_in(60), runner.expires_in(350), runner.expires_in(400))


def test_weighs_memory() -> None:
    """The free memory is measured when a load may come of it, not for every request."""
    state = make(max_loaded=1)
    steps: list[tuple[Event, bool]] = [
        (ask(1), True),
        (started(1), False),
        (ask(2), False),
        (ask(3), False),
        (ask(4, "gemma"), True),
        (Left(4), False),
        (ask(5, num_ctx=8192), False),
        (Left(1), False),
        (Left(2), True),
    ]
    for event, expected in steps:
        state.take(event, 0)
        assert (event, expected) == (event, state.weighs_memory)
        state.decide(0, Memory(PLENTY))


def test_errors_are_the_callers() -> None:
    """The errors are of the kinds that callers are promised, the engine's own among them."""
    failed = LoadFailed("bad magic")
    state = make(max_queue=1)
    handle(state, ask(1), 0, PLENTY)
    assert isinstance(error_of(handle(state, ask(2), 0, PLENTY)), QueueFull)
    assert failed is error_of(handle(state, StartFailed(1, failed), 0, PLENTY))
    handle(state, Closed(), 0, PLENTY)
    assert isinstance(error_of(handle(state, ask(3), 0, PLENTY)), ShuttingDown)
