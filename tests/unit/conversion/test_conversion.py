"""Children that convert: heard while they work, understood when they fail, and gone when nobody wants them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from puna.conversion import Step, child
from puna.errors import ConversionFailed

WORKER = """
import os, sys, time
from puna.conversion import Step, say
from puna.conversion.childhood import begin

begin(int(sys.argv[1]))
say(Step(1, 4))
print("a line of its log", file=sys.stderr)
say(Step(4, 4))
match sys.argv[2]:
    case "fail":
        print("it cannot be done", file=sys.stderr)
        sys.exit(3)
    case "die":
        os.kill(os.getpid(), 9)
    case "bar":
        print("\\r 12%|###" * 200_000, file=sys.stderr)
        print("it cannot be done", file=sys.stderr)
        sys.exit(3)
    case "wait":
        print(os.getpid(), flush=True)
        time.sleep(600)
"""


@pytest.fixture(autouse=True)
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scripted_worker.py").write_text(WORKER)
    known = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, known)))


async def said(how: str) -> list[Step]:
    async with child("scripted_worker", how, name="working") as work:
        return [step async for step in work.steps()]


def test_steps() -> None:
    """Each step is heard; what else a child says is its log."""
    assert [Step(1, 4), Step(4, 4)] == asyncio.run(said("end"))


@pytest.mark.parametrize(
    ("how", "text"), [("fail", "it cannot be done"), ("die", "a line of its log"), ("bar", "it cannot be done")]
)
def test_failures(how: str, text: str) -> None:
    """A child that fails is told of by its last words."""
    with pytest.raises(ConversionFailed) as caught:
        asyncio.run(said(how))
    assert text == str(caught.value)


def test_left_alone() -> None:
    """Nobody waits for a child that is not wanted any more: it ends with its block."""

    async def leave() -> int:
        reading, writing = os.pipe()
        async with child("scripted_worker", "wait", name="working", stdout=writing):
            os.close(writing)
            found = await asyncio.to_thread(os.read, reading, 100)
            os.close(reading)
        return int(found)

    with pytest.raises(ProcessLookupError):
        os.kill(asyncio.run(leave()), 0)
