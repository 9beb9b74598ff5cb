"""How engines wait for their threads, and what that costs: tokens per second of each setting, alone and together.

    python bench/cpu.py FIRST.gguf SECOND.gguf [--seconds 6] [--rounds 2]

Each process has a thread per physical core unless said. Every setting is measured on the first model alone, on the
second alone, and on both generating at once; the settings take turns within a round, so that a machine that drifts is
unfair to none. ``turns`` is what puna does: a short spin, and turns while both are busy.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from puna.engine import LoadSpec, Sampling
from puna.engine.llamacpp import LlamaCpp, LlamaCppModel
from puna.events import Piece
from puna.options import Options
from puna.scheduler.machine import physical_cores
from puna.scheduler.turns import Arbiter
from puna.types import Prompt

WARM_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to wait."""

    name: str
    environ: tuple[tuple[str, str], ...] = ()
    threads: int = 0
    turns: float = 0.0


SETTINGS = (
    Setting("library's default"),
    Setting("passive", (("OMP_WAIT_POLICY", "PASSIVE"),)),
    Setting("spin 100", (("GOMP_SPINCOUNT", "100"),)),
    Setting("spin 1000", (("GOMP_SPINCOUNT", "1000"),)),
    Setting("spin 10000", (("GOMP_SPINCOUNT", "10000"),)),
    Setting("one thread each", threads=1),
    Setting("spin 1000, turns 20 ms", (("GOMP_SPINCOUNT", "1000"),), turns=0.02),
    Setting("spin 1000, turns 40 ms", (("GOMP_SPINCOUNT", "1000"),), turns=0.04),
    Setting("spin 1000, turns 80 ms", (("GOMP_SPINCOUNT", "1000"),), turns=0.08),
)


@contextmanager
def environment(setting: Setting) -> Iterator[None]:
    """Set the variables of ``setting`` for the processes started inside."""
    before = dict(os.environ)
    os.environ.update(setting.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


async def generate(model: LlamaCppModel, counts: dict[str, int]) -> None:
    """Generate for ever, counting pieces."""
    name = model.spec.model.name
    while True:
        sampling = Sampling(Options(temperature=0.8, seed=1), max_tokens=3000, num_ctx=4096)
        async with aclosing(model.generate(Prompt("Once upon a time there was"), sampling)) as pieces:
            async for piece in pieces:
                counts[name] += isinstance(piece, Piece)


async def measure(setting: Setting, models: list[Path], seconds: float) -> float:
    """Tokens per second of all ``models`` generating at once."""
    threads = setting.threads or physical_cores()
    with environment(setting):
        engine = LlamaCpp()
        loaded = [await engine.load(LoadSpec(model, 4096, 1, threads)) for model in models]
    counts = dict.fromkeys((model.name for model in models), 0)
    arbiter = Arbiter(setting.turns, physical_cores(), time.monotonic)
    tasks = [asyncio.create_task(generate(model, counts)) for model in loaded]
    arbiter.share(dict(enumerate(loaded)))
    await asyncio.sleep(WARM_UP_SECONDS)
    before, started = sum(counts.values()), time.perf_counter()
    await asyncio.sleep(seconds)
    speed = (sum(counts.values()) - before) / (time.perf_counter() - started)
    arbiter.share({})
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await engine.close()
    return speed


async def main(options: argparse.Namespace) -> None:
    cases = {"first": [options.first], "second": [options.second], "both": [options.first, options.second]}
    results: dict[tuple[str, str], list[float]] = {}
    for _ in range(options.rounds):
        for setting in SETTINGS:
            for case, models in cases.items():
                if setting.turns and case != "both":
                    continue  # alone, nobody takes turns: it is the setting without them
                speed = await measure(setting, models, options.seconds)
                results.setdefault((setting.name, case), []).append(speed)
    base = statistics.median(results["library's default", "both"])
    print(f"{'setting':26}{'first':>8}{'second':>8}{'both':>8}{'both / default':>16}")
    for setting in SETTINGS:
        medians = {case: statistics.median(results.get((setting.name, case), [float("nan")])) for case in cases}
        row = "".join(f"{medians[case]:8.1f}" for case in cases)
        print(f"{setting.name:26}{row}{medians['both'] / base:16.1f}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("first", type=Path)
    arguments.add_argument("second", type=Path)
    arguments.add_argument("--seconds", type=float, default=6.0)
    arguments.add_argument("--rounds", type=int, default=2)
    uvloop.run(main(arguments.parse_args()))
