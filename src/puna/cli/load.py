"""The command ``load``: a model that is in memory before anyone asks for it."""

from __future__ import annotations

import math
import secrets
import sys
from collections import deque
from typing import TYPE_CHECKING

import click

from puna.cli.command import Command, at_least, connected

if TYPE_CHECKING:
    from puna.client import Client


@click.command("load", cls=Command, count=at_least(1))
@click.argument("args", nargs=-1, metavar="MODEL...")
@click.option("--keepalive", default="", metavar="DURATION", help="keep it in memory so long (5m); negative: forever")
def load(args: tuple[str, ...], *, keepalive: str) -> None:
    """Load a model into memory, so that its first answer need not wait."""
    seconds = _keep_alive(keepalive)
    with connected() as client:
        for model in args:
            _load(client, model, seconds)
            click.echo(f"loaded '{model}'")


def _load(client: Client, model: str, keep_alive: float | None) -> None:
    from puna.cli.waiting import waiting  # noqa: PLC0415 - not for a help page
    from puna.types import GenerateRequest  # noqa: PLC0415

    if "embedding" in client.capabilities(model):
        with waiting(sys.stderr):
            client.answer("/api/embed", {"model": model, "input": []} | _said(keep_alive))
        return
    request_id = secrets.token_hex(12)
    request = GenerateRequest(model, keep_alive=keep_alive)
    with waiting(sys.stderr, lambda: client.progress(request_id)):
        deque(client.generate(request, request_id=request_id), maxlen=0)


def _said(keep_alive: float | None) -> dict[str, float]:
    if keep_alive is None:
        return {}
    return {"keep_alive": keep_alive if math.isfinite(keep_alive) else -1}


def _keep_alive(text: str) -> float | None:
    from puna.durations import parse_keep_alive  # noqa: PLC0415 - not for a help page

    try:
        return parse_keep_alive(text) if text else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error
