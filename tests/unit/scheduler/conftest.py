from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from puna.engine import Engine, Generated, Loaded, LoadSpec, Sampling
from puna.types import Conversation, Prompt


class FakeLoaded:
    """A model that computes nothing and tells what is done to it."""

    def __init__(self, spec: LoadSpec, journal: list[str]) -> None:
        self.spec = spec
        self.memory = 100
        self.mapped = 0
        self.changed = asyncio.Event()
        self._journal = journal
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def _note(self, what: str) -> None:
        self._journal.append(f"{what} {self.spec.model}")
        self.changed.set()

    async def generate(
        self, prompt: Prompt | Conversation, sampling: Sampling
    ) -> AsyncGenerator[Generated, None]:  # pragma: no cover
        raise NotImplementedError
        yield

    async def render(self, conversation: Conversation) -> str:
        raise NotImplementedError

    async def tokenize(self, text: str) -> list[int]:
        raise NotImplementedError

    async def detokenize(self, tokens: Sequence[int]) -> str:
        raise NotImplementedError

    async def wait_gone(self) -> str:
        return await asyncio.shield(self._gone)

    def die(self, words: str) -> None:
        self._gone.set_result(words)

    async def close(self) -> None:
        self._note("close")
        if not self._gone.done():
            self._gone.set_result("")


class FakeEngine:
    """An engine whose loads end when the test says so: ``finish`` and ``fail`` answer the oldest load of a model.

    A load that is cancelled ends when ``may_cancel`` is set, as it is from the beginning.
    """

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.closed = False
        self.loaded: list[FakeLoaded] = []
        self.may_cancel = asyncio.Event()
        self.may_cancel.set()
        self._loads: list[tuple[LoadSpec, asyncio.Future[None]]] = []
        self._changed = asyncio.Condition()

    async def load(self, spec: LoadSpec) -> Loaded:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loads.append((spec, answer))
        await self._note(f"load {spec.model}")
        try:
            await answer
        except asyncio.CancelledError:
            await self.may_cancel.wait()
            await self._note(f"cancel {spec.model}")
            raise
        finally:
            self._loads.remove((spec, answer))
        self.loaded.append(FakeLoaded(spec, self.journal))
        return self.loaded[-1]

    async def close(self) -> None:
        self.closed = True

    async def _note(self, what: str) -> None:
        self.journal.append(what)
        async with self._changed:
            self._changed.notify_all()

    async def saw(self, *journal: str) -> None:
        """Wait until ``journal`` is what has happened."""
        async with self._changed:
            await self._changed.wait_for(lambda: list(journal) == self.journal)

    async def finish(self, model: str) -> None:
        (await self._load_of(model)).set_result(None)

    async def fail(self, model: str, error: Exception) -> None:
        (await self._load_of(model)).set_exception(error)

    async def _load_of(self, model: str) -> asyncio.Future[None]:
        def pending() -> list[asyncio.Future[None]]:
            return [answer for spec, answer in self._loads if str(spec.model) == model and not answer.done()]

        async with self._changed:
            await self._changed.wait_for(pending)
        return pending()[0]


def _follows_the_contract(engine: FakeEngine, loaded: FakeLoaded) -> tuple[Engine, Loaded]:
    return engine, loaded  # for the type checker: the fakes are what they stand in for


@pytest.fixture
def new_engine() -> type[FakeEngine]:
    return FakeEngine


@pytest.fixture
def new_loaded() -> type[FakeLoaded]:
    return FakeLoaded
