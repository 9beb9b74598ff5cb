"""What may go from a store, and what of it must stay a while."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from puna.names import Digest
from puna.store.blobs import BlobFile

SPARED_SECONDS = 3600
"""Younger blobs may belong to a model that is being made, also by an Ollama."""

_IDLE_SECONDS = 60
"""A download that has written nothing for so long has ended, even if it is an Ollama's, which claims nothing."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Files that no model needs: ``blobs``, ``unfinished`` ones, ``partials`` of downloads; and ``young``, which stay.

    ``resumable`` are the partials, and blobs of unfinished pulls, that stay because nobody asked for them to go.
    """

    blobs: tuple[BlobFile, ...] = ()
    unfinished: tuple[BlobFile, ...] = ()
    partials: tuple[BlobFile, ...] = ()
    young: tuple[BlobFile, ...] = ()
    resumable: tuple[BlobFile, ...] = ()

    @property
    def going(self) -> tuple[BlobFile, ...]:
        """Everything that goes."""
        return (*self.blobs, *self.unfinished, *self.partials)


def leftovers(
    files: Iterable[BlobFile],
    needed: AbstractSet[Digest],
    *,
    now: float,
    kept: AbstractSet[Digest] = frozenset(),
    partials: bool = False,
) -> Leftovers:
    """Sort out which of ``files`` go at ``now`` (seconds since the epoch), given the blobs that are ``needed``.

    A partial download goes only if ``partials`` says so, or once its blob is complete; blobs that are ``kept`` for a
    pull that was not finished go only if it says so. What is not the store's stays.
    """
    there = list(files)
    complete = {file.digest for file in there if file.kind == "blob"}
    going: dict[str, list[BlobFile]] = {kind: [] for kind in ("blob", "unfinished", "partial")}
    young, resumable = [], []
    for file in there:
        age = now - file.status.st_mtime
        if file.kind == "foreign" or (file.kind == "blob" and file.digest in needed):
            continue
        if file.kind == "blob" and file.digest in kept and not partials:
            resumable.append(file)
            continue
        if file.kind == "partial" and file.digest not in complete:
            if not partials:
                resumable.append(file)
            elif age > _IDLE_SECONDS:
                going["partial"].append(file)
            else:
                young.append(file)
        elif age > SPARED_SECONDS:
            going[file.kind].append(file)
        else:
            young.append(file)
    return Leftovers(*map(tuple, (going["blob"], going["unfinished"], going["partial"], young, resumable)))
