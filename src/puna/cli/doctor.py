"""The command ``doctor``: what puna finds on this machine, how fast it is here, and what to do about what is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING

import click

from puna import config
from puna.cli.command import Command, exactly, screen_columns
from puna.cli.tables import folded
from puna.cli.tables import section as laid_out
from puna.cli.waiting import waiting
from puna.diagnosis import Finding, Section, engine, machine, serving, settings, store
from puna.diagnosis.speed import Speed, probe, speed
from puna.errors import PunaError
from puna.events import Done
from puna.sizes import size
from puna.types import GenerateRequest, ModelSummary

if TYPE_CHECKING:
    from puna.client import Client

_PROMPT_TOKENS, _TOKENS = 256, 48
_COMFORT = 4 * 10**9
"""Bytes of a model that people like to use."""


@click.command("doctor", cls=Command, count=exactly(0), variables=("OLLAMA_HOST", "OLLAMA_MODELS", "PUNA_LLAMA_SERVER"))
@click.argument("args", nargs=-1, metavar="")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@click.option("--skip-speed", is_flag=True, help="do not run a model to see how fast it is")
def doctor(args: tuple[str, ...], as_json: bool, skip_speed: bool) -> int:  # noqa: ARG001 - counted by Command
    """Look at machine, engine, store and server; say what is wrong and what to do. Exit status 1 on an error."""
    with waiting(sys.stderr):
        sections = _examined(config.read(os.environ), measured=not skip_speed)
    if as_json:
        click.echo(json.dumps(_as_json(sections), indent=2))
    else:
        click.echo(_in_words(sections, screen_columns()), nl=False)
    return int(any(found.severity == "error" for section in sections for found in section.findings))


def _examined(read: config.Settings, *, measured: bool) -> list[Section]:
    here = machine.look()
    server = serving.section(read.host)
    sections = [
        machine.section(here),
        engine.section(read.llama_server, here.instructions),
        store.section(read.models, here.memory),
        server,
        settings.section(os.environ),
    ]
    runs = not any(found.severity == "error" for section in sections for found in section.findings)
    if measured and runs:
        sections.append(_speed(read, through_server="version" in dict(server.facts)))
    return sections


def _speed(read: config.Settings, *, through_server: bool) -> Section:
    try:
        found = _of_server(read) if through_server else asyncio.run(_in_process(read))
    except PunaError as error:
        advice = "puna fsck looks for damage; OLLAMA_DEBUG=1 puna serve tells more"
        return Section("Speed", findings=(Finding("error", f"a model could not be run: {error}", advice),))
    if found is None:
        return Section("Speed", (("model", "none to measure with yet"),))
    model, measured = found
    facts = [("model", f"{model.name} ({size(model.size)})")]
    if measured.load > 0:
        facts.append(("load", f"{measured.load:.2f} s"))
    facts += [
        ("prompt", f"{measured.prompt:.0f} tokens/s"),
        ("answer", f"{measured.writing:.1f} tokens/s"),
        # Every token takes a walk through all weights, and memory is what limits it.
        (f"{size(_COMFORT)} model", f"about {measured.writing * model.size / _COMFORT:.2g} tokens/s, by its size"),
    ]
    return Section("Speed", tuple(facts))


def _of_server(read: config.Settings) -> tuple[ModelSummary, Speed] | None:
    from puna.client import Client  # noqa: PLC0415 - see command.connected

    with Client(read.host.url) as client:
        model = _smallest(client.list())
        return None if model is None else (model, _ask(client, _request(model)))


def _ask(client: Client, request: GenerateRequest) -> Speed:
    with closing(client.generate(request)) as events:
        return next(speed(event) for event in events if isinstance(event, Done))


async def _in_process(read: config.Settings) -> tuple[ModelSummary, Speed] | None:
    if not read.models.is_dir():
        return None
    from puna import server  # noqa: PLC0415 - only where none runs

    composed = server.compose(read)
    try:
        model = _smallest(composed.services.library.list())
        if model is None:
            return None
        async with aclosing(composed.services.chat.generate(_request(model))) as events:
            return model, await anext(speed(event) async for event in events if isinstance(event, Done))
    finally:
        await composed.close()


def _smallest(models: Sequence[ModelSummary]) -> ModelSummary | None:
    # A server that is no puna may leave the capabilities out; its embedding models say so by their family.
    able = [model for model in models if "embedding" not in model.capabilities and "bert" not in model.details.family]
    return min(able, key=lambda model: model.size, default=None)


def _request(model: ModelSummary) -> GenerateRequest:
    return probe(model.name, prompt_tokens=_PROMPT_TOKENS, tokens=_TOKENS, seed=os.getpid())


def _in_words(sections: Sequence[Section], columns: int | None) -> str:
    text = "".join(laid_out(section.title, section.facts, columns) for section in sections)
    found = [finding for section in sections for finding in section.findings]
    lines = "".join(f"{finding.severity}: {finding.problem}\n    → {finding.advice}\n" for finding in found)
    return text + ((lines if columns is None else folded(lines, columns)) or "Nothing is wrong.\n")


def _as_json(sections: Sequence[Section]) -> dict[str, object]:
    return {
        section.title.lower(): {
            "facts": dict(section.facts),
            "findings": [
                {"severity": found.severity, "problem": found.problem, "advice": found.advice}
                for found in section.findings
            ],
        }
        for section in sections
    }
