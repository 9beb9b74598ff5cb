"""The store as a whole: models by name, and what is kept, replaced, pruned and repaired."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from puna.errors import (
    BlobNotFound,
    CorruptManifest,
    InvalidName,
    ModelNotFound,
    ModelNotPermitted,
    StoreError,
)
from puna.names import Digest, ModelName
from puna.store import formats
from puna.store.blobs import digest_of
from puna.store.formats import CONFIG_TYPE, Config, Layer, Manifest, layer_type
from puna.store.models import Store
from puna.types import Details, Message

SMOL = "registry.ollama.ai/library/smol/latest"
HOUR = 3600
Deaths = Callable[[Callable[[], object]], Iterator[int]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def new_manifest(store: Store, system: str) -> Manifest:
    """A model of a system message alone."""
    config = store.blobs.put(formats.write_config(Config()))
    text = store.blobs.put(system.encode())
    return Manifest(
        Layer(CONFIG_TYPE, str(config), store.blobs.size(config)),
        (Layer(layer_type("system"), str(text), len(system.encode())),),
    )


def blobs(store: Store) -> set[str]:
    return {path.name for path in store.blobs.directory.iterdir()}


def test_a_store_made_by_ollama(store: Store, ollama: Any, weights: bytes) -> None:
    """What Ollama stored, new or long ago, is served; and looking at it changes nothing."""
    ollama.model(
        SMOL,
        ollama.layer("model", weights, **{"from": "/home/someone/smol.gguf"}),
        ollama.layer("prompt", b"{{ .Prompt }}"),
        ollama.layer("system", b"Sei kurz."),
        ollama.layer("params", b'{"stop":["\\u003c|im_end|\\u003e"],"temperature":1,"mirostat":2}\n'),
        ollama.layer("messages", b'[{"role":"user","content":"hi"},{"role":"assistant","content":"ho","new":1}]\n'),
        ollama.layer("license", b"MIT"),
        ollama.layer("license", b"and more"),
        ollama.layer("embed", b"of old"),
        config={"model_type": "135M", "file_type": "F16", "rootfs": {"type": "layers"}, "later": [1]},
        annotations={"unknown": True},
    )
    before = ollama.files()
    model = store.model("smol")
    assert ModelName.parse("smol") == model.name
    assert "{{ .Prompt }}" == model.template
    assert "Sei kurz." == model.system
    assert {"stop": ["<|im_end|>"], "temperature": 1, "mirostat": 2} == model.parameters
    assert (Message("user", "hi"), Message("assistant", "ho")) == model.messages
    assert ("MIT", "and more") == model.licenses
    assert Details("/home/someone/smol.gguf", "gguf", "llama", ("llama",), "135M", "F16") == model.details
    assert weights == model.weights.read_bytes()
    assert 512 == model.gguf.context_length
    assert ((), ()) == (model.adapters, model.projectors)
    assert sum(len(content) for path, content in before.items() if path.startswith("blobs")) == model.size
    assert digest_of(before["manifests/" + SMOL]) == model.digest
    assert [model] == store.models()
    assert before == ollama.files()


def test_without_anything(store: Store, ollama: Any) -> None:
    """A model of nothing but a config has no texts, and says so of its weights."""
    ollama.model(SMOL)
    model = store.model("smol")
    assert (None, "", {}, (), ()) == (model.template, model.system, model.parameters, model.messages, model.licenses)
    with pytest.raises(CorruptManifest, match="no weights"):
        _ = model.weights


def test_names(store: Store, ollama: Any) -> None:
    """A model is found whatever the case of its name, and is called what the store calls it."""
    ollama.model("registry.ollama.ai/someone/Smol/V1")
    assert ModelName.parse("someone/Smol:V1") == store.model("SOMEONE/smol:v1").name
    assert ModelName.parse("someone/Smol:V1") == store.model("https://registry.ollama.ai/someone/Smol:V1").name
    with pytest.raises(ModelNotFound) as caught:
        store.model("smol")
    assert "smol" == caught.value.name
    with pytest.raises(ModelNotFound):
        store.model(f"{'h' * 300}/a/b")
    with pytest.raises(InvalidName):
        store.model("a b")


def test_an_empty_store(tmp_path: Path) -> None:
    """A store that is not there yet is empty, and nothing is made by looking."""
    store = Store(tmp_path / "not" / "yet")
    store.repair()
    assert [] == store.models()
    with pytest.raises(ModelNotFound):
        store.model("smol")
    assert [] == list(tmp_path.iterdir())


def test_read_once(store: Store, ollama: Any) -> None:
    """A model is read again only when its manifest has changed, by whomever."""
    path = ollama.model(SMOL, ollama.layer("system", b"one"))
    first = store.model("smol")
    assert first is store.model("smol")
    assert first is store.model("SMOL")
    path.unlink()
    with pytest.raises(ModelNotFound):
        store.model("smol")
    ollama.model(SMOL, ollama.layer("system", b"another"))
    assert "another" == store.model("smol").system


def test_newest_first(store: Store, ollama: Any) -> None:
    """The list begins with the model that was changed last."""
    for age, name in enumerate(("c", "a", "b")):
        path = ollama.model(f"registry.ollama.ai/library/{name}/latest")
        os.utime(path, ns=(1, 1_000_000_000 - age))
    assert ["c", "a", "b"] == [model.name.model for model in store.models()]
    assert 1_000_000_000 == store.models()[0].modified_ns


def test_damaged_manifests_are_left_out(store: Store, ollama: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One damaged model does not hide the others; the log says which one, once."""
    ollama.model(SMOL)
    ollama.model("registry.ollama.ai/library/broken/latest").write_text("{")
    lost = ollama.model("registry.ollama.ai/library/lost/latest")
    config = json.loads(lost.read_text())["config"]
    lost.write_text(lost.read_text().replace(config["digest"], f"sha256:{'0' * 64}"))
    with caplog.at_level(logging.WARNING):
        assert ["smol:latest"] == [model.name.short for model in store.models()]
        store.models()
    assert 2 == len(caplog.records)
    with pytest.raises(CorruptManifest, match="broken"):
        store.model("broken")
    with pytest.raises(BlobNotFound):
        store.model("lost")


def test_a_missing_text(store: Store, ollama: Any) -> None:
    """A layer whose blob is gone is noticed when it is needed."""
    ollama.model(SMOL, ollama.layer("system", b"text"))
    store.blobs.remove(store.model("smol").manifest.of("system")[0].blob)
    with pytest.raises(BlobNotFound, match="puna fsck --repair"):
        _ = store.model("smol").system


@pytest.mark.parametrize("damage", ["gone", "cut short"])
def test_damaged_weights(store: Store, ollama: Any, weights: bytes, damage: str) -> None:
    """Whoever uses a model whose weights are gone or damaged is told what mends it."""
    ollama.model(SMOL, ollama.layer("model", weights))
    path = store.model("smol").weights
    path.unlink() if damage == "gone" else path.write_bytes(weights[:100])
    with pytest.raises(StoreError, match="; puna fsck --repair mends what can be fetched again"):
        _ = store.model("smol").gguf


def test_writing_replaces_and_prunes(store: Store) -> None:
    """A model that is made anew takes its name's place and case, and what only the old one needed goes."""
    store.write(ModelName.parse("smol"), new_manifest(store, "one"))
    store.write(ModelName.parse("other"), new_manifest(store, "shared"))
    store.write(ModelName.parse("SMOL"), new_manifest(store, "shared"))
    assert ["other:latest", "smol:latest"] == sorted(model.name.short for model in store.models())
    assert "shared" == store.model("smol").system
    assert 2 == len(blobs(store))


def test_writing_without_pruning(tmp_path: Path) -> None:
    """Who wants no pruning keeps the blobs."""
    store = Store(tmp_path, prune=False)
    store.write(ModelName.parse("smol"), new_manifest(store, "one"))
    store.write(ModelName.parse("smol"), new_manifest(store, "two"))
    store.repair(now=2e10)
    assert 3 == len(blobs(store))


def test_a_model_needs_its_blobs(store: Store) -> None:
    """A manifest is not written when a blob of it is gone."""
    manifest = new_manifest(store, "one")
    store.blobs.remove(Digest.parse((manifest.layers or ())[0].digest))
    with pytest.raises(BlobNotFound):
        store.write(ModelName.parse("smol"), manifest)
    assert [] == store.models()


def test_copies_are_the_same_file(store: Store, ollama: Any) -> None:
    """A copy is the manifest byte for byte, with all that this version knows nothing of."""
    path = ollama.model(SMOL, ollama.layer("system", b"one"), later={"x": 1})
    store.copy(ModelName.parse("Smol"), ModelName.parse("someone/copy:v1"))
    assert path.read_bytes() == (path.parents[2] / "someone/copy/v1").read_bytes()
    assert store.model("smol").digest == store.model("someone/copy:v1").digest


def test_copying_over_a_model(store: Store) -> None:
    """A copy replaces the model that had the name; onto itself it changes nothing."""
    store.write(ModelName.parse("a"), new_manifest(store, "a"))
    store.write(ModelName.parse("b"), new_manifest(store, "b"))
    store.copy(ModelName.parse("a"), ModelName.parse("A"))
    store.copy(ModelName.parse("a"), ModelName.parse("B"))
    assert ["a", "a"] == [store.model(name).system for name in ("a", "b")]
    assert 2 == len(blobs(store))
    with pytest.raises(ModelNotFound):
        store.copy(ModelName.parse("nope"), ModelName.parse("a"))


@pytest.mark.parametrize("prune", [True, False])
def test_deleting(tmp_path: Path, prune: bool) -> None:
    """Deleting a model frees what no other model needs, always."""
    store = Store(tmp_path, prune=prune)
    for name, system in (("a", "shared"), ("b", "shared"), ("c", "own")):
        store.write(ModelName.parse(name), new_manifest(store, system))
    store.delete(ModelName.parse("C"))
    store.delete(ModelName.parse("a"))
    assert ["b:latest"] == [model.name.short for model in store.models()]
    assert 2 == len(blobs(store))
    assert "shared" == store.model("b").system
    with pytest.raises(ModelNotFound):
        store.delete(ModelName.parse("a"))


def test_deleting_beside_a_damaged_manifest(store: Store, ollama: Any) -> None:
    """While it cannot be told what a damaged model needs, no blob is removed; the damaged one can be."""
    store.write(ModelName.parse("a"), new_manifest(store, "a"))
    ollama.model("registry.ollama.ai/library/broken/latest").write_text("{")
    kept = blobs(store)
    store.delete(ModelName.parse("a"))
    store.repair(now=2e10)
    assert kept == blobs(store)
    store.delete(ModelName.parse("broken"))
    store.repair(now=2e10)
    assert set() == blobs(store)


def test_repair(store: Store, ollama: Any) -> None:
    """A start renames old blobs and removes what is old and not needed, an hour being old."""
    ollama.model(SMOL, ollama.layer("system", b"needed"))
    needed = store.model("smol").manifest.of("system")[0].blob
    store.blobs.path(needed).rename(store.blobs.directory / f"sha256:{needed.hex}")
    unneeded = store.blobs.put(b"unneeded")
    (store.blobs.directory / "sha256-unfinished").touch()
    now = store.blobs.path(unneeded).stat().st_mtime
    store.repair(now=now + HOUR - 60)
    assert {needed.filename, unneeded.filename} < blobs(store)
    store.repair(now=now + HOUR + 60)
    assert {needed.filename, store.model("smol").manifest.config.blob.filename} == blobs(store)


def test_killed_while_replacing(store: Store, deaths: Deaths) -> None:
    """Wherever the server dies, the model is the old one or the new one, and is whole."""
    name = ModelName.parse("smol")
    store.write(name, new_manifest(store, "old"))
    seen = []
    for _ in deaths(lambda: Store(store.root).write(name, new_manifest(store, "new"))):
        seen.append(Store(store.root).model("smol").system)
        store.write(name, new_manifest(store, "old"))
    assert {"old", "new"} == set(seen)
    assert "new" == seen[-1]


def test_killed_while_deleting(store: Store, deaths: Deaths) -> None:
    """Wherever the server dies while it deletes, the model is whole or gone, and others are whole."""
    store.write(ModelName.parse("other"), new_manifest(store, "shared"))
    for _ in deaths(lambda: Store(store.root).delete(ModelName.parse("smol"))):
        found = {model.name.model: model.system for model in Store(store.root).models()}
        assert found in ({"other": "shared"}, {"other": "shared", "smol": "own"})
        store.write(ModelName.parse("smol"), new_manifest(store, "own"))


def test_errors_name_their_kind(store: Store, ollama: Any) -> None:
    """What is wrong with the store itself is an error of the store."""
    (store.root / "manifests").mkdir(parents=True)
    (store.root / "manifests" / SMOL).parent.parent.mkdir(parents=True)
    (store.root / "manifests" / SMOL).mkdir(parents=True)
    with pytest.raises(StoreError):
        store.model("smol")


def test_who_may_use_some_models_has_to_do_with_no_others(store: Store) -> None:
    """Neither by listing nor by any name, there or not, and nothing is written; what they may use they use."""
    manifest = new_manifest(store, "be brief")
    mine, yours, new = (ModelName.parse(name) for name in ("mine", "yours", "new"))
    for name in (mine, yours):
        store.write(name, manifest)
    narrow = Store(store.root, permits=lambda name: name.model == "mine")

    assert [mine] == [model.name for model in narrow.models()]
    assert mine == narrow.model("mine").name
    refused: list[Callable[[], object]] = [
        lambda: narrow.model("yours"),
        lambda: narrow.model("YOURS"),
        lambda: narrow.model("not-there"),
        lambda: narrow.copy(yours, mine),
        lambda: narrow.copy(mine, yours),
        lambda: narrow.copy(mine, new),
        lambda: narrow.delete(yours),
        lambda: narrow.write(new, manifest),
        lambda: narrow.install(yours, formats.write_manifest(manifest)),
    ]
    for ask in refused:
        with pytest.raises(ModelNotPermitted):
            ask()
    assert {mine, yours} == {model.name for model in store.models()}

    narrow.delete(mine)
    assert [yours] == [model.name for model in store.models()]
