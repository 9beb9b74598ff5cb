"""The commands about models that are there: list, ps, show, stop, cp, rm."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from puna.cli.command import Command, at_least, connected, exactly, screen_columns
from puna.cli.tables import moment, relative, table
from puna.sizes import size

if TYPE_CHECKING:
    from puna.types import ModelSummary, RunningModel

_ID_DIGITS = 12
_PARTS = ("license", "modelfile", "parameters", "system", "template")


def summaries(models: Sequence[ModelSummary], now: datetime, columns: int | None = None) -> str:
    """The table that ``list`` prints on ``columns`` of a terminal; None: as many as it takes."""
    rows = (
        (
            model.name,
            model.digest[:_ID_DIGITS],
            "-" if model.remote_model else size(model.size),
            relative(moment(model.modified), now),
        )
        for model in models
    )
    return table(("NAME", "ID", "SIZE", "MODIFIED"), rows, columns)


def running(models: Sequence[RunningModel], now: datetime, columns: int | None = None) -> str:
    """The table that ``ps`` prints, as ``summaries``."""
    rows = (
        (
            model.name,
            model.digest[:_ID_DIGITS],
            size(model.size),
            _processor(model),
            str(model.context_length),
            _until(moment(model.expires), now),
        )
        for model in models
    )
    return table(("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"), rows, columns)


def _processor(model: RunningModel) -> str:
    if model.size_vram == 0:
        return "100% CPU"
    if model.size_vram == model.size:
        return "100% GPU"
    if model.size_vram > model.size or model.size == 0:
        return "Unknown"
    cpu = int(100 * (model.size - model.size_vram) / model.size + 0.5)
    return f"{cpu}%/{100 - cpu}% CPU/GPU"


def _until(then: datetime | None, now: datetime) -> str:
    return "Stopping..." if then is not None and then < now else relative(then, now)


def begins(name: str, prefix: str) -> bool:
    """Whether a model's ``name`` begins with ``prefix``, in capitals or not."""
    return name.lower().startswith(prefix.lower())


def _print_json(value: Mapping[str, Any]) -> None:
    # What the encoding of standard output lacks would be lost; escaped, all of it is there.
    ascii_only = sys.stdout.encoding.lower() not in ("utf-8", "utf8")
    click.echo(json.dumps(value, indent=2, ensure_ascii=ascii_only))


def _print_models(answer: Mapping[str, Any], args: Sequence[str]) -> None:
    """Print the models of ``answer`` whose names begin with the argument, with all that the server says of them."""
    models = [model for model in answer.get("models") or () if begins(model.get("name") or "", "".join(args[:1]))]
    _print_json({**answer, "models": models})


@click.command("list", cls=Command)
@click.argument("args", nargs=-1, metavar="[PREFIX]")
@click.option("--json", "as_json", is_flag=True, help="print what the API says, /api/tags")
def list_models(args: tuple[str, ...], *, as_json: bool) -> None:
    """List the models in the store."""
    with connected() as client:
        if as_json:
            _print_models(client.answer("/api/tags"), args)
            return
        models = [model for model in client.list() if begins(model.name, "".join(args[:1]))]
    click.echo(summaries(models, datetime.now(UTC), screen_columns()), nl=False)


@click.command("ps", cls=Command)
@click.argument("args", nargs=-1, metavar="[PREFIX]")
@click.option("--json", "as_json", is_flag=True, help="print what the API says, /api/ps")
def list_running(args: tuple[str, ...], *, as_json: bool) -> None:
    """List the models in memory."""
    with connected() as client:
        if as_json:
            _print_models(client.answer("/api/ps"), args)
            return
        models = [model for model in client.running() if begins(model.name, "".join(args[:1]))]
    click.echo(running(models, datetime.now(UTC), screen_columns()), nl=False)


@click.command("show", cls=Command, count=exactly(1))
@click.argument("args", nargs=-1, metavar="MODEL")
@click.option("--license", "parts", flag_value="license", multiple=True, help="print the license")
@click.option("--modelfile", "parts", flag_value="modelfile", multiple=True, help="print a Modelfile of the model")
@click.option("--parameters", "parts", flag_value="parameters", multiple=True, help="print the parameters")
@click.option("--system", "parts", flag_value="system", multiple=True, help="print the system message")
@click.option("--template", "parts", flag_value="template", multiple=True, help="print the template")
@click.option("-v", "--verbose", is_flag=True, help="print all metadata and tensors too")
@click.option("--json", "as_json", is_flag=True, help="print what the API says, /api/show")
def show(args: tuple[str, ...], *, parts: tuple[str, ...], verbose: bool, as_json: bool) -> None:
    """Show what is known about a model."""
    with connected() as client:
        if len(set(parts)) > 1:
            flags = [f"'--{part}'" for part in _PARTS]
            raise click.UsageError(f"only one of {', '.join(flags[:-1])}, or {flags[-1]} can be specified")
        if as_json:
            answer = client.answer("/api/show", {"model": args[0]} | ({"verbose": True} if verbose else {}))
            _print_json({part: answer.get(part, "") for part in parts} or answer)
            return
        model = client.show(args[0], verbose=verbose)
    match parts:
        case ():
            from puna.cli.showing import describe  # noqa: PLC0415 - a part of a model is printed as it is

            click.echo(describe(model, verbose=verbose, columns=screen_columns()), nl=False)
        case ("system", *_):
            click.echo(model.system, nl=False)
        case ("template", *_):
            click.echo(model.template, nl=False)
        case (part, *_):
            click.echo(getattr(model, part))


@click.command("stop", cls=Command, count=exactly(1))
@click.argument("args", nargs=-1, metavar="MODEL")
def stop(args: tuple[str, ...]) -> None:
    """Free the memory that a model takes."""
    from puna.client import ApiError  # noqa: PLC0415 - see connected

    with connected() as client:
        try:
            client.unload(args[0])
        except ApiError as error:
            if error.code == 404:
                raise click.ClickException(f'couldn\'t find model "{args[0]}" to stop') from error
            raise


@click.command("cp", cls=Command, count=exactly(2))
@click.argument("args", nargs=-1, metavar="SOURCE DESTINATION")
def copy(args: tuple[str, ...]) -> None:
    """Give a model a second name."""
    source, destination = args
    with connected() as client:
        client.copy(source, destination)
    click.echo(f"copied '{source}' to '{destination}'")


@click.command("rm", cls=Command, count=at_least(1))
@click.argument("args", nargs=-1, metavar="MODEL...")
def remove(args: tuple[str, ...]) -> None:
    """Remove models from the store."""
    from puna.client import ApiError  # noqa: PLC0415 - see connected

    with connected() as client:
        for model in args:
            try:
                client.unload(model)
            except ApiError as error:
                if error.code != 404:
                    click.echo(f"Warning: unable to stop model '{model}'", err=True)
            client.delete(model)
            click.echo(f"deleted '{model}'")
