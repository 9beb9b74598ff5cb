"""GGUF files at a URL. The model is named after the file; a split one is fetched with its other parts.

A user name and password in the URL are shown to its host when that asks for some, and to nobody else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from puna import network
from puna.download import Source
from puna.errors import InvalidDigest, InvalidName, InvalidRequest, RegistryError, RemoteNotFound, Unreachable
from puna.names import Digest, ModelName
from puna.registry import FileSet, Place, RemoteFile
from puna.registry.credentials import Credentials, credentials_for
from puna.registry.session import Reply, Session
from puna.registry.source import SessionSource

_SPLIT = re.compile(r"-00001-of-(?!00000)(\d{5})(?=\.gguf$)", re.IGNORECASE)
_NAMELESS = re.compile(r"[^A-Za-z0-9_.-]+")


def claims(reference: str) -> bool:
    """Whether it is the URL of a GGUF file."""
    try:
        parts = urlsplit(reference.strip())
    except ValueError:  # it names nothing, then
        return False
    return parts.scheme.lower() in ("http", "https") and parts.path.lower().endswith(".gguf")


def open(reference: str, *, insecure: bool) -> Place:  # noqa: A001 - the contract's word
    """The file at the URL ``reference``.

    Raises:
        InvalidName: no model can be named after it.
        InvalidRequest: it is no URL, or to be fetched by HTTP, which is not allowed.
    """
    parts = urlsplit(reference.strip())
    try:
        scheme, _, _ = network.origin(parts.geturl())
    except Unreachable as error:
        raise InvalidRequest(str(error)) from error
    if scheme == "http" and not insecure:
        raise InvalidRequest("insecure protocol http")
    host = parts.netloc.rpartition("@")[2]
    session = Session(host, scheme=scheme, insecure=insecure, credentials=_credentials(parts, host))
    return DirectFiles(_name(parts.path, reference), session, parts._replace(netloc=host).geturl())


def _credentials(parts: SplitResult, host: str) -> Callable[[str], Credentials | None]:
    """What finds the credentials for a host: those in the URL of ``parts`` for its own."""
    if not parts.username:
        return credentials_for
    given = Credentials(unquote(parts.username), unquote(parts.password or ""))
    return lambda asked: given if asked == host else credentials_for(asked)


def _name(path: str, reference: str) -> ModelName:
    file = _SPLIT.sub("", unquote(path).rpartition("/")[2])
    stem = _NAMELESS.sub("-", file[: -len(".gguf")]).strip("-.")
    if not stem:
        raise InvalidName(reference)
    return ModelName.parse(stem)


class DirectFiles(Place):
    """A file at a URL, with the other parts of it if it is split."""

    def __init__(self, name: ModelName, session: Session, url: str) -> None:
        super().__init__(name, session)
        self._url = url

    async def contents(self) -> FileSet:
        """The file, or all its parts. Raises as the contract says."""
        parts = urlsplit(self._url)
        split = _SPLIT.search(parts.path)
        if split is None:
            return self._set([await self._file(self._url)])
        paths = [
            f"{parts.path[: split.start()]}-{number:05}-of-{split.group(1)}{parts.path[split.end() :]}"
            for number in range(1, int(split.group(1)) + 1)
        ]
        return self._set([await self._file(parts._replace(path=path).geturl()) for path in paths])

    def blob(self, digest: Digest) -> Source:
        """Nothing: a file is had by its URL. Raises as the contract says."""
        raise RemoteNotFound(f"{digest} is not kept at a registry", code=404)

    def _set(self, files: Sequence[RemoteFile]) -> FileSet:
        parts = urlsplit(self._url)
        return FileSet(f"{parts.scheme}://{self.session.host}{parts.path}", tuple(files))

    async def _file(self, url: str) -> RemoteFile:
        # A redirect says what a mirror or a content network behind it may not: what the file's digest is.
        first = await self.session.request("HEAD", url, follow=False)
        reply = first if first.status < 300 else await self.session.request("HEAD", url)
        reply.check()
        size = reply.headers.get("content-length", "")
        if not (size.isascii() and size.isdigit()):
            raise RegistryError(f"{network.shown(url)}: the server does not say how large the file is")
        digest = _digest(first) or _digest(reply)
        version = reply.headers.get("etag") or reply.headers.get("last-modified", "")
        return RemoteFile(
            name=unquote(urlsplit(url).path).rpartition("/")[2],
            source=SessionSource(self.session, url),
            size=int(size),
            digest=digest,
            key=digest or Digest(hashlib.sha256(f"{url.partition('?')[0]} {size} {version}".encode()).hexdigest()),
        )


def _digest(reply: Reply) -> Digest | None:
    """The digest that Hugging Face tells of a large file."""
    told = reply.headers.get("x-linked-etag", "").strip('"')
    try:
        return Digest.parse(f"sha256:{told}")
    except InvalidDigest:
        return None
