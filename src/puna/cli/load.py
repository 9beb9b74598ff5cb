"""The command ``load``: a model that is in memory before anyone asks for it."""

from __future__ import annotations

import secrets
import sys
from collections import deque
from typing import TYPE_CHECKING

import click

from puna.cli.command import Command, at_least, connected, keep_alive

if TYPE_CHECKING:
    from puna.client import Client


@click.command("load", cls=Command, count=at_least(1))
@click.argument("args", nargs=-1, metavar="MODEL...")
@click.option("--keepalive", default="", metavar="DURATION", help="how long it stays in memory (5m); negative: forever")
def load(args: tuple[str, ...], *, keepalive: str) -> None:
    """Load a model into memory, so that its first answer need not wait."""
    seconds = keep_alive(keepalive)
    with connected() as client:
        for model in args:
            _load(client, model, seconds)
            click.echo(f"loaded '{model}'")


def _load(client: Client, model: str, seconds: float | None) -> None:
    from puna.cli.waiting import waiting  # noqa: PLC0415 - not for a help page
    from puna.types import EmbedRequest, GenerateRequest  # noqa: PLC0415

    if "embedding" in client.capabilities(model):
        with waiting(sys.stderr):
            client.embed(EmbedRequest(model, (), keep_alive=seconds))
        return
    request_id = secrets.token_hex(12)
    request = GenerateRequest(model, keep_alive=seconds)
    with waiting(sys.stderr, lambda: client.progress(request_id)):
        deque(client.generate(request, request_id=request_id), maxlen=0)
