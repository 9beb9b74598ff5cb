import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from puna.errors import Canceled, GenerationFailed, RequestNotFound
from puna.events import Done, Event, PromptProgress, Text
from puna.service.requests import Caller, Requests, Ticket, calls, ticket
from puna.service.rights import Rights
from puna.types import Ranking, Usage


class Clock:
    """Time that goes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def kept(requests: Requests) -> list[tuple[str, str]]:
    return [(one.id, one.state) for one in requests.running()]


def ran(work: Callable[[Requests], Any]) -> tuple[Any, list[Ticket]]:
    """What ``work`` gives, with the tickets of what had ended by then."""
    ended: list[Ticket] = []

    async def run() -> Any:
        calls(Caller("r1", "127.0.0.1"))
        return await work(Requests(ended=ended.append))

    return asyncio.run(run()), ended


def test_a_request_is_known_from_its_first_instant_to_its_end() -> None:
    """In each state: waiting for its turn, for the model, for the prompt to be read, and while it is answered."""
    clock, states, ended = Clock(), [], []
    requests = Requests(ended=ended.append, clock=clock)

    def look() -> None:
        (one,) = requests.running()
        states.append((one.state, one.model, one.prompt_done, one.tokens))

    async def events() -> AsyncGenerator[Event, None]:
        look()
        mine = ticket()
        assert mine is not None
        mine.waits("smol:latest", lambda: True)
        look()
        clock.now += 5
        mine.has_its_turn(load=3.0)
        look()
        yield PromptProgress(4, 9)
        look()
        clock.now += 1
        yield Text("Hel")
        clock.now += 2
        yield Text("lo")
        look()
        yield Done("stop", Usage(9, 2))

    async def run() -> list[Event]:
        calls(Caller("r1", "127.0.0.1"))
        return [event async for event in requests.stream("chat", "smol", events())]

    assert 4 == len(asyncio.run(run()))
    assert [
        ("queued", "smol", 0, 0),
        ("loading", "smol:latest", 0, 0),
        ("prompt", "smol:latest", 0, 0),
        ("prompt", "smol:latest", 4, 0),
        ("answering", "smol:latest", 4, 2),
    ] == states
    (one,) = ended
    assert ("ok", 2.0, 3.0, 106.0, 108.0, 2) == (one.outcome, one.waited, one.load, one.first, one.last, one.pieces)
    assert Usage(9, 2) == one.usage
    assert [] == requests.running()


def test_a_request_that_waits_is_ended() -> None:
    """It stops waiting, its work is undone, and it is told why."""
    undone: list[str] = []

    async def events() -> AsyncGenerator[Event, None]:
        try:
            await asyncio.Event().wait()
            yield Text("never")
        finally:
            undone.append("yes")

    async def work(requests: Requests) -> None:
        async def read() -> list[Event]:
            return [event async for event in requests.stream("chat", "m", events())]

        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        requests.cancel("r1")
        with pytest.raises(Canceled):
            await reading
        assert ["yes"] == undone
        assert [] == requests.running()

    _, (one,) = ran(work)
    assert "canceled" == one.outcome


def test_a_request_between_two_pieces_is_ended() -> None:
    """While its client is busy with the one before: nothing more comes."""

    async def events() -> AsyncGenerator[Event, None]:
        yield Text("a")
        yield Text("b")

    async def work(requests: Requests) -> Event:
        stream = requests.stream("generate", "m", events())
        first = await anext(stream)
        (one,) = requests._tickets
        one.task = None  # the reader is at work elsewhere
        requests.cancel("r1")
        with pytest.raises(Canceled):
            await anext(stream)
        return first

    assert Text("a") == ran(work)[0]


def test_work_of_one_piece_is_ended() -> None:
    """Embeddings and rankings too."""

    async def work(requests: Requests) -> None:
        waiting = asyncio.ensure_future(requests.single("embed", "m", asyncio.sleep(60)))
        await asyncio.sleep(0)
        assert [("r1", "queued")] == kept(requests)
        requests.cancel("r1")
        with pytest.raises(Canceled):
            await waiting

    ran(work)


def test_work_of_one_piece_has_its_tokens_counted() -> None:
    """As an answer has."""

    async def rank() -> Ranking:
        return Ranking((), Usage(7))

    _, (one,) = ran(lambda requests: requests.single("rerank", "m", rank(), lambda ranking: ranking.usage))
    assert ("ok", Usage(7)) == (one.outcome, one.usage)


def test_a_client_that_leaves_is_no_failure() -> None:
    """Nor is it ended by someone else: cancelling goes on as it came."""

    async def work(requests: Requests) -> None:
        waiting = asyncio.ensure_future(requests.single("embed", "m", asyncio.sleep(60)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    _, (one,) = ran(work)
    assert "canceled" == one.outcome


def test_a_failure_is_counted_as_one() -> None:
    """And reaches whoever asked."""

    async def fail() -> None:
        raise GenerationFailed("bad")

    async def work(requests: Requests) -> None:
        with pytest.raises(GenerationFailed):
            await requests.single("rerank", "m", fail())

    _, (one,) = ran(work)
    assert "error" == one.outcome


def test_a_reader_that_has_enough_is_satisfied() -> None:
    """A whole reply is put together until its last event, and the stream is left there."""

    async def events() -> AsyncGenerator[Event, None]:
        yield Done("stop")

    async def work(requests: Requests) -> None:
        stream = requests.stream("chat", "m", events())
        await anext(stream)
        await stream.aclose()

    _, (one,) = ran(work)
    assert "ok" == one.outcome


def test_what_does_not_run_cannot_be_ended() -> None:
    """Whatever the id."""
    with pytest.raises(RequestNotFound):
        Requests().cancel("r1")


def test_what_runs_is_its_keys_business() -> None:
    """Others neither see nor end it; who may do everything does."""
    rights = {key: Rights(key, frozenset({"infer"})) for key in ("mine", "yours")}
    rights["root"] = Rights("root", frozenset({"admin"}))

    async def work(requests: Requests) -> None:
        async def look() -> None:
            for key, seen in (("mine", ["r1"]), ("yours", []), ("root", ["r1"])):
                calls(Caller("r2", rights=rights[key]))
                assert seen == [one.id for one in requests.running()]
            calls(Caller("r2", rights=rights["yours"]))
            with pytest.raises(RequestNotFound):
                requests.cancel("r1")
            calls(Caller("r2", rights=rights["root"]))
            requests.cancel("r1")

        calls(Caller("r1", rights=rights["mine"]))
        async with aclosing(requests.stream("chat", "m", waiting())) as stream:
            await anext(stream)
            looking = asyncio.create_task(look())
            with pytest.raises(Canceled):
                await anext(stream)
            await looking

    async def waiting() -> AsyncGenerator[Event, None]:
        yield Text("Hel")
        await asyncio.Event().wait()

    ran(work)
