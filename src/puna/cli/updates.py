"""The commands about newer versions of models: outdated and update."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from puna.cli.command import Command, connected, exactly, model_name, screen_columns
from puna.cli.tables import table
from puna.cli.transfer import fetch, parse_rate
from puna.cli.waiting import waiting
from puna.errors import PunaError
from puna.names import Digest, ModelName
from puna.sizes import size
from puna.store.formats import noted_version

if TYPE_CHECKING:
    from puna.client import Client
    from puna.service.versions import Published
    from puna.types import ModelSummary

_ID_DIGITS = 12


_NAMED = 5
"""How many models are named in a line before the rest are only counted."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """A model of the server's, by its ``digest`` or the version of the files it is made of, and what is published."""

    digest: str
    published: Published

    @property
    def name(self) -> str:
        return self.published.name.short

    @property
    def outdated(self) -> bool:
        return self.published.digest is not None and self.published.digest.hex != self.digest


@click.command("outdated", cls=Command, count=exactly(0))
@click.argument("args", nargs=-1, metavar="")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@click.option("--insecure", is_flag=True, help="allow HTTP, and HTTPS without a trusted certificate")
def outdated(args: tuple[str, ...], as_json: bool, insecure: bool) -> int:  # noqa: ARG001 - counted by Command
    """List the models whose registries have another version now."""
    with connected() as client:
        compared, skipped = _compared(client, None, insecure=insecure)
        found = [(each, _missing_bytes(client, each)) for each in compared if each.outdated]
    failed = [each for each in compared if each.published.error is not None]
    if as_json:
        click.echo(json.dumps(_as_json(found, compared, failed, skipped), indent=2))
    else:
        rows = (
            (each.name, each.digest[:_ID_DIGITS], _latest(each).hex[:_ID_DIGITS], size(missing))
            for each, missing in found
        )
        click.echo(table(("NAME", "ID", "LATEST", "DOWNLOAD"), rows, screen_columns()), nl=False)
        _warn(failed)
        _tell_of(skipped)
    return int(bool(failed))


@click.command("update", cls=Command)
@click.argument("args", nargs=-1, metavar="[MODEL...]")
@click.option("--all", "everything", is_flag=True, help="update every model that is outdated")
@click.option("--insecure", is_flag=True, help="allow HTTP, and HTTPS without a trusted certificate")
@click.option("--limit-rate", default="", metavar="RATE", help="bytes per second at most, such as 500k or 2M")
def update(args: tuple[str, ...], everything: bool, insecure: bool, limit_rate: str) -> int:
    """Fetch the versions of models that their registries have now."""
    if everything == bool(args):
        raise click.UsageError("name the models to update, or say --all")
    rate, failures = parse_rate(limit_rate), 0
    with connected() as client:
        compared, skipped = _compared(client, args or None, insecure=insecure)
        failed = [each for each in compared if each.published.error is not None]
        _warn(failed)
        _tell_of(skipped)
        for each in compared:
            if each.outdated:
                failures += not _updated(client, each, insecure=insecure, rate=rate)
            elif args and each.published.digest is not None:
                click.echo(f"'{each.name}' is up to date")
            elif args and each.published.error is None:
                failures += 1
                click.echo(f"Warning: '{each.name}' is not in its registry", err=True)
    return int(bool(failures or failed))


def _updated(client: Client, model: _Compared, *, insecure: bool, rate: int) -> bool:
    try:
        fetch(client, model.name, insecure=insecure, limit_rate=rate)
    except PunaError as error:
        click.echo(f"Warning: '{model.name}' was not updated: {error}", err=True)
        return False
    click.echo(f"updated '{model.name}'")
    return True


def _compared(
    client: Client, wanted: Sequence[str] | None, *, insecure: bool
) -> tuple[list[_Compared], list[ModelName]]:
    """The models ``wanted``, or all that were pulled, and what their registries have; and those that are left out."""
    from puna.service.versions import published  # noqa: PLC0415 - takes long to import

    models = {ModelName.parse(model.name): model for model in client.list() if not model.remote_model}
    # What was made here says of what; a published model of the same name is another one, and must not replace it.
    made = [name for name, model in models.items() if not _was_pulled(name, model.details.parent_model)]
    pulled = [name for name in models if name not in made]
    names = pulled if wanted is None else [_found(name, models) for name in wanted]
    with waiting(sys.stderr):
        answers = asyncio.run(published(names, insecure=insecure))
    compared = [_Compared(_version(models[name], answer), answer) for name, answer in zip(names, answers, strict=True)]
    return compared, made if wanted is None else []


def _was_pulled(name: ModelName, parent: str) -> bool:
    return not parent or noted_version(parent, name.short) is not None


def _version(model: ModelSummary, published: Published) -> str:
    """What tells the version that is here from others of what is published so."""
    files = published.files
    noted = noted_version(model.details.parent_model, files.origin) if files else None
    return noted.hex if noted else model.digest


def _found(text: str, here: Iterable[ModelName]) -> ModelName:
    wanted = model_name(text)
    for name in here:
        if name.same_as(wanted):
            return name
    raise click.ClickException(f"model '{text}' not found")


def _latest(model: _Compared) -> Digest:
    assert model.published.digest is not None, "it is outdated"
    return model.published.digest


def _missing_bytes(client: Client, model: _Compared) -> int:
    manifest, files = model.published.manifest, model.published.files
    blobs = {file.key: file.size for file in files.files} if files else {}
    if manifest is not None:
        blobs |= {layer.blob: layer.size for layer in (manifest.config, *(manifest.layers or ()))}
    return sum(size for digest, size in blobs.items() if not client.has_blob(digest))


def _warn(failed: Iterable[_Compared]) -> None:
    """Say what cannot be compared; of a host that cannot be reached, which they have in common, once."""
    alike: dict[int, list[_Compared]] = {}
    for each in failed:
        alike.setdefault(id(each.published.error), []).append(each)
    for group in alike.values():
        names = _named([each.name for each in group])
        click.echo(f"Warning: {names} cannot be compared: {group[0].published.error}", err=True)


def _tell_of(skipped: Sequence[ModelName]) -> None:
    if skipped:
        names = _named([name.short for name in skipped])
        click.echo(f"not compared, since made here: {names} (puna update MODEL compares one)", err=True)


def _named(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(f"'{name}'" for name in names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _as_json(
    found: Sequence[tuple[_Compared, int]],
    compared: Sequence[_Compared],
    failed: Sequence[_Compared],
    skipped: Sequence[ModelName],
) -> dict[str, object]:
    return {
        "outdated": [
            {"name": each.name, "digest": each.digest, "latest": _latest(each).hex, "download": missing}
            for each, missing in found
        ],
        "unpublished": [
            each.name for each in compared if each.published.digest is None and each.published.error is None
        ],
        "skipped": [name.short for name in skipped],
        "failed": [{"name": each.name, "error": str(each.published.error)} for each in failed],
    }
