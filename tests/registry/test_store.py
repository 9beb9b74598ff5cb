"""A damaged store is mended from the registry, and files come into a store, as a user does it."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from puna.names import ModelName
from puna.store.checking import check
from support.registry_peer import RegistryPeer
from support.transfers import Home, ask, noise


def puna(home: Home, *args: str, url: str = "http://127.0.0.1:1") -> subprocess.CompletedProcess[str]:
    """The command, with the store of ``home`` and no server unless ``url`` names one."""
    environ = os.environ | home.environ | {"OLLAMA_HOST": url, "OLLAMA_MODELS": str(home.folder / "store")}
    return subprocess.run(
        [sys.executable, "-m", "puna", *args], env=environ, capture_output=True, text=True, check=False
    )


def test_fsck_fetches_what_is_damaged(tmp_path: Path, peer: RegistryPeer, start_server: Callable[..., Any]) -> None:
    """A blob that changed, one that is gone and a manifest that is torn come back from the registry, byte for byte."""
    home = Home(tmp_path)
    names = [f"{peer.host}/team/{model}" for model in ("changed", "gone", "torn")]
    digests = [home.add(name, noise(100_000 + at)) for at, name in enumerate(names)]
    manifests = [home.manifest(name) for name in names]
    with start_server(home.folder / "store", **home.environ) as server:
        for name in names:
            assert "success" == ask(server, "/api/push", model=name, insecure=True).statuses[-1]
    blobs = home.folder / "store" / "blobs"
    (blobs / digests[0].replace(":", "-")).write_bytes(b"noise")
    (blobs / digests[1].replace(":", "-")).unlink()
    home.store.manifests.path(ModelName.parse(names[2])).write_bytes(manifests[2][:100])

    found = puna(home, "fsck", "--json")
    assert 1 == found.returncode
    assert ["damaged", "manifest", "missing"] == sorted(each["kind"] for each in json.loads(found.stdout)["damage"])

    mended = puna(home, "fsck", "--repair", "--insecure")
    assert 0 == mended.returncode, mended.stdout + mended.stderr
    assert 3 == mended.stdout.count("    fetched again\n")
    assert () == check(home.store).damage
    assert manifests == [home.manifest(name) for name in names]
    assert [100_000, 100_001, 100_002] == [len(home.content(digest)) for digest in digests]


def test_update_fetches_the_new_version(tmp_path: Path, peer: RegistryPeer, start_server: Callable[..., Any]) -> None:
    """A model of which a registry has another version is outdated, is updated, and then is not outdated."""
    home, name = Home(tmp_path), f"{peer.host}/team/moving:v1"
    with start_server(home.folder / "store", **home.environ) as server:
        home.add(name, noise(50_000))
        ask(server, "/api/push", model=name, insecure=True)
        new = home.manifest(name)
        home.add(name, noise(60_000))
        told = json.loads(puna(home, "outdated", "--insecure", "--json", url=server.url).stdout)
        assert [name] == [each["name"] for each in told["outdated"]]
        updated = puna(home, "update", "--all", "--insecure", url=server.url)
        assert (0, f"updated '{name}'\n") == (updated.returncode, updated.stdout), updated.stderr
        assert new == home.manifest(name)
        assert [] == json.loads(puna(home, "outdated", "--insecure", "--json", url=server.url).stdout)["outdated"]


def test_a_file_comes_into_the_store_once(tmp_path: Path, start_server: Callable[..., Any], smollm2: Path) -> None:
    """Creating a model of a file that nobody may write to makes no second copy of it, where links can be made."""
    home, file = Home(tmp_path), tmp_path / "smollm2.gguf"
    shutil.copyfile(smollm2, file)
    file.chmod(0o444)
    (tmp_path / "Modelfile").write_text("FROM smollm2.gguf\n")
    with start_server(home.folder / "store", **home.environ) as server:
        made = puna(home, "create", "smollm2", "-f", str(tmp_path / "Modelfile"), url=server.url)
        assert 0 == made.returncode, made.stderr
        blob = home.store.model("smollm2").weights
        assert blob.samefile(file) or blob.stat().st_mode & 0o777 == 0o644, "neither a link nor a clone"
        assert filecmp.cmp(file, blob, shallow=False)
        server.call("DELETE", "/api/delete", {"model": "smollm2"})
        assert not blob.exists()
        assert filecmp.cmp(file, smollm2, shallow=False)
