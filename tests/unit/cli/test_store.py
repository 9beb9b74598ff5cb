"""``fsck``, ``prune``, ``export`` and ``import``: on the store of this machine, whether a server runs or not."""

import json
import os
import subprocess
import sys

import pytest

from puna.names import ModelName
from puna.store import formats
from puna.store.blobs import digest_of
from puna.store.formats import CONFIG_TYPE, Config, Layer, Manifest, layer_type
from puna.store.models import Store

TEXT = digest_of(b"text")


@pytest.fixture
def store(tmp_path, monkeypatch, unused_url):
    """A store with one model, and no server."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    store = Store(tmp_path / "models")
    config = formats.write_config(Config())
    layer = Layer(layer_type("license"), str(store.blobs.put(b"text")), 4)
    store.write(
        ModelName.parse("smol"), Manifest(Layer(CONFIG_TYPE, str(store.blobs.put(config)), len(config)), (layer,))
    )
    return store


@pytest.fixture
def alone(puna, monkeypatch, unused_url):
    """``puna`` without a server."""
    monkeypatch.setenv("OLLAMA_HOST", unused_url)
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    return puna


def age(path):
    os.utime(path, (1000, 1000))


def test_a_sound_store(alone, store):
    """A sound store is said to be sound, with how much was read and how fast."""
    result = alone("fsck")
    assert 0 == result.code
    assert result.out.startswith("1 model and 2 blobs of 131 B checked in ")
    assert result.out.endswith("/s): nothing is damaged\n")
    assert f"checking {store.root}\n" == result.err


def test_damage(alone, store):
    """Each damage is named: what is wrong, where, for whom, and what to do; and the exit status is 1."""
    store.blobs.path(TEXT).write_bytes(b"TEXT!")
    result = alone("fsck")
    assert 1 == result.code
    assert f"{TEXT}: it has 5 bytes instead of 4\n    {store.blobs.path(TEXT)}\n" in result.out
    assert "    needed by smol:latest\n    puna fsck --repair fetches it again" in result.out
    assert "1 damaged\n" in result.out


def test_damage_as_json(alone, store):
    """Programs read one JSON object."""
    store.manifests.path(ModelName.parse("smol")).write_text("{")
    result = alone("fsck", "--json")
    told = json.loads(result.out)
    assert (1, 1, 2, None) == (result.code, told["models"], told["blobs"], told["leftovers"])
    [damage] = told["damage"]
    assert {"kind": "manifest", "models": ["smol:latest"], "digest": None}.items() <= damage.items()
    assert str(store.root) == told["store"]


def test_repair_of_what_cannot_be_had(api, puna, store):
    """What no registry has is set aside, the model stays, what nothing needs goes, and the exit status is 1."""
    name = ModelName.parse(f"{api.url.removeprefix('http://')}/a/b")
    store.copy(ModelName.parse("smol"), name)
    store.delete(ModelName.parse("smol"))
    store.blobs.path(TEXT).write_bytes(b"TEXT")
    (store.blobs.directory / "sha256-old").touch()
    age(store.blobs.directory / "sha256-old")
    result = puna("fsck", "--repair", "--insecure")
    assert 1 == result.code
    assert b"TEXT" == (store.root / "quarantine" / TEXT.filename).read_bytes()
    assert f"moved to {store.root / 'quarantine' / TEXT.filename}, since it could not be fetched again" in result.out
    assert "removed 1 file of 0 B that no model needs" in result.out
    assert [name.full] == [found.full for found, _ in store.manifests.names()]
    assert [False] == [
        found["repaired"] for found in json.loads(puna("fsck", "--repair", "--insecure", "--json").out)["damage"]
    ]


def test_prune(alone, store):
    """What goes is named with its size; a dry run only names it; downloads stay unless they are meant."""
    partial = f"{TEXT.filename}-partial".replace("9", "8")
    for name in ("sha256-old", partial):
        (store.blobs.directory / name).write_bytes(bytes(4096))
        age(store.blobs.directory / name)
    (store.blobs.directory / digest_of(b"new").filename).write_bytes(b"new")
    expected = (
        "1 file of 3 B may belong to a model that is being made or pulled, and stay\n"
        "4.1 KB of unfinished downloads can be resumed, and stay; see --partials\n"
    )
    result = alone("prune", "--dry-run")
    assert (0, f"would remove sha256-old (4.1 KB)\n1 file, 4.1 KB\n{expected}") == (result.code, result.out)
    assert f"removed sha256-old (4.1 KB)\n1 file, 4.1 KB\n{expected}" == alone("prune").out
    assert f"removed {partial} (4.1 KB)\n1 file, 4.1 KB\n" in alone("prune", "--partials").out
    assert 3 == len(list(store.blobs.directory.iterdir()))


def test_prune_beside_a_damaged_manifest(alone, store):
    """While it cannot be told what is needed, nothing goes."""
    store.manifests.path(ModelName.parse("smol")).write_text("{")
    age(store.blobs.path(TEXT))
    result = alone("prune")
    assert (1, "") == (result.code, result.out)
    assert "Error: the model smol:latest: a manifest in the store is damaged" in result.err
    assert store.blobs.exists(TEXT)


def test_export_and_import(alone, store, tmp_path, monkeypatch):
    """A model goes into a file and comes out of it in another store."""
    result = alone("export", "SMOL", "smol.tar")
    assert (0, "", "exporting smol:latest\n") == (result.code, result.out, result.err)
    assert ["models", "smol.tar"] == sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "other"))
    result = alone("import", "smol.tar")
    assert (0, "imported 'smol:latest'\n") == (result.code, result.out)
    assert store.model("smol").digest == Store(tmp_path / "other").model("smol").digest
    assert "imported 'mine:latest'\n" == alone("import", "smol.tar", "--as", "mine").out


def test_through_pipes(store, tmp_path, unused_url):
    """- is standard output, or input; nothing else is written there."""
    environ = os.environ | {"OLLAMA_HOST": unused_url, "OLLAMA_MODELS": str(store.root)}
    command = [sys.executable, "-m", "puna"]
    archive = subprocess.run([*command, "export", "smol", "-"], capture_output=True, check=True, env=environ).stdout
    environ["OLLAMA_MODELS"] = str(tmp_path / "other")
    done = subprocess.run([*command, "import", "-"], input=archive, capture_output=True, check=True, env=environ)
    assert b"imported 'smol:latest'\n" == done.stdout
    assert ("text",) == Store(tmp_path / "other").model("smol").licenses


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("export", "nope", "x.tar"), "model 'nope:latest' not found"),
        (("export", "smol"), "requires at least 2 arg(s), only received 1"),
        (("export", "a b", "x.tar"), "invalid model name: a b"),
        (("export", "smol", "no/such/folder/x.tar"), "no/such/folder/x.tar.part: no such file or directory"),
        (("import", "nope.tar"), "nope.tar: no such file or directory"),
        (("import", "text.tar"), "the archive cannot be read: "),
        (("fsck", "smol"), "accepts 0 arg(s), received 1"),
    ],
)
def test_refusals(alone, store, tmp_path, args, error):
    """What cannot be done is said in one line, and no half file is left."""
    (tmp_path / "text.tar").write_text("text")
    result = alone(*args)
    assert (1, "") == (result.code, result.out)
    assert f"Error: {error}" in result.err
    assert ["models", "text.tar"] == sorted(path.name for path in tmp_path.iterdir())


def test_an_export_that_fails_half_way(alone, store, tmp_path):
    """A damaged model is not exported, and an earlier archive of that name stays what it was."""
    (tmp_path / "smol.tar").write_text("before")
    store.blobs.path(TEXT).write_bytes(b"TEXT")
    result = alone("export", "smol", "smol.tar")
    assert 1 == result.code
    assert f"Error: the blob {TEXT} is damaged" in result.err
    assert "before" == (tmp_path / "smol.tar").read_text()
    assert ["models", "smol.tar"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("args", [("fsck",), ("prune",), ("export", "smol", "x.tar"), ("import", "x.tar")])
def test_the_store_of_another_machine(puna, store, monkeypatch, args):
    """With a server on another machine, nothing is done to the store of this one, and why is said."""
    monkeypatch.setenv("OLLAMA_HOST", "http://192.0.2.1:80")  # an address for documentation, which nobody has
    result = puna(*args)
    assert (1, "") == (result.code, result.out)
    assert result.err.startswith("Error: OLLAMA_HOST names the server http://192.0.2.1:80, and its model store is on")


def test_the_store_of_the_server(api, puna, store, monkeypatch, tmp_path):
    """Without OLLAMA_MODELS, the store is that of the server that runs here."""
    monkeypatch.delenv("OLLAMA_MODELS")
    api.on("GET", "/api/store", {"path": str(store.root), "device": 1, "inode": 1})
    assert f"checking {store.root}\n" == puna("fsck").err


def test_no_store(alone, tmp_path):
    """Where there is no store, that is said."""
    result = alone("fsck")
    assert (1, f"Error: there is no model store at {tmp_path / '.ollama' / 'models'}\n") == (result.code, result.err)
