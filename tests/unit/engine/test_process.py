"""Engine processes: real children, mostly of ``/bin/sh``, started as an operator's own binary is."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from puna.engine import process
from puna.engine.process import EngineProcess

PATIENCE = 60
ENDLESS = "while :; do sleep 1000; done"
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")

Play = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Play:
    """Run a coroutine on the loop."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(coroutine: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(coroutine, PATIENCE))

    return run


@asynccontextmanager
async def shell(script: str, *, pass_fds: tuple[int, ...] = (), **environ: str) -> AsyncIterator[EngineProcess]:
    """A child that runs ``script``; it has ended afterwards."""
    arguments = ["--exec", "/bin/sh", "-c", script]
    child = await EngineProcess.start(arguments, name="a model", environ={**os.environ, **environ}, pass_fds=pass_fds)
    try:
        yield child
    finally:
        child.kill()
        await child.gone


async def said(child: EngineProcess, word: str) -> None:
    """Wait until ``child`` has logged ``word``."""
    while word not in child.last_words:
        await asyncio.sleep(0.005)


def state(pid: int) -> str:
    """The letter Linux gives the process's state: T is stopped; "" when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit status 0"),
        (2, "exit status 2"),
        (-signal.SIGKILL, "signal: SIGKILL"),
        (-signal.SIGABRT, "signal: SIGABRT"),
        (-signal.SIGRTMIN - 1, f"signal: {signal.SIGRTMIN + 1}"),
    ],
)
def test_every_way_to_end_has_words(code: int, words: str) -> None:
    """A status, or the signal: by name where it has one."""
    assert words == process._ending(code)


def test_a_child_that_ends_leaves_its_last_words(play: Play) -> None:
    """Whoever waits for it learns how it ended and what it said, also without a final line end."""

    async def run() -> None:
        async with shell("echo loading >&2; echo not shown; printf 'no memory' >&2; exit 3") as child:
            assert "exit status 3: loading\nno memory" == await child.gone
            assert "loading\nno memory" == child.last_words

    play(run())


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("echo loading >&2; echo no memory >&2; exit 3", "exit status 3: no memory"),
        ("exit 3", "exit status 3"),
        ("echo GGML_ASSERT >&2; kill -ABRT $$", "signal: SIGABRT: GGML_ASSERT"),
        ("echo ready >&2; kill -KILL $$", "signal: SIGKILL"),
        (
            "echo ready >&2; kill -BUS $$",
            "signal: SIGBUS: the model's weights could not be read: check its files with `puna fsck`",
        ),
    ],
)
def test_its_end_fits_a_line(play: Play, script: str, end: str) -> None:
    """A client is told that, without what was said of other things long before."""

    async def run() -> None:
        async with shell(script) as child:
            await child.gone
            assert end == child.end

    play(run())


@needs_proc
def test_the_work_of_what_it_started_is_its_own(play: Play) -> None:
    """An operator's script may only wait for the engine that it runs."""

    async def run() -> None:
        async with shell("sh -c 'while :; do :; done' & wait") as child:
            while not child.cpu_ticks():
                await asyncio.sleep(0.005)

    play(run())


def test_a_silent_child_is_told_by_how_it_ended(play: Play) -> None:
    """There is nothing to add to the status."""

    async def run() -> None:
        async with shell("exit 0") as child:
            assert "exit status 0" == await child.gone

    play(run())


def test_only_the_last_lines_are_kept(play: Play) -> None:
    """A child may log for days: what it said last is what explains its end."""

    async def run() -> None:
        async with shell("for line in $(seq 100); do echo line $line >&2; done") as child:
            await child.gone
            assert [f"line {number}" for number in range(89, 101)] == child.last_words.splitlines()

    play(run())


def test_what_a_child_logs_may_be_anything(play: Play) -> None:
    """Bytes that are no UTF-8 and lines without an end do not hide what follows them."""
    script = r"printf '\377\n' >&2; head -c 300000 /dev/zero >&2; echo >&2; echo the end >&2"

    async def run() -> None:
        async with shell(script) as child:
            assert (await child.gone).endswith("\nthe end")
            assert "\ufffd" == child.last_words.splitlines()[0]

    play(run())


def test_an_end_that_nobody_asked_for_is_an_error_in_the_log(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    """The operator reads which model's engine died, of what, and its last words; a stop in order is silent."""

    async def run() -> None:
        async with shell("echo oops >&2; kill -SEGV $$") as child:
            await child.gone
        async with shell(f"echo ready >&2; {ENDLESS}") as child:
            await said(child, "ready")
            await child.stop()

    play(run())
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert ["the engine of a model ended (signal: SIGSEGV): oops"] == errors


def test_stopping_is_polite(play: Play) -> None:
    """The child may finish in order, and has ended when stop returns; stopping twice does no harm."""

    async def run() -> None:
        async with shell("trap 'echo bye >&2; exit 0' TERM; echo ready >&2; sleep 1000 & wait") as child:
            await said(child, "ready")
            await child.stop()
            assert child.gone.done()
            assert "exit status 0: ready\nbye" == child.gone.result()
            await child.stop()

    play(run())


def test_stopping_is_forced_when_it_must_be(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that will not go is killed after a while."""
    monkeypatch.setattr(process, "_POLITE_SECONDS", 0.05)

    async def run() -> None:
        async with shell(f"trap '' TERM; echo ready >&2; {ENDLESS}") as child:
            await said(child, "ready")
            await child.stop()
            assert "signal: SIGKILL: ready" == child.gone.result()

    play(run())


def test_killing_needs_no_waiting(play: Play) -> None:
    """Whatever the child does, it ends."""

    async def run() -> None:
        async with shell(f"trap '' TERM; echo ready >&2; {ENDLESS}") as child:
            await said(child, "ready")
            child.kill()
            assert "signal: SIGKILL: ready" == await child.gone
            child.kill()

    play(run())


@pytest.mark.parametrize(
    ("prelude", "forced"), [(":", False), (":", True), ('trap "" TERM', False)], ids=["stopped", "killed", "stubborn"]
)
def test_a_wrapper_takes_its_engine_along(
    play: Play, monkeypatch: pytest.MonkeyPatch, prelude: str, forced: bool
) -> None:
    """An operator's script that runs the engine as its child is no reason to wait for ever, or to leave one behind."""

    monkeypatch.setattr(process, "_POLITE_SECONDS", 0.05 if "trap" in prelude else PATIENCE)
    script = f"sh -c '{prelude}; echo engine $$ >&2; exec sleep 1000' & wait"

    async def run() -> None:
        async with shell(script) as child:
            await said(child, "engine")
            engine = int(child.last_words.split()[1])
            if forced:
                child.kill()
            else:
                await child.stop()
            await child.gone
            while state(engine) not in ("", "Z"):
                await asyncio.sleep(0.005)

    play(run())


@needs_proc
def test_a_child_that_has_ended_can_be_told_anything(play: Play) -> None:
    """Its end and an order may cross."""

    async def run() -> None:
        async with shell("exit 0") as child:
            await child.gone
            child.kill()
            await child.stop()

    play(run())


def test_a_child_has_what_it_was_given(play: Play) -> None:
    """Its environment is the one that was said, and a descriptor that was passed is open in it."""
    ready, tell = os.pipe()

    async def run() -> None:
        async with shell(f"printf %s $GIVEN >/dev/fd/{tell}", GIVEN="1000", pass_fds=(tell,)) as child:
            os.close(tell)
            assert "exit status 0" == await child.gone

    play(run())
    assert b"1000" == os.read(ready, 100)
    os.close(ready)


def test_a_child_has_a_session_of_its_own(play: Play) -> None:
    """Ctrl+C in the server's terminal does not reach it."""

    async def run() -> None:
        async with shell(f"echo ready >&2; {ENDLESS}") as child:
            await said(child, "ready")
            assert child.pid == os.getsid(child.pid)

    play(run())


@needs_proc
def test_the_memory_of_a_child_is_known_while_it_runs(play: Play) -> None:
    """In bytes; a child that has ended holds none."""

    async def run() -> None:
        async with shell(f"echo ready >&2; {ENDLESS}") as child:
            await said(child, "ready")
            assert 100_000 < child.resident_bytes() < 100_000_000
            await child.stop()
            assert 0 == child.resident_bytes()

    play(run())


def test_a_program_that_is_not_there_is_a_child_that_ends(play: Play) -> None:
    """The last words name what is missing."""

    async def run() -> None:
        arguments = ["--exec", "/nowhere/llama-server"]
        child = await EngineProcess.start(arguments, name="a model", environ=os.environ)
        assert "exit status 1: /nowhere/llama-server: no such file or directory" == await child.gone

    play(run())
