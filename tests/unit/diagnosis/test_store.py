"""What is told of a model store without reading its files."""

import pytest

from puna.diagnosis.store import section
from puna.names import Digest, ModelName
from puna.store import formats
from puna.store.formats import CONFIG_TYPE, Config, Layer, Manifest, layer_type
from puna.store.models import Store

MEMORY = 10**12


@pytest.fixture
def store(tmp_path):
    """A store with one small model."""
    store = Store(tmp_path / "models")
    config = formats.write_config(Config())
    weights = store.blobs.put(b"weights")
    layers = (Layer(layer_type("model"), str(weights), 7),)
    name = ModelName.parse("smol")
    store.write(name, Manifest(Layer(CONFIG_TYPE, str(store.blobs.put(config)), len(config)), layers))
    return store


def severities(section_):
    return [found.severity for found in section_.findings if "free on the disk" not in found.problem]


def test_no_directory(tmp_path):
    """A file where the store should be is an error, not a store that is yet to come."""
    (tmp_path / "models").write_text("mine")
    [found] = section(tmp_path / "models", MEMORY).findings
    assert ("error", "name one with OLLAMA_MODELS") == (found.severity, found.advice)


def test_a_store_that_cannot_be_looked_at(tmp_path):
    """What the system says of it is an error among the others, and not the end of the examination."""
    [found] = section(tmp_path / ("m" * 300), MEMORY).findings
    assert ("error", True) == (found.severity, "file name too long" in found.problem)


def test_a_whole_store(store):
    """A store with a whole model has it counted, and nothing wrong."""
    told = section(store.root, MEMORY)
    assert [] == severities(told)
    assert dict(told.facts)["models"].startswith("1, ")


def test_no_store(tmp_path):
    """Where there is no store yet, the way to one is told."""
    [found] = section(tmp_path / "none", MEMORY).findings
    assert "note" == found.severity
    assert "puna pull" in found.advice


@pytest.mark.parametrize("damage", ["missing", "short", "manifest"])
def test_damage(store, damage):
    """A missing blob, one of the wrong size and a manifest that is none lead to puna fsck."""
    [layer] = store.model("smol").manifest.layers
    blob = store.blobs.path(Digest.parse(layer.digest))
    if damage == "missing":
        blob.unlink()
    elif damage == "short":
        blob.write_bytes(b"w")
    else:
        store.manifests.path(ModelName.parse("smol")).write_text("{")
    told = section(store.root, MEMORY)
    assert ["error"] == severities(told)
    assert "puna fsck --repair" in told.findings[-1].advice


def test_a_model_larger_than_the_memory(store):
    """A model that cannot fit is told before somebody waits for it."""
    told = section(store.root, 5)
    assert ["warning"] == severities(told)
    assert "smol" in told.findings[-1].problem
