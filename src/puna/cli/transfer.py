"""The commands ``pull`` and ``push``."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from puna.cli.command import Command, connected, exactly
from puna.cli.progress import reporting
from puna.names import DEFAULT_HOST, ModelName
from puna.types import PullRequest, PushRequest

if TYPE_CHECKING:
    from puna.client import Client

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)(i?)b?(?:/s)?", re.IGNORECASE)


@click.command("pull", cls=Command, count=exactly(1))
@click.argument("args", nargs=-1, metavar="MODEL")
@click.option("--insecure", is_flag=True, help="allow HTTP, and HTTPS without a trusted certificate")
@click.option("--limit-rate", default="", metavar="RATE", help="bytes per second at most, such as 500k or 2M")
def pull(args: tuple[str, ...], *, insecure: bool, limit_rate: str) -> None:
    """Fetch a model from a registry, or a GGUF file from its URL."""
    rate = parse_rate(limit_rate)
    with connected() as client:
        fetch(client, args[0], insecure=insecure, limit_rate=rate)


@click.command("push", cls=Command, count=exactly(1))
@click.argument("args", nargs=-1, metavar="MODEL")
@click.option("--insecure", is_flag=True, help="allow HTTP, and HTTPS without a trusted certificate")
@click.option("--limit-rate", default="", metavar="RATE", help="bytes per second at most, such as 500k or 2M")
def push(args: tuple[str, ...], *, insecure: bool, limit_rate: str) -> None:
    """Send a model to the registry that its name says."""
    from puna.client import ApiError  # noqa: PLC0415 - see connected

    rate = parse_rate(limit_rate)
    try:
        with (
            connected() as client,
            reporting(sys.stderr) as report,
            closing(client.push(PushRequest(args[0], insecure, rate))) as steps,
        ):
            for step in steps:
                report(step)
    except ApiError as error:
        # What the registry says comes in the stream; a status is our own server's refusal of our key.
        if error.code or not error.denied:
            raise
        raise click.ClickException(
            "you are not authorized to push to this namespace, create the model under a namespace you own"
        ) from error
    click.echo(f"\nYou can find your model at:\n\n\t{_place(ModelName.parse(args[0]))}")


def _place(name: ModelName) -> str:
    """Where people find the model: a page, at Ollama's registry."""
    if name.host.endswith((".ollama.ai", ".ollama.com")):
        shown = name.short if name.host == DEFAULT_HOST else f"{name.namespace}/{name.model}:{name.tag}"
        return f"https://ollama.com/{shown.removesuffix(':latest')}"
    return name.full


def fetch(client: Client, model: str, *, insecure: bool = False, limit_rate: int = 0) -> None:
    """Have the server fetch ``model``, and show on standard error how far it is."""
    with reporting(sys.stderr) as report, closing(client.pull(PullRequest(model, insecure, limit_rate))) as steps:
        for step in steps:
            report(step)


def parse_rate(text: str) -> int:
    """The bytes per second that ``text`` says: ``500k`` and ``2MB`` are decimal, ``1Mi`` is not. Nothing: 0, no limit.

    Raises:
        click.UsageError: it is no rate.
    """
    if not text:
        return 0
    found = _RATE.fullmatch(text.strip())
    if found is None:
        raise click.UsageError(f'"{text}" is not a rate in bytes per second, such as 500k or 2M')
    number, unit, binary = found.groups()
    rate = float(number) * (1024 if binary else 1000) ** " kmg".index(unit.lower() or " ")
    if rate < 1:
        raise click.UsageError(f'"{text}" is less than a byte per second')
    return int(rate)
