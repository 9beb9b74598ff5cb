"""The command ``bench``: how fast a model is here, alone and asked many times at once."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from queue import Empty, SimpleQueue
from statistics import median
from typing import TYPE_CHECKING

import click

from puna.cli.command import Command, connected, exactly, screen_columns
from puna.cli.progress import reporting
from puna.cli.tables import table
from puna.diagnosis.speed import Speed, probe, speed
from puna.events import Done, Progress, Text, Thinking
from puna.names import ModelName
from puna.types import GenerateRequest

if TYPE_CHECKING:
    from puna.client import Client

_SIGNAL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Together:
    """Several answers at once: ``tokens_per_second`` of all of them, medians of the rest in seconds."""

    requests: int
    tokens_per_second: float
    first_token: float


@click.command("bench", cls=Command, count=exactly(1))
@click.argument("args", nargs=-1, metavar="MODEL")
@click.option("--prompt", "prompt_tokens", default=512, type=click.IntRange(8), help="tokens to read (512)")
@click.option("--tokens", default=128, type=click.IntRange(1), help="tokens to write (128)")
@click.option("--rounds", default=3, type=click.IntRange(1), help="how many times; medians are printed (3)")
@click.option("--parallel", default=4, type=click.IntRange(1), help="requests at once, at the end (4; 1: none)")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def bench(args: tuple[str, ...], *, prompt_tokens: int, tokens: int, rounds: int, parallel: int, as_json: bool) -> None:
    """Measure how fast a model reads prompts and writes answers."""
    model, seed = args[0], time.time_ns()
    with connected() as client, reporting(sys.stderr) as report:
        report(Progress(f"loading {model}"))
        load = _load(client, model)
        alone = []
        for at in range(rounds):
            report(Progress(f"reading {prompt_tokens} tokens and writing {tokens}, {at + 1} of {rounds}"))
            alone.append(_asked(client, probe(model, prompt_tokens=prompt_tokens, tokens=tokens, seed=seed + at)))
        together = None
        if parallel > 1:
            report(Progress(f"writing {tokens} tokens, {parallel} at once"))
            # Their prompts are short: what is measured is writing.
            together = _together(
                client, [probe(model, prompt_tokens=8, tokens=tokens, seed=seed - at) for at in range(parallel)]
            )
    if as_json:
        click.echo(json.dumps(_as_json(model, load, alone, together), indent=2))
    else:
        click.echo(_in_words(load, alone, together, screen_columns()), nl=False)


def _load(client: Client, model: str) -> float:
    """The seconds it took to load the model; 0.0: it was in memory."""
    name = ModelName.parse(model)
    if any(ModelName.parse(running.name) == name for running in client.running()):
        return 0.0
    began = time.perf_counter()
    with closing(client.generate(GenerateRequest(model=model))) as events:
        for _ in events:
            pass
    return time.perf_counter() - began


def _asked(client: Client, request: GenerateRequest) -> tuple[Speed, float]:
    """What the answer took, and the seconds to its first token."""
    began, seen = time.perf_counter(), 0.0
    with closing(client.generate(request)) as events:
        for event in events:
            if isinstance(event, Text | Thinking) and not seen:
                seen = time.perf_counter() - began
            if isinstance(event, Done):
                return speed(event), seen
    raise AssertionError("an answer ends with Done")


def _together(client: Client, requests: Sequence[GenerateRequest]) -> Together:
    told: SimpleQueue[tuple[Speed, float] | Exception] = SimpleQueue()

    def ask(request: GenerateRequest) -> None:
        try:
            told.put(_asked(client, request))
        except Exception as error:  # noqa: BLE001 - it is raised where the answers are waited for
            told.put(error)

    began = time.perf_counter()
    for request in requests:
        threading.Thread(target=ask, args=(request,), daemon=True).start()  # Ctrl+C waits for no answer
    answers: list[tuple[Speed, float]] = []
    while len(answers) < len(requests):
        try:
            # Not for ever: a signal that comes just before the waiting begins does not end it.
            answer = told.get(timeout=_SIGNAL_SECONDS)
        except Empty:
            continue
        if isinstance(answer, Exception):
            raise answer
        answers.append(answer)
    seconds = time.perf_counter() - began
    written = sum(measured.tokens for measured, _ in answers)
    return Together(len(requests), written / seconds, median(first for _, first in answers))


def _in_words(
    load: float, alone: Sequence[tuple[Speed, float]], together: Together | None, columns: int | None = None
) -> str:
    speeds = [measured for measured, _ in alone]
    read, wrote = median(each.prompt for each in speeds), median(each.writing for each in speeds)
    waited = median(seconds for _, seconds in alone)
    rows = [
        ("prompt", str(speeds[0].prompt_tokens), f"{read:.1f}", ""),
        ("answer", str(speeds[0].tokens), f"{wrote:.1f}", f"{waited:.3f} s"),
    ]
    if together is not None:
        name, waited = f"{together.requests} at once", together.first_token
        rows.append((name, str(speeds[0].tokens), f"{together.tokens_per_second:.1f}", f"{waited:.3f} s"))
    loaded = f"loaded in {load:.2f} s\n\n" if load else ""
    return loaded + table(("", "TOKENS", "TOKENS/S", "FIRST TOKEN"), rows, columns)


def _as_json(model: str, load: float, alone: Sequence[tuple[Speed, float]], together: Together | None) -> object:
    return {
        "model": model,
        "load_seconds": load,
        "rounds": [
            {
                "prompt_tokens": measured.prompt_tokens,
                "prompt_tokens_per_second": measured.prompt,
                "tokens": measured.tokens,
                "tokens_per_second": measured.writing,
                "first_token_seconds": seconds,
            }
            for measured, seconds in alone
        ],
        "parallel": None if together is None else asdict(together),
    }
