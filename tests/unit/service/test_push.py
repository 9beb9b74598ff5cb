"""What a push says when there is nothing to push, or no way to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from puna.errors import BlobNotFound, CorruptManifest, InvalidName, ModelNotFound, PunaError
from puna.names import ModelName
from puna.service.transfer import Transfers
from puna.store.formats import CONFIG_TYPE, Layer, Manifest, layer_type
from puna.store.models import Store
from puna.types import PushRequest

HOST = "127.0.0.1:9"
"""Where nobody listens: nothing here is to get as far as asking."""


def push(store: Store, model: str) -> tuple[list[str], PunaError]:
    """Push; the statuses that were said, and the error that ended it."""

    said: list[str] = []

    async def run() -> None:
        async for step in Transfers(store, connections=1).push(PushRequest(model)):
            said.append(step.status)  # noqa: PERF401 - also what comes before the error

    with pytest.raises(PunaError) as caught:
        asyncio.run(run())
    return said, caught.value


def add(store: Store, name: str, *, size: int = 5) -> Layer:
    config = Layer(CONFIG_TYPE, str(store.blobs.put(b"{}")), 2)
    weights = Layer(layer_type("model"), str(store.blobs.put(b"noise")), size)
    store.write(ModelName.parse(name), Manifest(config, (weights,)))
    return weights


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_model_that_is_not_there(store: Store) -> None:
    """It is said as Ollama says it, before anybody is asked."""
    said, error = push(store, f"{HOST}/team/none")
    assert ["retrieving manifest", "couldn't retrieve manifest"] == said
    assert isinstance(error, ModelNotFound)


def test_a_name_that_is_none(store: Store) -> None:
    """Nothing is said before the error, so that it can be a status."""
    said, error = push(store, "a b")
    assert ([], InvalidName) == (said, type(error))


def test_a_blob_that_is_missing(store: Store) -> None:
    """A model that is not whole is not published in part."""
    weights = add(store, f"{HOST}/team/smol")
    store.blobs.remove(weights.blob)
    said, error = push(store, f"{HOST}/team/smol")
    assert (["retrieving manifest"], BlobNotFound) == (said, type(error))


def test_a_blob_that_was_cut(store: Store) -> None:
    """Nor is one whose files are not as long as they were."""
    add(store, f"{HOST}/team/smol", size=6)
    said, error = push(store, f"{HOST}/team/smol")
    assert (["retrieving manifest"], CorruptManifest) == (said, type(error))
