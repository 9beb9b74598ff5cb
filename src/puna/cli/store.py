"""The commands about the store itself, which need no server: fsck and prune."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from puna import config
from puna.cli.command import Command, exactly
from puna.cli.here import local_store
from puna.cli.progress import reporting
from puna.errors import StoreError
from puna.events import Progress
from puna.sizes import size

if TYPE_CHECKING:
    from puna.store.blobs import BlobFile
    from puna.store.checking import Checked, Damage
    from puna.store.mending import Outcome
    from puna.store.models import Store
    from puna.store.pruning import Leftovers

_VARIABLES = ("OLLAMA_HOST", "OLLAMA_MODELS")


@click.command("fsck", cls=Command, count=exactly(0), variables=_VARIABLES)
@click.argument("args", nargs=-1, metavar="")
@click.option("--repair", is_flag=True, help="fetch again what can be had, set aside what cannot, prune")
@click.option("--insecure", is_flag=True, help="fetch also over HTTP, and HTTPS without a trusted certificate")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def fsck(args: tuple[str, ...], repair: bool, insecure: bool, as_json: bool) -> int:  # noqa: ARG001 - counted
    """Check every model and blob in the store; exit status 1 when something is damaged."""
    from puna.store.checking import check  # noqa: PLC0415 - a help page needs none of it

    store = local_store()
    began = time.monotonic()
    with reporting(sys.stderr) as report:
        checked = check(store, lambda done, total: report(Progress(f"checking {store.root}", "", total, done)))
    seconds = time.monotonic() - began
    outcomes: list[Outcome] = _mended(store, checked.damage, insecure=insecure) if repair else []
    removed = _pruned(store) if repair else None
    if as_json:
        click.echo(json.dumps(_as_json(store, checked, outcomes, removed, seconds), indent=2))
    else:
        _print_damage(checked.damage, outcomes)
        _print_summary(checked, removed, seconds)
    return int(len(checked.damage) > sum(outcome.mended for outcome in outcomes))


def _mended(store: Store, damage: Iterable[Damage], *, insecure: bool) -> list[Outcome]:
    from puna.service.refetching import Refetching  # noqa: PLC0415 - needed only when something is damaged
    from puna.store.mending import mend  # noqa: PLC0415

    settings = config.read(os.environ)
    with reporting(sys.stderr) as report:
        source = Refetching(
            store,
            connections=settings.max_transfers,
            report=report,
            insecure=insecure,
            any_layout=bool(settings.llama_server),
        )
        return [mend(store, each, source) for each in damage]


def _pruned(store: Store) -> Leftovers | None:
    try:
        return store.prune()
    except StoreError as error:
        click.echo(f"Warning: nothing was pruned: {error}", err=True)
        return None


def _print_damage(damage: tuple[Damage, ...], outcomes: list[Outcome]) -> None:
    for at, each in enumerate(damage):
        models = ", ".join(name.short for name in each.models) or "no model"
        what = f"{models}: {each.problem}" if each.blob is None else f"{each.blob}: {each.problem}"
        click.echo(what)
        click.echo(f"    {each.path}")
        if each.blob is not None:
            click.echo(f"    needed by {models}")
        click.echo(f"    {outcomes[at].text if outcomes else _advice(each)}")


def _advice(damage: Damage) -> str:
    if damage.kind == "unreadable":
        return "see to it that it can be read"
    if not damage.models:
        return "puna fsck --repair removes it"
    if damage.kind == "manifest":
        return "puna fsck --repair fetches it again, if the model came from a registry; else remove it with puna rm"
    return (
        "puna fsck --repair fetches it again, if the model came from a registry; else it makes room for what comes "
        "when the model is created or imported again"
    )


def _print_summary(checked: Checked, removed: Leftovers | None, seconds: float) -> None:
    rate = size(int(checked.size / max(seconds, 1e-3)))
    found = f"{len(checked.damage)} damaged" if checked.damage else "nothing is damaged"
    what = f"{_counted(checked.models, 'model')} and {_counted(checked.blobs, 'blob')} of {size(checked.size)}"
    click.echo(f"{what} checked in {seconds:.1f} s ({rate}/s): {found}")
    left = checked.leftovers
    if removed is not None and removed.going:
        click.echo(f"removed {_counted(len(removed.going), 'file')} of {_size(removed.going)} that no model needs")
    elif left is not None and left.going:
        click.echo(
            f"{_counted(len(left.going), 'file')} of {_size(left.going)} no model needs: puna prune removes them"
        )
    if left is not None and left.resumable:
        click.echo(
            f"{_size(left.resumable)} of unfinished downloads can be resumed: puna prune --partials removes them"
        )


def _as_json(
    store: Store, checked: Checked, outcomes: list[Outcome], removed: Leftovers | None, seconds: float
) -> dict[str, Any]:
    left = removed or checked.leftovers
    return {
        "store": str(store.root),
        "models": checked.models,
        "blobs": checked.blobs,
        "bytes": checked.size,
        "seconds": round(seconds, 3),
        "damage": [
            {
                "kind": each.kind,
                "problem": each.problem,
                "path": str(each.path),
                "digest": None if each.blob is None else str(each.blob),
                "models": [name.short for name in each.models],
                **({"repaired": outcomes[at].mended, "repair": outcomes[at].text} if outcomes else {}),
            }
            for at, each in enumerate(checked.damage)
        ],
        "pruned": removed is not None,
        "leftovers": None if left is None else _leftovers(left),
    }


def _leftovers(left: Leftovers) -> dict[str, Any]:
    kinds = {"blobs": left.blobs, "unfinished": left.unfinished, "partials": left.partials}
    kinds |= {"young": left.young, "resumable": left.resumable}
    return {kind: {"files": len(files), "bytes": sum(file.size for file in files)} for kind, files in kinds.items()}


@click.command("prune", cls=Command, count=exactly(0), variables=_VARIABLES)
@click.argument("args", nargs=-1, metavar="")
@click.option("--partials", is_flag=True, help="remove downloads that could be resumed, too")
@click.option("--dry-run", is_flag=True, help="only tell what would be removed")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def prune(args: tuple[str, ...], *, partials: bool, dry_run: bool, as_json: bool) -> None:  # noqa: ARG001 - counted
    """Remove the files in the store that no model needs."""
    store = local_store()
    found = store.prune(partials=partials, dry_run=dry_run)
    if as_json:
        removed = [{"path": str(file.path), "size": file.size} for file in found.going]
        click.echo(json.dumps({"dry_run": dry_run, "removed": removed, "leftovers": _leftovers(found)}, indent=2))
        return
    for file in found.going:
        click.echo(f"{'would remove' if dry_run else 'removed'} {file.path.name} ({size(file.size)})")
    click.echo(f"{_counted(len(found.going), 'file')}, {_size(found.going)}")
    if found.young:
        click.echo(
            f"{_counted(len(found.young), 'file')} of {_size(found.young)} may belong to a model that is being made or "
            "pulled, and stay"
        )
    if found.resumable:
        click.echo(f"{_size(found.resumable)} of unfinished downloads can be resumed, and stay; see --partials")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _size(files: Iterable[BlobFile]) -> str:
    return size(sum(file.size for file in files))
