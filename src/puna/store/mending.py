"""Mending a damaged store: what can be had again is fetched, what cannot is set aside, and no model is given up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from puna.errors import PunaError, StoreError
from puna.names import ModelName
from puna.store.checking import Damage
from puna.store.formats import Layer
from puna.store.models import Store


class Source(Protocol):
    """Where models come from."""

    def fetch_blob(self, name: ModelName, layer: Layer) -> None:
        """Put the blob of one layer of the model ``name`` into the store, verified, in the place of what is there.

        Raises:
            PunaError: it cannot be had.
        """
        ...

    def fetch_model(self, name: ModelName) -> None:
        """Fetch the model ``name`` anew, with those of its blobs that are not in the store.

        Raises:
            PunaError: it cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a damage: whether it is mended, and what was done or why it could not be."""

    mended: bool
    text: str


def mend(store: Store, damage: Damage, source: Source) -> Outcome:
    """Mend one ``damage`` as far as possible.

    Raises:
        StoreError: the store cannot be written.
    """
    match damage.kind:
        case "unreadable":
            return Outcome(False, "left as it is: see to it that it can be read")
        case "manifest":
            assert damage.model is not None, "it is the manifest of a model"
            return _fetch_model(damage.model, source)
        case "missing":
            return _fetch_blob(damage, source)
        case "damaged":
            if not damage.uses:
                gone = damage.file is not None and store.blobs.discard(damage.file)
                return Outcome(gone, "removed, since no model needs it" if gone else "left, since it is in use")
            fetched = _fetch_blob(damage, source)
            if fetched.mended:
                return fetched
            try:
                aside = store.blobs.set_aside(damage.path)
            except StoreError as error:
                return Outcome(False, f"left as it is, since it {fetched.text} and cannot be moved: {error}")
            return Outcome(False, f"moved to {aside}, since it {fetched.text}")


def _fetch_model(name: ModelName, source: Source) -> Outcome:
    try:
        source.fetch_model(name)
    except PunaError as error:
        return Outcome(False, f"could not be fetched again: {error}")
    return Outcome(True, "fetched again")


def _fetch_blob(damage: Damage, source: Source) -> Outcome:
    reasons = []
    for name, layer in damage.uses:
        try:
            source.fetch_blob(name, layer)
        except PunaError as error:
            reasons.append(f"{name}: {error}")
        else:
            return Outcome(True, "fetched again")
    return Outcome(False, f"could not be fetched again ({'; '.join(reasons)})")
