"""How engines wait for their threads, and what that costs: tokens per second of each setting, alone and together.

    python bench/cpu.py FIRST.gguf SECOND.gguf [--seconds 2] [--rounds 8]

Each process has a thread per physical core unless said. Every setting is measured on the first model alone, on the
second alone, on both generating at once, and on the first beside a program that keeps a core busy. All settings of a
case are loaded together and generate one after the other in short windows, round after round, so that a machine that
drifts is unfair to none.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from puna.engine import LoadSpec, Sampling, openmp
from puna.engine.llamacpp import LlamaCpp, LlamaCppModel
from puna.events import Piece
from puna.options import Options
from puna.scheduler.machine import physical_cores
from puna.types import Prompt

WARM_UP_SECONDS = 0.4
BESIDE = "first, beside a loop"


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to wait; the runtime is the system's, GNU's, unless ``balanced``: then it is as puna sets it up."""

    name: str
    environ: tuple[tuple[str, str], ...] = ()
    threads: int = 0
    balanced: bool = False


SETTINGS = (
    Setting("GNU, default"),
    Setting("GNU, passive", (("OMP_WAIT_POLICY", "PASSIVE"),)),
    Setting("GNU, spin 1000", (("GOMP_SPINCOUNT", "1000"),)),
    Setting("GNU, spin 10000", (("GOMP_SPINCOUNT", "10000"),)),
    Setting("GNU, one thread", threads=1),
    Setting("LLVM, default", (("OMP_DYNAMIC", "false"),), balanced=True),
    Setting("LLVM, balanced (puna)", balanced=True),
)


async def generate(model: LlamaCppModel, counts: dict[str, int]) -> None:
    """Generate for ever, counting pieces."""
    name = model.spec.model.name
    while True:
        sampling = Sampling(Options(temperature=0.8, seed=1), max_tokens=3000, num_ctx=4096)
        async with aclosing(model.generate(Prompt("Once upon a time there was"), sampling)) as pieces:
            async for piece in pieces:
                counts[name] += isinstance(piece, Piece)


@contextmanager
def busy_process(*, wanted: bool) -> Iterator[None]:
    """Another program that wants a core, as a compiler would."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def load(setting: Setting, models: list[Path]) -> list[LlamaCppModel]:
    """Load ``models`` as ``setting`` says."""
    threads = setting.threads or physical_cores()
    environ = os.environ | dict(setting.environ)
    engine = LlamaCpp(environ=openmp.environment(environ) if setting.balanced else environ)
    return [await engine.load(LoadSpec(model, 2048, 1, threads)) for model in models]


async def window(loaded: list[LlamaCppModel], seconds: float) -> float:
    """Tokens per second of all of ``loaded`` generating for ``seconds``."""
    counts = dict.fromkeys((model.spec.model.name for model in loaded), 0)
    tasks = [asyncio.create_task(generate(model, counts)) for model in loaded]
    await asyncio.sleep(WARM_UP_SECONDS)
    before, started = sum(counts.values()), time.perf_counter()
    await asyncio.sleep(seconds)
    speed = (sum(counts.values()) - before) / (time.perf_counter() - started)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return speed


async def measure(case: str, models: list[Path], options: argparse.Namespace) -> None:
    """Print a table of the settings on one case."""
    settings = [one for one in SETTINGS if re.search(options.only, one.name)]
    loaded = [await load(setting, models) for setting in settings]
    speeds: list[list[float]] = [[] for _ in settings]
    with busy_process(wanted=case == BESIDE):
        for _ in range(options.rounds):
            for engines, runs in zip(loaded, speeds, strict=True):
                runs.append(await window(engines, options.seconds))
    for engines in loaded:
        for model in engines:
            await model.close()
    best = max(statistics.median(runs) for runs in speeds)
    print(f"\n{case}: tokens/s, median (lowest to highest), share of the best")
    for setting, runs in zip(settings, speeds, strict=True):
        middle = statistics.median(runs)
        print(
            f"  {setting.name:26}{middle:8.1f} ({min(runs):5.1f} to {max(runs):5.1f}){middle / best:8.2f}", flush=True
        )


async def main(options: argparse.Namespace) -> None:
    cases = {
        "first": [options.first],
        "second": [options.second],
        "both": [options.first, options.second],
        BESIDE: [options.first],
    }
    for case, models in cases.items():
        if re.search(options.cases, case):
            await measure(case, models, options)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("first", type=Path)
    arguments.add_argument("second", type=Path)
    arguments.add_argument("--seconds", type=float, default=2.0)
    arguments.add_argument("--rounds", type=int, default=8)
    arguments.add_argument("--only", default="", help="a pattern that the settings' names must match")
    arguments.add_argument("--cases", default="", help="a pattern that the cases' names must match")
    uvloop.run(main(arguments.parse_args()))
