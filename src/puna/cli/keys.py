"""The command keys: who may use the server, kept in its state directory, whether it runs or not."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime

import click

from puna import config
from puna.cli.command import Command, Group, exactly, screen_columns
from puna.cli.here import is_here
from puna.cli.tables import moment, relative, table
from puna.service.keys import Key, KeyFile
from puna.service.rights import SCOPES, KeyScope

_VARIABLES = ("OLLAMA_HOST", "PUNA_STATE")
_RATE = re.compile(r"([1-9][0-9]{0,8})/min")


@click.group("keys", cls=Group)
@click.pass_context
def keys(ctx: click.Context) -> None:
    """Make, list and revoke the keys that callers of the server need.

    While there are none, everyone on this machine may use the server.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@keys.command("add", cls=Command, count=exactly(1), variables=_VARIABLES)
@click.argument("args", nargs=-1, metavar="NAME")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    metavar="|".join(SCOPES),
    help="what it is for: to use models (what it is without this flag), to add models, or everything; may be repeated",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="PATTERN",
    help='models it is for, such as "qwen3*"; may be repeated',
)
@click.option("--rate", default="", metavar="N/min", help="how many requests to models it may make a minute")
def add(args: tuple[str, ...], scopes: tuple[KeyScope, ...], models: tuple[str, ...], rate: str) -> None:
    """Make a key and print it. It cannot be shown again."""
    file = _file()
    if any(not pattern or pattern.isspace() for pattern in models):
        raise click.UsageError("--model must be the name of a model, or a pattern of names")
    secret, key = file.add(args[0], scopes=scopes or ("infer",), models=models, rate=_rate(rate))
    click.echo(f"The key {_described(key)}. It is not shown again.", err=True)
    click.echo(secret)
    click.echo(
        f"From now on the server that has {file.path} wants a key with every request.\n"
        "Programs send it as their API key; puna's commands take it from OLLAMA_API_KEY.",
        err=True,
    )


@keys.command("list", cls=Command, count=exactly(0), variables=_VARIABLES)
@click.argument("args", nargs=-1, metavar="")
@click.option("--json", "as_json", is_flag=True, help="print one JSON array")
def list_keys(args: tuple[str, ...], as_json: bool) -> None:  # noqa: ARG001 - counted
    """List the keys, and what each is for."""
    found = _file().read()
    if as_json:
        click.echo(json.dumps([_plain(key) for key in found], indent=2))
    else:
        click.echo(listing(found, datetime.now(UTC), screen_columns()), nl=False)


@keys.command("revoke", cls=Command, count=exactly(1), variables=_VARIABLES)
@click.argument("args", nargs=-1, metavar="NAME")
def revoke(args: tuple[str, ...]) -> None:
    """Forget a key, which is refused from then on."""
    left = _file().revoke(args[0])
    click.echo(f"revoked '{args[0]}'")
    if not left:
        click.echo(
            "No keys are left. A server that listens on this machine only lets in everyone on it, any other nobody.",
            err=True,
        )


def listing(found: tuple[Key, ...], now: datetime, columns: int | None = None) -> str:
    """The table that ``list`` prints on ``columns`` of a terminal; None: as many as it takes."""
    rows = (
        (
            key.name,
            key.id,
            ", ".join(key.scopes),
            ", ".join(key.models) or "all",
            f"{key.rate}/min" if key.rate else "-",
            relative(moment(key.created), now),
        )
        for key in found
    )
    return table(("NAME", "ID", "SCOPES", "MODELS", "RATE", "CREATED"), rows, columns)


def _file() -> KeyFile:
    settings = config.read(os.environ)
    if not is_here(settings.host):
        raise click.ClickException(
            f"OLLAMA_HOST names the server {settings.host.url}, and its keys are on that machine: run this there"
        )
    return KeyFile(settings.state)


def _rate(text: str) -> int:
    if not text:
        return 0
    found = _RATE.fullmatch(text)
    if found is None:
        raise click.UsageError(f'--rate must be a number of requests a minute, such as "60/min", not "{text}"')
    return int(found.group(1))


def _described(key: Key) -> str:
    models = ", ".join(key.models) or "all models"
    rate = f", {key.rate} requests a minute" if key.rate else ""
    return f"{key.name} is for: {', '.join(key.scopes)}; {models}{rate}"


def _plain(key: Key) -> dict[str, object]:
    return {
        "name": key.name,
        "id": key.id,
        "scopes": key.scopes,
        "models": key.models,
        "rate": key.rate or None,
        "created": key.created,
    }
