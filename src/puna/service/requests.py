"""Who asks, and what runs: every request that uses a model, from its first instant to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from puna import timestamps
from puna.errors import Canceled, RequestNotFound
from puna.events import Done, Event, PromptProgress, Text, Thinking
from puna.service.rights import EVERYTHING, NOTHING, Rights
from puna.types import RequestKind, RequestState, RunningRequest, Timings, Usage

T = TypeVar("T")

Outcome = Literal["ok", "error", "canceled"]


@dataclass(frozen=True, slots=True)
class Caller:
    """One request from outside: its ``id``, the address it came from ("" if there is none), and what it may do.

    ``trace`` has the headers that say which trace it is part of, where it came with any (W3C Trace Context).
    """

    id: str
    address: str = ""
    rights: Rights = NOTHING
    trace: Mapping[str, str] = field(default_factory=dict)


_NOBODY = Caller("0" * 24, rights=EVERYTHING)
"""What puna does by itself."""

_CALLER: ContextVar[Caller] = ContextVar("caller", default=_NOBODY)


def caller() -> Caller:
    """Whose request is being answered."""
    return _CALLER.get()


def calls(who: Caller) -> None:
    """Say that what this task does from now on, and every task it starts, is done for ``who``."""
    _CALLER.set(who)


@dataclass(slots=True, eq=False)
class Ticket:
    """What is known of one request while it runs, and once it has ended.

    ``asked`` is when it came, by the clock of all durations, and ``since`` in nanoseconds since the epoch. ``model`` is
    the name it asked for, ``found`` that of the model it got. ``waited`` is the seconds it waited for its turn, those
    of a load (``load``) not among them; None until it has its turn. ``first`` and ``last`` are when its first and its
    last piece of text came. ``reason`` is why its answer ended, ``error`` the type of what it failed with.
    """

    caller: Caller
    kind: RequestKind
    model: str
    asked: float
    since: int
    clock: Callable[[], float]
    found: str = ""
    is_loading: Callable[[], bool] = lambda: False
    waited: float | None = None
    load: float = 0.0
    first: float | None = None
    last: float = 0.0
    pieces: int = 0
    prompt_tokens: int = 0
    prompt_done: int = 0
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    outcome: Outcome = "canceled"
    reason: str = ""
    error: str = ""
    canceled: bool = False
    task: asyncio.Task[Any] | None = None

    @property
    def state(self) -> RequestState:
        """Where it stands."""
        if self.waited is None:
            return "loading" if self.is_loading() else "queued"
        return "prompt" if self.first is None else "answering"

    def waits(self, model: str, is_loading: Callable[[], bool]) -> None:
        """It waits for the model of that name."""
        self.found, self.is_loading = model, is_loading

    def has_its_turn(self, load: float) -> None:
        """It waits no longer, ``load`` seconds of it having been the model's."""
        if self.waited is None:
            self.load = load
            self.waited = max(0.0, self.clock() - self.asked - load)

    def saw(self, event: Event) -> None:
        """Its answer went on."""
        if isinstance(event, Text | Thinking):
            self.last = self.clock()
            self.pieces += 1
            if self.first is None:
                self.first = self.last
        elif isinstance(event, PromptProgress):
            self.prompt_tokens, self.prompt_done = event.total, event.processed
        elif isinstance(event, Done):
            self.usage, self.timings, self.outcome = event.usage, event.timings, "ok"
            self.reason = event.reason


_TICKET: ContextVar[Ticket | None] = ContextVar("ticket", default=None)


def ticket() -> Ticket | None:
    """That of the request that is being answered, if one is kept."""
    return _TICKET.get()


class Requests:
    """The requests that run. ``ended`` is told of each one when it has; ``clock`` gives seconds, from any start."""

    def __init__(
        self, *, ended: Callable[[Ticket], None] = lambda _: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ended = ended
        self._clock = clock
        self._tickets: dict[Ticket, None] = {}

    def running(self) -> list[RunningRequest]:
        """Those that run and that the caller may see, the oldest first."""
        now = self._clock()
        return [_described(one, now) for one in self._visible()]

    def cancel(self, id_: str) -> None:
        """End what runs for the request of that id, wherever it stands; its client is told.

        Raises:
            RequestNotFound: nothing does, or it is not the caller's to end.
        """
        found = [one for one in self._visible() if one.caller.id == id_]
        if not found:
            raise RequestNotFound(id_)
        for one in found:
            one.canceled = True
            if one.task is not None:
                one.task.cancel()

    async def stream(
        self, kind: RequestKind, model: str, events: AsyncGenerator[Event, None]
    ) -> AsyncGenerator[Event, None]:
        """``events`` as they are, the request being kept while they come.

        Raises:
            Canceled: it was.
        """
        with self._kept(kind, model) as kept:
            async with aclosing(events):
                async for event in events:
                    kept.saw(event)
                    yield event
                    if kept.canceled:
                        raise Canceled
                    kept.task = asyncio.current_task()

    async def single(
        self,
        kind: RequestKind,
        model: str,
        work: Coroutine[Any, Any, T],
        usage: Callable[[T], Usage] = lambda _: Usage(),
    ) -> T:
        """What ``work`` returns, the request being kept meanwhile; ``usage`` tells its tokens. Raises as ``stream``."""
        with self._kept(kind, model) as kept:
            result = await work
            kept.usage = usage(result)
            return result

    def _visible(self) -> list[Ticket]:
        rights = caller().rights
        return [one for one in self._tickets if rights.may_see(one.caller.rights)]

    @contextmanager
    def _kept(self, kind: RequestKind, model: str) -> Iterator[Ticket]:
        kept = Ticket(caller(), kind, model, self._clock(), time.time_ns(), self._clock)
        kept.task = asyncio.current_task()
        self._tickets[kept] = None
        _TICKET.set(kept)
        try:
            yield kept
            kept.outcome = "ok"
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if not kept.canceled or current is None:
                raise
            current.uncancel()
            raise Canceled from None
        except Exception as error:
            kept.outcome = "canceled" if kept.canceled else "error"
            kept.error = type(error).__name__
            raise
        finally:
            del self._tickets[kept]
            self._ended(kept)


def _described(one: Ticket, now: float) -> RunningRequest:
    return RunningRequest(
        id=one.caller.id,
        kind=one.kind,
        model=one.found or one.model,
        state=one.state,
        client=one.caller.address,
        since=timestamps.utc(one.since),
        seconds=now - one.asked,
        prompt_tokens=one.prompt_tokens,
        prompt_done=one.prompt_done,
        tokens=one.pieces,
    )
