"""Where models come from and go to: one module for each kind of place, found by looking.

A module of this package may offer ``claims(reference)``, whether a reference (a model's name, or a URL) is its to open,
and ``open(reference, insecure)``. What nobody claims is the name of a model at a registry (``oci``).
Adding a place is adding a module.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from types import ModuleType, TracebackType
from typing import Self

from puna.download import Source
from puna.download.pace import Pace
from puna.names import Digest, ModelName
from puna.registry.session import Session
from puna.registry.upload import LocalBlob, Upload


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a model that has no manifest. ``size`` in bytes, ``digest`` None where the server tells none.

    ``key`` stands for the digest as long as it is not known: it changes with the file.
    """

    name: str
    source: Source
    size: int
    digest: Digest | None
    key: Digest


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files that a model is to be made of, where it has no manifest. ``origin`` is the name or URL they are at."""

    origin: str
    files: tuple[RemoteFile, ...]

    @property
    def version(self) -> Digest:
        """Stands for just these files."""
        return Digest(hashlib.sha256("\n".join(str(file.key) for file in self.files).encode()).hexdigest())


class Place(ABC):
    """Where one model is had from, for the length of one pull or push. An async context manager.

    ``name`` is what the model is called here, ``session`` the connection with the place.
    """

    def __init__(self, name: ModelName, session: Session) -> None:
        self.name = name
        self.session = session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.aclose()

    @abstractmethod
    async def contents(self) -> bytes | FileSet:
        """What there is under the name now: the model's manifest, byte for byte, or the files to make it of.

        Raises:
            RemoteNotFound: there is no such model.
            RegistryError: it cannot be had.
        """

    @abstractmethod
    def blob(self, digest: Digest) -> Source:
        """Where a blob that the manifest names can be fetched from.

        Raises:
            RemoteNotFound: nothing is kept there by its digest.
        """


class Writable(Place):
    """A registry that models can be pushed to. First the blobs, then the manifest that names them."""

    @abstractmethod
    async def has(self, digest: Digest) -> bool:
        """Whether the blob is in the model's repository.

        Raises:
            RegistryError: it cannot be told.
        """

    @abstractmethod
    def upload(self, blob: LocalBlob, *, pace: Pace, connections: int) -> Upload:
        """The upload of a blob over at most ``connections`` connections at once, which has not begun."""

    @abstractmethod
    async def put_manifest(self, content: bytes, media_type: str) -> None:
        """Put the manifest in the place of what the model's tag stood for.

        Raises:
            Unauthorized: nothing may be pushed there.
            RegistryError: it was refused.
        """


def open(reference: str, *, insecure: bool = False) -> Place:  # noqa: A001 - a door, and it is opened
    """Open the place that ``reference`` names: a model's name, or the URL of a file. Nothing is sent yet.

    Raises:
        InvalidName: it names nothing.
        InvalidRequest: it is a URL of HTTP, and not ``insecure``.
    """
    for module in _modules():
        if getattr(module, "claims", None) and module.claims(reference):
            return _opened(module, reference, insecure)
    return _opened(importlib.import_module(f"{__name__}.oci"), reference, insecure)


def repository(name: ModelName, session: Session) -> Place:
    """The model ``name`` at a registry of the usual kind, spoken with over ``session``."""
    found = importlib.import_module(f"{__name__}.oci").OciRegistry(name, session)
    assert isinstance(found, Place)
    return found


def _opened(module: ModuleType, reference: str, insecure: bool) -> Place:
    place = module.open(reference, insecure=insecure)
    assert isinstance(place, Place)
    return place


@cache
def _modules() -> tuple[ModuleType, ...]:
    return tuple(importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
