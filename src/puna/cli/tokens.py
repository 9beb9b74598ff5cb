"""The command ``tokenize``: how a model reads a text."""

from __future__ import annotations

import json
import sys

import click

from puna.cli.command import Command, at_least, connected


@click.command("tokenize", cls=Command, count=at_least(1))
@click.argument("args", nargs=-1, metavar="MODEL [TEXT...]")
@click.option("--count", "only_count", is_flag=True, help="print only how many there are")
@click.option("--json", "as_json", is_flag=True, help="print what the API says, /api/tokenize")
@click.option("--add-special", is_flag=True, help="add the tokens that a text begins and ends with")
def tokenize(args: tuple[str, ...], *, only_count: bool, as_json: bool, add_special: bool) -> None:
    """Print the tokens that a model makes of a text.

    Without a text on the command line it is read from standard input.
    """
    model, *words = args
    with connected() as client:
        text = " ".join(words) if words else _piped()
        answer = client.answer("/api/tokenize", {"model": model, "text": text, "add_special": add_special})
    tokens = answer.get("tokens") or ()
    if as_json:
        click.echo(json.dumps({**answer, "count": len(tokens)} if only_count else answer, ensure_ascii=False))
    elif only_count:
        click.echo(len(tokens))
    else:
        click.echo(" ".join(map(str, tokens)))


def _piped() -> str:
    if sys.stdin.isatty():
        raise click.UsageError("no text: give it after the model's name, or through a pipe")
    return sys.stdin.buffer.read().decode("utf-8", "replace")
