"""The command ``run``: one answer, or a chat."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, cast, get_args

import click

from puna.cli.command import Command, at_least, connected, keep_alive
from puna.errors import InvalidFormat

if TYPE_CHECKING:
    from puna.cli.session import Session
    from puna.client import Client
    from puna.types import Format, Think


@click.command(
    "run", cls=Command, count=at_least(1), variables=("OLLAMA_HOST", "OLLAMA_NOHISTORY", "OLLAMA_EDITOR", "NO_COLOR")
)
@click.argument("args", nargs=-1, metavar="MODEL [PROMPT]")
@click.option(
    "--format", "format_text", default="", metavar="FORMAT", help='make the answer "json", or follow a JSON Schema'
)
@click.option("--keepalive", default="", metavar="DURATION", help="how long the model stays in memory afterwards (5m)")
@click.option("--verbose", is_flag=True, help="print statistics after the answer")
@click.option("--nowordwrap", is_flag=True, help="do not break lines between words")
@click.option("--nomarkdown", is_flag=True, help="show Markdown as it is written")
@click.option(
    "--think",
    is_flag=False,
    flag_value="true",
    default="",
    metavar="[=LEVEL]",
    help="let the model think first: true, false, high, medium, low or max (default: if it can)",
)
@click.option("--hidethinking", is_flag=True, help="do not print what the model thinks")
@click.option(
    "--truncate",
    is_flag=False,
    flag_value="true",
    type=click.BOOL,
    default=True,
    metavar="[=false]",
    help="embeddings: cut an input that is too long; with =false refuse it",
)
@click.option("--dimensions", default=0, metavar="N", help="embeddings: at most this many numbers")
@click.option("--insecure", is_flag=True, help="allow HTTP when the model has to be pulled")
@click.option(
    "--serve", is_flag=True, help="start a server if none runs; it stays in the background, like `puna serve &`"
)
def run(
    args: tuple[str, ...],
    *,
    format_text: str,
    keepalive: str,
    verbose: bool,
    nowordwrap: bool,
    nomarkdown: bool,
    think: str,
    hidethinking: bool,
    truncate: bool,
    dimensions: int,
    insecure: bool,
    serve: bool,
) -> None:
    """Run a model: answer a prompt, or chat. One that is not there is pulled first.

    What is piped in comes before the prompt. A model that sees or hears takes files whose paths are in the prompt, and
    an embedding model prints the vector of the prompt.
    """
    from puna.cli.session import Session  # noqa: PLC0415 - the help page needs no session

    session = Session(
        model=args[0],
        format=_format(format_text),
        think=_think(think),
        hide_thinking=hidethinking,
        keep_alive=keep_alive(keepalive),
        wordwrap=not nowordwrap,
        markdown=not nomarkdown,
        verbose=verbose,
    )
    with _server(start=serve) as client:
        words = [os.fsencode(word).decode("utf-8", "replace") for word in args[1:]]
        piped = _piped()
        prompt = None if not words and not piped and _interactive() else " ".join(([piped] if piped else []) + words)
        session = session._replace(capabilities=_capabilities(client, session.model, insecure=insecure))
        if "image" in session.capabilities:
            raise click.ClickException("image generation models are not currently supported")
        if "embedding" in session.capabilities and "completion" not in session.capabilities:
            _embed(client, session, prompt, truncate=truncate, dimensions=dimensions)
        elif prompt is None:
            from puna.cli.chat import converse  # noqa: PLC0415 - a single answer needs no line editor

            converse(client, session)
        else:
            _answer(client, session, prompt)


@contextmanager
def _server(*, start: bool) -> Iterator[Client]:
    """A client of the server, which is started if that is wanted and needed."""
    if not start:
        with connected() as client:
            yield client
        return
    from puna.cli.starting import connected_or_started  # noqa: PLC0415 - rarely needed

    with connected_or_started() as client:
        yield client


def _capabilities(client: Client, model: str, *, insecure: bool) -> frozenset[str]:
    """What the model can do, which is pulled if it is not there."""
    from puna.client import ApiError  # noqa: PLC0415 - see connected

    try:
        return frozenset(client.capabilities(model))
    except ApiError as error:
        if error.code != 404:
            raise
    from puna.cli.transfer import fetch  # noqa: PLC0415 - most models are there

    fetch(client, model, insecure=insecure)
    return frozenset(client.capabilities(model))


def _answer(client: Client, session: Session, prompt: str) -> None:
    from puna.cli.answer import Printer, play, statistics  # noqa: PLC0415 - nor the rest of it
    from puna.types import GenerateRequest  # noqa: PLC0415

    text, images = prompt, []
    if session.attaches:
        from puna.cli.attachments import attach  # noqa: PLC0415 - few models see

        text, attached = attach(prompt)
        for one in attached:
            click.echo(f"Added {one.kind} '{one.path}'", err=True)
            images.append(one.data)
    request = GenerateRequest(
        model=session.model,
        prompt=text,
        images=tuple(images),
        format=session.format,
        think=session.thinks if prompt else session.think,
        keep_alive=session.keep_alive,
    )
    printer = Printer(
        sys.stdout,
        wordwrap=session.wordwrap,
        markdown=session.markdown and session.format is None,
        hide_thinking=session.hide_thinking,
    )
    id_ = os.urandom(12).hex()
    try:
        with closing(client.generate(request, request_id=id_)) as events:
            done = play(events, printer, sys.stderr, lambda: client.progress(id_))
    except KeyboardInterrupt:
        click.echo()
        return
    if prompt:
        click.echo("\n")
    if session.verbose and done is not None:
        click.echo(statistics(done), nl=False, err=True)


def _embed(client: Client, session: Session, prompt: str | None, *, truncate: bool, dimensions: int) -> None:
    """Print the vector of ``prompt`` as JSON."""
    from puna.cli.waiting import waiting  # noqa: PLC0415
    from puna.types import EmbedRequest  # noqa: PLC0415

    if not prompt:
        raise click.UsageError(f'embedding models require input text. Usage: puna run {session.model} "your text here"')
    request = EmbedRequest(
        session.model, (prompt,), keep_alive=session.keep_alive, truncate=truncate, dimensions=dimensions
    )
    with waiting(sys.stderr):
        vectors = client.embed(request)
    click.echo(json.dumps(vectors[0] if vectors else [], separators=(",", ":")))


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


def _think(text: str) -> Think:
    from puna.types import ThinkLevel  # noqa: PLC0415

    if text in ("true", "false"):
        return text == "true"
    if text and text not in get_args(ThinkLevel):
        raise click.UsageError(f'invalid value for --think: "{text}" (must be true, false, high, medium, low, or max)')
    return cast("ThinkLevel", text) if text else None
