"""The model store on this machine: for commands that work on it, whether a server runs or not."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from puna import config
from puna.address import Address
from puna.errors import ServerUnreachable
from puna.store.blobs import Blobs

if TYPE_CHECKING:
    from puna.client import Client
    from puna.store.models import Store

_PATIENCE_SECONDS = 10.0

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def local_store(*, make: bool = False) -> Store:
    """The store of the server that ``OLLAMA_HOST`` names, or, if none runs, the one that ``OLLAMA_MODELS`` names.

    Raises:
        click.ClickException: that server is another machine's; or there is no store, and none is to be made.
    """
    from puna.store.models import Store  # noqa: PLC0415 - "create" needs only the blobs

    settings = config.read(os.environ)
    if not is_here(settings.host):
        raise click.ClickException(
            f"OLLAMA_HOST names the server {settings.host.url}, and its model store is on that machine: run "
            "this there, or without OLLAMA_HOST for the store of this machine"
        )
    root = settings.models
    if not os.environ.get("OLLAMA_MODELS"):
        root = _of_server(settings.host.url) or root
    if not make and not root.is_dir():
        raise click.ClickException(f"there is no model store at {root}")
    return Store(root)


def shared_blobs(client: Client) -> Blobs | None:
    """The blobs of the server behind ``client``, if they are on this machine and ours to write; else None."""
    place = client.store()
    if place is None:
        return None
    blobs = Blobs(Path(place.path) / "blobs")
    try:
        status = blobs.directory.stat()
    except OSError:
        return None  # a server in a container has paths of its own
    same = (status.st_dev, status.st_ino) == (place.device, place.inode)
    # A server of another user could not set the times of our files.
    return blobs if same and status.st_uid == os.geteuid() else None


def _of_server(url: str) -> Path | None:
    from puna.client import Client  # noqa: PLC0415 - see command.connected

    try:
        with Client(url, patience=_PATIENCE_SECONDS) as client:
            place = client.store()
    except ServerUnreachable:
        return None
    return None if place is None or not Path(place.path).is_dir() else Path(place.path)


def is_here(address: Address) -> bool:
    """Whether ``address`` is this machine's. One that cannot be resolved is not."""
    if address.host in _EVERYWHERE:
        return True
    try:
        found = socket.getaddrinfo(address.host, 0, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    for family, kind, protocol, _, place in found:
        with socket.socket(family, kind, protocol) as trial:
            try:
                trial.bind(place)  # only an address of one's own can be bound
            except OSError:
                continue
            return True
    return False
