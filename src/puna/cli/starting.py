"""A server for a command that found none: ``run --serve``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from puna import address, config
from puna.client import Client
from puna.errors import ServerUnreachable

_START_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_SAYS = "Started a server in the background; stop it with: kill {pid} (its log is in {log})"


@contextmanager
def connected_or_started() -> Iterator[Client]:
    """A client of the server that ``OLLAMA_HOST`` names; if none answers, one is started there.

    Raises:
        click.ClickException: it did not start; the text says why.
    """
    with Client(address.of_server(os.environ).url) as client:
        try:
            client.heartbeat()
        except ServerUnreachable:
            _start(client)
        yield client


def _start(client: Client) -> None:
    """Start ``puna serve`` in the background, where it stays, and wait until ``client`` reaches it.

    Raises:
        click.ClickException: it did not start; the text says why.
    """
    log = config.read(os.environ).state / "serve.log"
    process = _serve(log)
    began = time.monotonic()
    while process.poll() is None:
        try:
            client.heartbeat()
        except ServerUnreachable:
            if time.monotonic() - began > _START_SECONDS:
                process.terminate()
                raise click.ClickException(f"the server does not answer; its log is in {log}") from None
            time.sleep(_LOOK_SECONDS)
        else:
            click.echo(_SAYS.format(pid=process.pid, log=log), err=True)
            process.returncode = 0  # it is nobody's child to wait for
            return
    said = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    raise click.ClickException(f"the server did not start: {said.removeprefix('Error: ') or f'see {log}'}")


def _serve(log: Path) -> subprocess.Popen[bytes]:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "puna", "serve"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl+C here is none of its business
            )
    except OSError as error:
        raise click.ClickException(f"the server cannot be started: {error.strerror}: {log}") from error
