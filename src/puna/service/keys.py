"""The keys that callers may have: kept in a file as digests, looked at again whenever that file changes.

A key is 256 random bits, so that nobody can find one by trying, and its SHA-256 gives nothing away; a slow hash, made
for passwords that people choose, would only make every request slow.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import msgspec

from puna import timestamps
from puna.errors import InvalidKey, InvalidRequest, KeyNotFound, KeysUnreadable, RateExceeded, StoreError
from puna.service.rate import Bucket, take
from puna.service.rights import EVERYTHING, KeyScope, Rights
from puna.store.disk import DISK
from puna.store.locks import exclusive

log = logging.getLogger(__name__)

PREFIX = "puna_"
"""What every key begins with, so that people and scanners know one when they see it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_ID_DIGITS = 16


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key, as the file keeps it: not the key itself, but its SHA-256 in hexadecimal digits.

    ``models`` are patterns of model names (none: all models), ``rate`` is requests a minute (0: no limit), ``created``
    an RFC 3339 time.
    """

    name: str
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[KeyScope, ...], msgspec.Meta(min_length=1)]
    models: tuple[str, ...]
    rate: Annotated[int, msgspec.Meta(ge=0)]
    created: str

    @property
    def id(self) -> str:
        """What tells it from every other key there is or was, and may be shown."""
        return self.digest[:_ID_DIGITS]

    @property
    def rights(self) -> Rights:
        """What it lets its holder do."""
        return Rights(self.id, frozenset(self.scopes), self.models, self.name)


# What a newer puna limits keys by, an older one must not overlook: a file with more in it than is known is damaged.
class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[Key, ...]


class KeyFile:
    """The file of keys in the directory ``folder``, which several processes may change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "keys.json"

    def version(self) -> tuple[int, ...]:
        """What is another whenever the file was changed; empty if there is none.

        Raises:
            KeysUnreadable: that cannot be told.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unreadable(error) from error
        return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def read(self) -> tuple[Key, ...]:
        """All keys, the oldest first.

        Raises:
            KeysUnreadable: the file cannot be read, or is not what it must be.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            return msgspec.json.decode(content, type=_Content).keys
        except (msgspec.DecodeError, ValueError) as error:
            raise KeysUnreadable(f"the file of keys is damaged: {self.path}: {error}") from error

    def add(
        self, name: str, *, scopes: Iterable[KeyScope], models: Iterable[str] = (), rate: int = 0
    ) -> tuple[str, Key]:
        """Make a key called ``name``; return it, which nobody can tell again, and what is kept of it.

        Raises:
            InvalidRequest: the name is none, or another key has it.
            KeysUnreadable: as ``read``.
            StoreError: the file cannot be written; then it is as it was.
        """
        if not _NAME.fullmatch(name):
            raise InvalidRequest(f"a key's name is up to 64 letters, digits and any of . _ @ -, which {name!r} is not")
        secret = PREFIX + secrets.token_urlsafe(32)
        made = Key(
            name=name,
            digest=_digest(secret.encode()).hex(),
            scopes=tuple(dict.fromkeys(scopes)),
            models=tuple(dict.fromkeys(models)),
            rate=rate,
            created=timestamps.utc(time.time_ns() // 10**9 * 10**9),
        )
        with self._changing():
            keys = self.read()
            if any(key.name == name for key in keys):
                raise InvalidRequest(f'there is a key "{name}" already: revoke it first, or take another name')
            self._write((*keys, made))
        return secret, made

    def revoke(self, name: str) -> int:
        """Forget the key called ``name``; return how many are left.

        Raises:
            KeyNotFound: there is none.
            KeysUnreadable, StoreError: as ``add``.
        """
        with self._changing():
            keys = self.read()
            kept = tuple(key for key in keys if key.name != name)
            if kept == keys:
                raise KeyNotFound(name)
            self._write(kept)
        return len(kept)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with exclusive(self._folder):
                yield
        except OSError as error:
            raise StoreError(f"the keys cannot be changed: {self.path}: {error.strerror or error}") from error

    def _write(self, keys: tuple[Key, ...]) -> None:
        # Made for its owner alone, and with its new content from the instant it has its name.
        descriptor, temporary = tempfile.mkstemp(prefix=f"{self.path.name}.", dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(_Content(keys)), indent=2) + b"\n")
                file.flush()
                DISK.sync(descriptor)
            Path(temporary).replace(self.path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
        DISK.sync_directory(self._folder)

    def _unreadable(self, error: OSError) -> KeysUnreadable:
        return KeysUnreadable(f"the file of keys cannot be read: {self.path}: {error.strerror or error}")


class Keyring:
    """The keys in ``file`` as a running server knows them: a change holds from the next request on.

    Without keys everyone may do everything, unless keys are ``required``. While the file cannot be read nobody may do
    anything. ``clock`` gives seconds, from any start.
    """

    def __init__(self, file: KeyFile, *, required: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._required = required
        self._clock = clock
        self._version: tuple[int, ...] | None = None
        self._keys: tuple[tuple[bytes, Key], ...] = ()
        self._limits: dict[str, int] = {}
        self._buckets: dict[str, Bucket] = {}
        self._problem = ""

    def __len__(self) -> int:
        self._refresh()
        return len(self._keys)

    def admit(self, presented: Sequence[bytes]) -> Rights:
        """What the caller may do who presented these keys, the first that is known holds.

        Raises:
            InvalidKey: none was presented, or none is known.
            KeysUnreadable: which keys there are cannot be told.
        """
        self._refresh()
        if not self._keys and not self._required:
            return EVERYTHING
        for one in presented:
            if (found := self._find(_digest(one))) is not None:
                return found.rights
        raise InvalidKey(given=bool(presented))

    def count(self, rights: Rights) -> None:
        """Count one request against the limit of the key that ``rights`` come from, if it has one.

        Raises:
            RateExceeded: that is one too many; it is not counted.
        """
        if not (limit := self._limits.get(rights.key, 0)):
            return
        self._buckets[rights.key], wait = take(self._buckets.get(rights.key), limit, self._clock())
        if wait:
            raise RateExceeded(limit, wait)

    def _find(self, digest: bytes) -> Key | None:
        """The key of that digest. It takes as long whichever it is, and whether or not there is one."""
        found = None
        for known, key in self._keys:
            if hmac.compare_digest(known, digest):
                found = key
        return found

    def _refresh(self) -> None:
        try:
            version = self._file.version()
            if version == self._version:
                return
            keys = self._file.read()
        except KeysUnreadable as error:
            self._version = None
            if self._problem != str(error):
                self._problem = str(error)
                log.error("all requests are refused: %s", error)  # noqa: TRY400 - the text says it all
            raise KeysUnreadable("the server cannot read its keys, and admits nobody; its log says why") from error
        if self._problem:
            log.info("the keys can be read again")
        self._version, self._problem = version, ""
        self._keys = tuple((bytes.fromhex(key.digest), key) for key in keys)
        self._limits = {key.id: key.rate for key in keys}
        self._buckets = {id_: bucket for id_, bucket in self._buckets.items() if id_ in self._limits}


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
