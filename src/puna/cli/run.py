"""The command ``run``: one answer, or a chat."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING, cast, get_args

import click

from puna.cli.answer import Printer, play, statistics
from puna.cli.command import Command, at_least, connected
from puna.cli.slash import Session
from puna.durations import parse_keep_alive
from puna.errors import InvalidFormat
from puna.types import Format, GenerateRequest, Think, ThinkLevel

if TYPE_CHECKING:
    from puna.client import Client


@click.command("run", cls=Command, count=at_least(1), variables=("OLLAMA_HOST", "OLLAMA_NOHISTORY"))
@click.argument("args", nargs=-1, metavar="MODEL [PROMPT]")
@click.option(
    "--format", "format_text", default="", metavar="FORMAT", help='make the answer "json", or follow a JSON Schema'
)
@click.option("--keepalive", default="", metavar="DURATION", help="keep the model in memory so long afterwards (5m)")
@click.option("--verbose", is_flag=True, help="print statistics after the answer")
@click.option("--nowordwrap", is_flag=True, help="do not break lines between words")
@click.option(
    "--think",
    is_flag=False,
    flag_value="true",
    default="",
    metavar="[=LEVEL]",
    help="let the model think first: true, false, high, medium, low or max",
)
@click.option("--hidethinking", is_flag=True, help="do not print what the model thinks")
@click.option("--insecure", is_flag=True, help="allow HTTP when the model has to be pulled")
def run(
    args: tuple[str, ...],
    *,
    format_text: str,
    keepalive: str,
    verbose: bool,
    nowordwrap: bool,
    think: str,
    hidethinking: bool,
    insecure: bool,
) -> None:
    """Run a model: answer a prompt, or chat. One that is not there is pulled first."""
    session = Session(
        model=args[0],
        format=_format(format_text),
        think=_think(think),
        hide_thinking=hidethinking,
        keep_alive=_keep_alive(keepalive),
        wordwrap=not nowordwrap,
        verbose=verbose,
    )
    from puna.client import ApiError  # noqa: PLC0415 - see connected

    with connected() as client:
        words = [os.fsencode(word).decode("utf-8", "replace") for word in args[1:]]
        piped = _piped()
        prompt = None if not words and not piped and _interactive() else " ".join(([piped] if piped else []) + words)
        try:
            _run(client, session, prompt)
        except ApiError as error:
            if error.code != 404:
                raise
            from puna.cli.transfer import fetch  # noqa: PLC0415 - most models are there

            fetch(client, session.model, insecure=insecure)
            _run(client, session, prompt)


def _run(client: Client, session: Session, prompt: str | None) -> None:
    if prompt is None:
        from puna.cli.chat import converse  # noqa: PLC0415 - a single answer needs no line editor

        converse(client, session)
    else:
        _answer(client, session, prompt)


def _answer(client: Client, session: Session, prompt: str) -> None:
    request = GenerateRequest(
        model=session.model,
        prompt=prompt,
        format=session.format,
        think=session.think,
        keep_alive=session.keep_alive,
    )
    printer = Printer(sys.stdout, wordwrap=session.wordwrap, hide_thinking=session.hide_thinking)
    try:
        with closing(client.generate(request)) as events:
            done = play(events, printer, sys.stderr)
    except KeyboardInterrupt:
        click.echo()
        return
    if prompt:
        click.echo("\n")
    if session.verbose and done is not None:
        click.echo(statistics(done), nl=False, err=True)


def _piped() -> str:
    return "" if sys.stdin.isatty() else sys.stdin.buffer.read().decode("utf-8", "replace")


def _interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _format(text: str) -> Format:
    if text in ("", "json"):
        return "json" if text else None
    try:
        schema = json.loads(text)
    except ValueError:
        raise InvalidFormat(text) from None
    if not isinstance(schema, dict):
        raise InvalidFormat(text)
    return schema


def _keep_alive(text: str) -> float | None:
    try:
        return parse_keep_alive(text) if text else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _think(text: str) -> Think:
    if text in ("true", "false"):
        return text == "true"
    if text and text not in get_args(ThinkLevel):
        raise click.UsageError(f'invalid value for --think: "{text}" (must be true, false, high, medium, low, or max)')
    return cast("ThinkLevel", text) if text else None
