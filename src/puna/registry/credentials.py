"""Whose word a registry takes: what ``docker login`` stored, and the access token for Hugging Face.

The file is Docker's ``config.json``, in ``DOCKER_CONFIG`` or ``~/.docker``. It holds credentials itself, or names
programs that keep them, ``docker-credential-<name>``: one for a registry (``credHelpers``), or one for all
(``credsStore``). Nothing of it is ever logged.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from puna.errors import Unauthorized

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_HUGGINGFACE = frozenset({"hf.co", "huggingface.co"})
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_SECONDS = 30.0
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IDENTITY_USER = "<token>"
"""The user name by which a helper says that the secret is an identity token."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What to show a registry ("" for what there is not).

    Either a user name with a password; or an access ``token`` of its own, to be shown as it is; or an ``identity``
    token, to be exchanged for access tokens as OAuth's refresh token at the registry's token server.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)


class _Entry(Struct, frozen=True):
    """What Docker's file has on one registry."""

    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


class _File(Struct, frozen=True, rename="camel"):
    """Docker's file."""

    auths: Mapping[str, _Entry] | None = None
    cred_helpers: Mapping[str, str] | None = None
    creds_store: str = ""


class _Kept(Struct, frozen=True, rename="pascal"):
    """What a helper prints."""

    username: str = ""
    secret: str = ""


def access_token(host: str) -> str:
    """The token that ``host`` takes without having asked for one: HF_TOKEN at Hugging Face and its mirror, "" else."""
    if host in _HUGGINGFACE or host == urlsplit(os.environ.get("HF_ENDPOINT", "")).netloc:
        return os.environ.get("HF_TOKEN", "").strip()
    return ""


def credentials_for(host: str, *, timeout: float = _HELPER_SECONDS) -> Credentials | None:
    """The credentials for the registry ``host`` (with its port, where it is not the scheme's own), None without any.

    It may run a helper, for up to ``timeout`` seconds, so call it in a thread.

    Raises:
        Unauthorized: Docker's file or the helper that it names for ``host`` cannot be used; the text says why.
    """
    if token := access_token(host):
        return Credentials(token=token)
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    return _from_docker(path, host, timeout)


def _from_docker(path: Path, host: str, timeout: float) -> Credentials | None:
    """1. the helper for this host, 2. the helper for all, 3. what the file itself holds."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unauthorized(f"{path} cannot be read: {error.strerror}") from error
    try:
        file = msgspec.json.decode(content, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unauthorized(f"{path} is not a configuration of Docker's: {error}") from error
    if helper := _entry(file.cred_helpers, host):
        if not _program(helper):
            raise Unauthorized(f"{path} names docker-credential-{helper} for {host}, which is not on the PATH")
        return _ask(helper, host, timeout)
    if file.creds_store and not _program(file.creds_store):
        # Files travel between machines, and what needs no credentials must not fail for want of a helper.
        log.warning("%s names docker-credential-%s, which is not on the PATH", path, file.creds_store)
    elif file.creds_store and (found := _ask(file.creds_store, host, timeout)):
        return found
    entry = _entry(file.auths, host)
    return _read(entry, path, host) if entry else None


def _entry(table: Mapping[str, _T] | None, host: str) -> _T | None:
    """What ``table`` has under ``host``, however its key spells that: bare, or as an address."""
    wanted = _DOCKER_HUB if host in _DOCKER_HUB else {host}
    for key, value in (table or {}).items():
        if key.rpartition("://")[2].partition("/")[0] in wanted:
            return value
    return None


def _read(entry: _Entry, path: Path, host: str) -> Credentials | None:
    if entry.identitytoken:
        return Credentials(identity=entry.identitytoken)
    if entry.registrytoken:
        return Credentials(token=entry.registrytoken)
    if not entry.auth:
        return Credentials(entry.username, entry.password) if entry.username else None
    try:
        decoded = base64.b64decode(entry.auth, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    username, colon, password = decoded.partition(":")
    if not colon:
        # Not from the error that was caught: its text would quote what must not be seen.
        raise Unauthorized(f"{path} holds credentials for {host} that are not base64 of user:password") from None
    return Credentials(username, password.rstrip("\0"))


def _program(helper: str) -> str | None:
    return shutil.which(f"docker-credential-{helper}") if _HELPER_NAME.fullmatch(helper) else None


def _ask(helper: str, host: str, timeout: float) -> Credentials | None:
    name = f"docker-credential-{helper}"
    server = _DOCKER_HUB_KEY if host in _DOCKER_HUB else host
    program = _program(helper)
    assert program is not None, "the caller has found it"
    try:
        done = subprocess.run(
            [program, "get"], input=server.encode(), capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unauthorized(f"{name} gave no credentials for {host} within {timeout:g} seconds") from None
    except OSError as error:
        raise Unauthorized(f"{name} cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        said = (done.stdout.strip() or done.stderr.strip()).decode("utf-8", "replace")
        if "credentials not found" in said:  # the helpers' protocol has no other sign for it
            return None
        raise Unauthorized(f"{name} gave no credentials for {host}: {said[:200] or f'exit {done.returncode}'}")
    try:
        kept = msgspec.json.decode(done.stdout, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Unauthorized(f"{name} printed no credentials for {host} that can be read") from None
    if kept.username == _IDENTITY_USER:
        return Credentials(identity=kept.secret)
    return Credentials(kept.username, kept.secret) if kept.username or kept.secret else None
