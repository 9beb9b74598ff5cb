"""Models at Hugging Face: ``hf.co/user/repo[:quantization]``, which it serves as Ollama's registry does.

What it does not serve so, models in several files above all, is found in the repository's list of files.
``HF_ENDPOINT`` names another server of the kind, a mirror; ``HF_TOKEN`` opens what is private or gated.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from puna import network, registry
from puna.download import Source
from puna.errors import InvalidDigest, InvalidName, RegistryError, RemoteNotFound
from puna.names import Digest, ModelName
from puna.registry import FileSet, Place, RemoteFile, quantizations
from puna.registry.session import Reply, Session
from puna.registry.source import SessionSource

_HOSTS = frozenset({"hf.co", "huggingface.co"})
_REFUSED = frozenset({400, 404, 405, 410, 422, 501})
"""What the endpoint answers when it does not serve this; anything else is about us, or passes."""

_MOST_PAGES = 100
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,<]*rel="?next"?')


def claims(reference: str) -> bool:
    """Whether it is the name of a model at Hugging Face."""
    try:
        return ModelName.parse(reference).host.lower() in _HOSTS
    except InvalidName:
        return False


def open(reference: str, *, insecure: bool) -> Place:  # noqa: A001 - the contract's word
    """The model ``reference`` there."""
    name = ModelName.parse(reference)
    endpoint = urlsplit(os.environ.get("HF_ENDPOINT", "").strip())
    if endpoint.netloc:
        return Repository(name, Session(endpoint.netloc, scheme=endpoint.scheme, insecure=insecure))
    return Repository(name, Session(name.host.lower(), insecure=insecure))


class _Stored(Struct, frozen=True):
    """What is known of a large file: ``oid`` is its SHA-256."""

    oid: str
    size: int


class _Entry(Struct, frozen=True):
    """One line of the list of files."""

    path: str
    type: str = "file"
    lfs: _Stored | None = None


class Repository(Place):
    """One quantization of a repository's model."""

    def __init__(self, name: ModelName, session: Session) -> None:
        super().__init__(name, session)
        self._served = registry.repository(name, session)

    async def contents(self) -> bytes | FileSet:
        """Its manifest where there is one, else its files. Raises as the contract says."""
        try:
            return await self._served.contents()
        except RegistryError as refusal:
            if refusal.code not in _REFUSED:
                raise
            found = await self._files(refusal)
        return FileSet(self.name.short, found)

    def blob(self, digest: Digest) -> Source:
        """Where a blob that the manifest names can be fetched from."""
        return self._served.blob(digest)

    async def _files(self, refusal: RegistryError) -> tuple[RemoteFile, ...]:
        """The files of the quantization. ``refusal`` is raised where there are no models in files either."""
        try:
            listed = await self._listed()
        except RegistryError:
            raise refusal from None
        there = quantizations.grouped(listed)
        if not there:
            raise refusal
        chosen = quantizations.choose(there, self.name.tag)
        if chosen is None:
            known = ", ".join(sorted({one.label for one in there}))
            raise RemoteNotFound(f"there is no {self.name.tag} in the repository; there are {known}", code=404)
        if chosen.missing:
            numbers = ", ".join(map(str, chosen.missing))
            raise RegistryError(
                f"{chosen.stem} is not whole in the repository: of {chosen.count} parts, {numbers} lack"
            )
        projector = quantizations.projector(listed, beside=chosen)
        return tuple(self._file(path, listed[path]) for path in (*chosen.paths, *([projector] if projector else [])))

    async def _listed(self) -> dict[str, _Stored | None]:
        """Every GGUF file of the repository, by its path."""
        found: dict[str, _Stored | None] = {}
        url = f"/api/models/{self._repository}/tree/main?recursive=true"
        for _ in range(_MOST_PAGES):
            reply = (await self.session.request("GET", url)).check()
            try:
                entries = msgspec.json.decode(reply.body, type=list[_Entry])
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise RegistryError(f"the list of the repository's files cannot be read: {error}") from error
            found |= {one.path: one.lfs for one in entries if one.path.lower().endswith(".gguf") and one.type == "file"}
            following = _following(reply)
            if not following:
                break
            url = following
        return found

    def _file(self, path: str, stored: _Stored | None) -> RemoteFile:
        try:
            digest = Digest.parse(f"sha256:{stored.oid if stored else ''}")
        except InvalidDigest as error:
            raise RegistryError(f"the repository does not tell the digest of {path}") from error
        assert stored is not None, "it has a digest"
        source = SessionSource(self.session, f"/{self._repository}/resolve/main/{quote(path)}")
        return RemoteFile(path.rpartition("/")[2], source, stored.size, digest, digest)

    @property
    def _repository(self) -> str:
        return f"{self.name.namespace}/{self.name.model}"


def _following(reply: Reply) -> str:
    """The path of the page after this one, "" after the last. A mirror may name the host it mirrors; it is asked."""
    found = _NEXT.search(reply.headers.get("link", ""))
    if found is None:
        return ""
    target = urlsplit(network.joined(reply.url, found.group(1)))
    return f"{target.path}?{target.query}"
