"""Checking and mending: every damage is found and named, and mended where that can be done; no model is given up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from puna.errors import RegistryError
from puna.names import Digest, ModelName
from puna.store import formats
from puna.store.blobs import digest_of
from puna.store.checking import Damage, check
from puna.store.formats import CONFIG_TYPE, Layer, Manifest
from puna.store.mending import mend
from puna.store.models import Store

Make = Callable[..., None]
SMOL = ModelName.parse("smol")
TEXT = digest_of(b"text")


@pytest.fixture
def store(tmp_path: Path, make_model: Make) -> Store:
    store = Store(tmp_path / "store")
    make_model(store, "smol", "text", "more")
    make_model(store, "other", "text")
    return store


def damage(store: Store) -> list[tuple[str, str, list[str]]]:
    """What is found: kind, blob or model, and who suffers."""
    return [
        (found.kind, found.path.name if found.blob else "", sorted(name.short for name in found.models))
        for found in check(store).damage
    ]


def test_a_sound_store(store: Store) -> None:
    """Of a sound store everything is counted and nothing is wrong; while it is read, how far it is is told."""
    (store.blobs.directory / "README").write_text("not the store's")
    told, telling = [], threading.Lock()

    def tell(done: int, total: int) -> None:
        with telling:
            told.append((done, total))

    checked = check(store, tell)
    size = sum(file.size for file in store.blobs.files() if file.kind == "blob")
    assert (2, 3, size, ()) == (checked.models, checked.blobs, checked.size, checked.damage)
    assert (size, size) == max(told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_an_empty_store(tmp_path: Path) -> None:
    """Where there is nothing, nothing is wrong."""
    assert (0, 0, ()) == ((found := check(Store(tmp_path))).models, found.blobs, found.damage)


@pytest.mark.parametrize(
    ("content", "problem"), [(b"TEXT", "content has changed"), (b"te", "2 bytes instead of 4"), (b"", "0 bytes")]
)
def test_a_damaged_blob(store: Store, content: bytes, problem: str) -> None:
    """A blob that is not what its name says is found, and so is who needs it."""
    store.blobs.path(TEXT).write_bytes(content)
    [found] = check(store).damage
    assert ("damaged", TEXT, store.blobs.path(TEXT)) == (found.kind, found.blob, found.path)
    assert {"smol:latest", "other:latest"} == {name.short for name in found.models}
    assert problem in found.problem


def test_a_damaged_blob_that_nothing_needs(store: Store) -> None:
    """Also a blob of no model is damage: the next model that needs it would take it as it is."""
    (store.blobs.directory / digest_of(b"x").filename).write_bytes(b"y")
    assert [("damaged", digest_of(b"x").filename, [])] == damage(store)


def test_a_missing_blob(store: Store) -> None:
    """A blob that is not there is found by the models that need it."""
    store.blobs.path(digest_of(b"more")).unlink()
    assert [("missing", digest_of(b"more").filename, ["smol:latest"])] == damage(store)


def test_a_blob_by_its_old_name(store: Store) -> None:
    """A blob that the next start renames is there."""
    store.blobs.path(TEXT).rename(store.blobs.directory / f"sha256:{TEXT.hex}")
    assert [] == damage(store)


def test_a_blob_that_cannot_be_read(store: Store) -> None:
    """What cannot be read is told apart from what is damaged."""
    path = store.blobs.path(TEXT)
    path.unlink()
    path.symlink_to("/proc/self/mem")  # opens, and fails to be read
    [found] = [each for each in check(store).damage if each.kind == "unreadable"]
    assert "input/output error" in found.problem


@pytest.mark.parametrize(("content", "problem"), [(b"", "empty"), (b"{", "truncated"), (b"{}", "config")])
def test_a_damaged_manifest(store: Store, content: bytes, problem: str) -> None:
    """A manifest that is none is found, and then it cannot be told what could go."""
    store.manifests.path(SMOL).write_bytes(content)
    checked = check(store)
    [found] = checked.damage
    assert ("manifest", (SMOL,), None) == (found.kind, found.models, checked.leftovers)
    assert problem in found.problem


def test_a_manifest_that_is_wrong(store: Store) -> None:
    """Sizes that are not so, and a config that is none, are found though every blob is sound."""
    layer = Layer("application/vnd.ollama.image.license", str(TEXT), 5)
    no_config = Layer(CONFIG_TYPE, str(TEXT), 4)
    for name, config, layers in (("size", None, (layer,)), ("config", no_config, ())):
        manifest = Manifest(config or store.model("smol").manifest.config, layers)
        store.manifests.write(ModelName.parse(name), formats.write_manifest(manifest))
    assert {("manifest", "", ("size:latest",)), ("manifest", "", ("config:latest",))} == {
        (kind, blob, tuple(models)) for kind, blob, models in damage(store)
    }


def test_removed_meanwhile(store: Store) -> None:
    """A model that someone removes while the store is checked is not damaged."""
    checked = check(store, lambda *_: store.delete(SMOL) if store.manifests.status(SMOL) else None)
    assert () == checked.damage


@dataclass
class Source:
    """A registry that has some blobs, and all models or none."""

    store: Store
    has: dict[Digest, bytes] = field(default_factory=dict)
    models: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def fetch_blob(self, name: ModelName, layer: Layer) -> None:
        self.asked.append(name.short)
        if layer.blob not in self.has:
            raise RegistryError("file does not exist")
        with self.store.blobs.open_writer() as writer:
            writer.write(self.has[layer.blob])
            writer.commit(layer.blob)

    def fetch_model(self, name: ModelName) -> None:
        if name.short not in self.models:
            raise RegistryError("file does not exist")
        self.store.install(name, self.models[name.short])


def only(store: Store) -> Damage:
    [found] = check(store).damage
    return found


@pytest.mark.parametrize("missing", [True, False])
def test_fetched_again(store: Store, missing: bool) -> None:
    """A blob that a registry has is fetched again, and all is well."""
    path = store.blobs.path(TEXT)
    path.write_bytes(b"TEXT")
    if missing:
        path.unlink()
    assert mend(store, only(store), Source(store, {TEXT: b"text"})).mended
    assert [] == damage(store)
    assert not (store.root / "quarantine").exists()


def test_set_aside(store: Store) -> None:
    """A damaged blob that nobody has is set aside; every model that needs it stays, and is whole when it comes back."""
    store.blobs.path(TEXT).write_bytes(b"TEXT")
    source = Source(store)
    outcome = mend(store, only(store), source)
    aside = store.root / "quarantine" / TEXT.filename
    assert (False, b"TEXT") == (outcome.mended, aside.read_bytes())
    assert str(aside) in outcome.text
    assert "file does not exist" in outcome.text
    assert ["other:latest", "smol:latest"] == sorted(source.asked), "each model's registry was asked"
    assert [("missing", TEXT.filename, ["other:latest", "smol:latest"])] == damage(store)
    store.blobs.put(b"text")
    assert [] == damage(store)


def test_a_store_that_cannot_be_changed(store: Store, faulty_disk: Any) -> None:
    """In a store that may only be read, what cannot be mended is said, and all the rest is looked at."""
    store.blobs.path(TEXT).write_bytes(b"TEXT")
    fixed = Store(store.root, disk=faulty_disk.read_only())
    outcome = mend(fixed, only(fixed), Source(fixed))
    assert (False, True) == (outcome.mended, "left as it is" in outcome.text)
    assert b"TEXT" == store.blobs.path(TEXT).read_bytes()


def test_a_missing_blob_that_nobody_has(store: Store) -> None:
    """What is missing and cannot be had is missing still, and the model stays."""
    store.blobs.path(TEXT).unlink()
    outcome = mend(store, only(store), Source(store))
    assert (False, True) == (outcome.mended, "file does not exist" in outcome.text)
    assert 2 == len(list(store.manifests.names()))


def test_a_damaged_blob_of_no_model_goes(store: Store) -> None:
    """What is damaged and not needed is removed."""
    path = store.blobs.directory / digest_of(b"x").filename
    path.write_bytes(b"y")
    assert mend(store, only(store), Source(store)).mended
    assert not path.exists()


def test_a_manifest_is_fetched_again(store: Store) -> None:
    """A damaged manifest is fetched again where it is published; elsewhere it is left, for nothing better is known."""
    path = store.manifests.path(SMOL)
    sound = path.read_bytes()
    path.write_bytes(b"{")
    assert not mend(store, only(store), Source(store)).mended
    assert b"{" == path.read_bytes()
    assert mend(store, only(store), Source(store, models={"smol:latest": sound})).mended
    assert [] == damage(store)


def test_what_cannot_be_read_is_left(store: Store) -> None:
    """What cannot be read just now may be sound: nothing is done to it."""
    path = store.blobs.path(TEXT)
    path.unlink()
    path.symlink_to("/proc/self/mem")
    [found] = [each for each in check(store).damage if each.kind == "unreadable"]
    assert not mend(store, found, Source(store, {TEXT: b"text"})).mended
    assert path.is_symlink()


def test_a_power_failure_while_setting_aside(store: Store, faulty_disk: Any, tmp_path: Path) -> None:
    """When the power fails while a blob is set aside, it is in one place or the other."""
    store.blobs.path(TEXT).write_bytes(b"TEXT")
    disk = faulty_disk.RecordingDisk(store.root)
    recorded = Store(store.root, disk=disk)
    mend(recorded, only(recorded), Source(recorded))
    places = set()
    for wreck in disk.wrecks:
        found = [name for name, content in wreck if content == b"TEXT"]
        assert 1 == len(found)
        places.add(os.path.dirname(found[0]))  # noqa: PTH120 - a key of a wreck is no path
    assert {"blobs", "quarantine"} == places
