"""The commands about models that are there: list, ps, show, stop, cp, rm."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import click

from puna.cli.command import Command, at_least, connected, exactly
from puna.cli.showing import describe
from puna.cli.tables import moment, relative, size, table
from puna.types import ModelSummary, RunningModel

_ID_DIGITS = 12
_PARTS = ("license", "modelfile", "parameters", "system", "template")


def summaries(models: tuple[ModelSummary, ...], now: datetime) -> str:
    """The table that ``list`` prints."""
    rows = (
        (
            model.name,
            model.digest[:_ID_DIGITS],
            "-" if model.remote_model else size(model.size),
            relative(moment(model.modified), now),
        )
        for model in models
    )
    return table(("NAME", "ID", "SIZE", "MODIFIED"), rows)


def running(models: tuple[RunningModel, ...], now: datetime) -> str:
    """The table that ``ps`` prints."""
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
    return table(("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"), rows)


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


_Model = TypeVar("_Model", ModelSummary, RunningModel)


def _named(models: tuple[_Model, ...], prefix: str) -> tuple[_Model, ...]:
    return tuple(model for model in models if model.name.lower().startswith(prefix.lower()))


@click.command("list", cls=Command)
@click.argument("args", nargs=-1, metavar="[PREFIX]")
def list_models(args: tuple[str, ...]) -> None:
    """List the models in the store."""
    with connected() as client:
        models = _named(client.list(), "".join(args[:1]))
    click.echo(summaries(models, datetime.now(UTC)), nl=False)


@click.command("ps", cls=Command)
@click.argument("args", nargs=-1, metavar="[PREFIX]")
def list_running(args: tuple[str, ...]) -> None:
    """List the models in memory."""
    with connected() as client:
        models = _named(client.running(), "".join(args[:1]))
    click.echo(running(models, datetime.now(UTC)), nl=False)


@click.command("show", cls=Command, count=exactly(1))
@click.argument("args", nargs=-1, metavar="MODEL")
@click.option("--license", "parts", flag_value="license", multiple=True, help="print the license")
@click.option("--modelfile", "parts", flag_value="modelfile", multiple=True, help="print a Modelfile of the model")
@click.option("--parameters", "parts", flag_value="parameters", multiple=True, help="print the parameters")
@click.option("--system", "parts", flag_value="system", multiple=True, help="print the system message")
@click.option("--template", "parts", flag_value="template", multiple=True, help="print the template")
@click.option("-v", "--verbose", is_flag=True, help="print all metadata and tensors too")
def show(args: tuple[str, ...], parts: tuple[str, ...], verbose: bool) -> None:
    """Show what is known of a model."""
    with connected() as client:
        if len(set(parts)) > 1:
            flags = [f"'--{part}'" for part in _PARTS]
            raise click.UsageError(f"only one of {', '.join(flags[:-1])}, or {flags[-1]} can be specified")
        model = client.show(args[0], verbose=verbose)
    match parts:
        case ():
            click.echo(describe(model, verbose=verbose), nl=False)
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
