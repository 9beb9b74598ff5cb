"""The commands that carry models in a file from store to store, which need no server: export and import."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from puna.cli.command import Command, at_least, exactly, model_name
from puna.cli.here import local_store
from puna.cli.progress import reporting
from puna.events import Progress

_VARIABLES = ("OLLAMA_HOST", "OLLAMA_MODELS")
_PIPE = "-"


@click.command("export", cls=Command, count=at_least(2), variables=_VARIABLES)
@click.argument("args", nargs=-1, metavar="MODEL... FILE")
def export(args: tuple[str, ...]) -> None:
    """Write models to a tar archive, - for standard output, that "puna import" reads."""
    from puna.store import archive  # noqa: PLC0415 - a help page needs none of it

    *models, target = args
    names = [model_name(model) for model in models]
    store = local_store()
    parcels = archive.parcels(store, names)
    total = archive.total_size(parcels)
    status = f"exporting {', '.join(parcel.name.short for parcel in parcels)}"
    with reporting(sys.stderr) as report, _opened_for_writing(target) as out:
        archive.export(store, parcels, out, _summed(lambda done: report(Progress(status, "", total, done))))


@click.command("import", cls=Command, count=exactly(1), variables=_VARIABLES)
@click.argument("args", nargs=-1, metavar="FILE")
@click.option("--as", "alias", default="", metavar="MODEL", help="name of the only model in the archive")
def load(args: tuple[str, ...], alias: str) -> None:
    """Read models from a tar archive, - for standard input, in the layout of OCI images."""
    from puna.store import archive  # noqa: PLC0415 - see export

    name = model_name(alias) if alias else None
    store = local_store(make=True)
    with reporting(sys.stderr) as report, _opened_for_reading(args[0]) as source:
        total = 0 if args[0] == _PIPE else os.fstat(source.fileno()).st_size
        told = _summed(lambda done: report(Progress(f"importing {args[0]}", "", total, min(done, total))))
        found = archive.load(store, source, told, name=name)
    for imported in found:
        click.echo(f"imported '{imported.short}'")


def _summed(report: Callable[[int], None]) -> Callable[[int], None]:
    done = 0

    def add(size: int) -> None:
        nonlocal done
        done += size
        report(done)

    return add


@contextmanager
def _opened_for_writing(target: str) -> Iterator[IO[bytes]]:
    """The file ``target``, which appears when it is complete, and does not else."""
    if target == _PIPE:
        out = sys.stdout.buffer
        if out.isatty():
            raise click.UsageError("an archive is nothing for a terminal: name a file, or use a pipe")
        yield out
        out.flush()
        return
    path = Path(target)
    if path.exists() and not path.is_file():
        with path.open("wb") as out:  # a named pipe, or a device
            yield out
        return
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("wb") as out:
            yield out
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _opened_for_reading(source: str) -> Iterator[IO[bytes]]:
    if source == _PIPE:
        yield sys.stdin.buffer
        return
    with Path(source).open("rb") as file:
        yield file
