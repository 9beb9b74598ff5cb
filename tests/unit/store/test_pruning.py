"""What goes from a store, and what stays: needed, young, resumable, or claimed by whoever makes something of it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from puna.errors import BlobNotFound, CorruptManifest
from puna.names import ModelName
from puna.store.blobs import digest_of
from puna.store.disk import Disk
from puna.store.models import Store

NOW = 2_000_000_000
HOUR = 3600
WEEK = 7 * 24 * HOUR
Make = Callable[..., None]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def lay(store: Store, name: str, age: float, content: bytes = b"xyz") -> Path:
    """A file where the blobs lie, ``age`` seconds old at ``NOW``."""
    path = store.blobs.directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (NOW - age, NOW - age))
    return path


def names(store: Store) -> set[str]:
    return {path.name for path in store.blobs.directory.iterdir()}


BLOB = digest_of(b"xyz").filename
OTHER = f"sha256-{'1' * 64}"


def test_old_blobs_that_nothing_needs(store: Store, make_model: Make) -> None:
    """A blob that no model needs goes once it is an hour old, and how much that frees is told."""
    make_model(store, "smol", "needed")
    for path in store.blobs.directory.iterdir():
        os.utime(path, (NOW - WEEK, NOW - WEEK))
    kept = names(store)
    lay(store, BLOB, HOUR + 1)
    lay(store, OTHER, HOUR - 1)
    lay(store, "sha256-unfinished", HOUR + 1)
    pruned = store.prune(now=NOW)
    assert ([3], [3], [3]) == tuple(
        [file.size for file in each] for each in (pruned.blobs, pruned.unfinished, pruned.young)
    )
    assert kept | {OTHER} == names(store)


def test_a_dry_run(store: Store) -> None:
    """A dry run tells the same and removes nothing."""
    for name in (BLOB, f"{OTHER}-partial", "sha256-unfinished"):
        lay(store, name, WEEK)
    told = store.prune(partials=True, dry_run=True, now=NOW)
    assert {BLOB, f"{OTHER}-partial", "sha256-unfinished"} == names(store)
    assert told == store.prune(partials=True, now=NOW)
    assert set() == names(store)


def test_a_start_keeps_what_can_be_resumed(store: Store) -> None:
    """However old a download is, also one that Ollama left, it can be resumed after a start."""
    partials = {f"{OTHER}-partial", f"{OTHER}-partial-0", f"{OTHER}-partial-15"}
    for name in partials:
        lay(store, name, 52 * WEEK)
    store.repair(now=NOW)
    assert partials == names(store)
    assert 3 == len(store.prune(now=NOW).resumable)


def test_partials_of_a_complete_blob(store: Store, make_model: Make) -> None:
    """What is left of a download that was completed otherwise is of no use to anybody."""
    make_model(store, "smol", "needed")
    kept = names(store)
    lay(store, f"{digest_of(b'needed').filename}-partial", WEEK)
    lay(store, f"{digest_of(b'needed').filename}-partial-3", WEEK)
    store.repair(now=NOW)
    assert kept == names(store)


def test_pruning_partials(store: Store) -> None:
    """Partial downloads go when that is asked for, except one that goes on: it was written to in the last minute."""
    for name in (f"{OTHER}-partial", f"{OTHER}-partial-0"):
        lay(store, name, 61)
    lay(store, f"{BLOB}-partial", 59)
    pruned = store.prune(partials=True, now=NOW)
    assert {f"{BLOB}-partial"} == names(store)
    assert (2, 1) == (len(pruned.partials), len(pruned.young))


def test_the_size_of_a_file_with_holes(store: Store) -> None:
    """Of a download with room for all of it, only what was written counts."""
    path = lay(store, f"{OTHER}-partial", 0, b"")
    os.truncate(path, 1 << 40)
    with path.open("r+b") as file:
        file.write(b"x" * 4096)
        os.fsync(file.fileno())
    os.utime(path, (NOW - WEEK, NOW - WEEK))
    [pruned] = store.prune(partials=True, now=NOW).partials
    assert 4096 <= pruned.size < 1 << 20


def test_what_is_not_the_stores(store: Store) -> None:
    """A file that someone else put there is nobody's to remove."""
    lay(store, "README", WEEK)
    store.repair(now=NOW)
    store.prune(partials=True, now=NOW)
    assert {"README"} == names(store)


def test_a_damaged_manifest_stops_pruning(store: Store) -> None:
    """While it cannot be told what a damaged model needs, nothing goes, and why is said."""
    lay(store, BLOB, WEEK)
    store.manifests.write(ModelName.parse("broken"), b"{")
    with pytest.raises(CorruptManifest, match="broken"):
        store.prune(partials=True, now=NOW)
    store.repair(now=NOW)
    assert {BLOB} == names(store)


CLAIMING = """
import sys
from pathlib import Path
from puna.names import Digest
from puna.store.blobs import Blobs
from puna.store.locks import claim
blobs = Blobs(Path(sys.argv[1]) / "blobs")
with blobs.claiming() as claiming, open(blobs.directory / sys.argv[3]) as partial, blobs.open_writer() as writer:
    writer.write(b"xyz")
    claim(partial.fileno())
    claiming(Digest.parse(sys.argv[2]))
    print("claimed", flush=True)
    sys.stdin.read()
    print(writer.commit(), flush=True)
"""


@contextmanager
def another_process(script: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, which goes on when its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.communicate()
    assert process.returncode == 0


def test_another_process_makes_a_model(store: Store, make_model: Make) -> None:
    """What another process is making a model of, or downloads, is not lost to this one's deleting and pruning."""
    make_model(store, "smol", "text", "other text")
    partial = lay(store, f"{OTHER}-partial", WEEK)
    digest = digest_of(b"text")
    with another_process(CLAIMING, str(store.root), str(digest), partial.name) as process:
        assert process.stdout is not None
        assert "claimed\n" == process.stdout.readline()
        store.delete(ModelName.parse("smol"))
        [unfinished] = {path for path in store.blobs.directory.iterdir() if len(path.name) < len(BLOB)}
        for path in store.blobs.directory.iterdir():
            os.utime(path, (NOW - WEEK, NOW - WEEK))
        pruned = store.prune(partials=True, now=NOW)
        assert () == pruned.going
        assert {digest.filename, partial.name, unfinished.name} == names(store)
    assert {digest.filename, partial.name, BLOB} == names(store), "it could go on"
    store.prune(partials=True, now=NOW * 2)
    assert set() == names(store), "when it has ended, everything can go"


PRUNING = """
import sys
from pathlib import Path
from puna.names import ModelName
from puna.store.disk import Disk
from puna.store.models import Store
store = Store(Path(sys.argv[1]))
content = store.manifests.read(ModelName.parse("base"))
print("ready", flush=True)
for number in range(200):
    store.install(ModelName.parse(f"other{number % 3}"), content)
    store.repair()
    store.delete(ModelName.parse(f"other{number % 3}"))
"""


def test_two_servers(store: Store, make_model: Make) -> None:
    """Two servers that make, delete and prune at the same time lose nothing of each other's, however old it is."""
    make_model(store, "base", "shared")
    texts = [f"text {number}" for number in range(200)]
    for text in texts:
        lay(store, digest_of(text.encode()).filename, NOW - 1000, text.encode())
    with another_process(PRUNING, str(store.root)) as process:
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
        for text in texts:
            make_model(store, "mine", "shared", text)
            assert ("shared", text) == store.model("mine").licenses
            store.delete(ModelName.parse("mine"))
    assert {"base:latest"} == {model.name.short for model in store.models()}
    assert ("shared",) == store.model("base").licenses
    store.repair(now=NOW * 2)
    assert 2 == len(names(store))


def test_claiming_what_is_not_there(store: Store) -> None:
    """Claiming a blob that is gone says which."""
    with store.blobs.claiming() as claim, pytest.raises(BlobNotFound, match=digest_of(b"xyz").hex):
        claim(digest_of(b"xyz"))


def test_claiming_makes_young(store: Store) -> None:
    """What is claimed is young again, for the sake of an Ollama on the same store."""
    path = lay(store, BLOB, NOW - 1000)
    with store.blobs.claiming() as claim:
        claim(digest_of(b"xyz"))
    assert 1000 < path.stat().st_mtime


def test_a_blob_that_is_replaced_while_it_is_claimed(tmp_path: Path) -> None:
    """A claim on a file that was removed meanwhile is none, even if the blob was made anew: who claims is told."""

    class Replacing(Disk):
        def touch(self, path: Path) -> None:
            path.unlink()
            path.write_bytes(b"xyz")
            super().touch(path)

    Store(tmp_path).blobs.put(b"xyz")
    with Store(tmp_path, disk=Replacing()).blobs.claiming() as claim, pytest.raises(BlobNotFound):
        claim(digest_of(b"xyz"))


def test_the_blob_of_another_user(tmp_path: Path) -> None:
    """Where the time of a blob may not be set, since another user made it, it can be used all the same."""

    class NotOurs(Disk):
        def touch(self, path: Path) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

    Store(tmp_path).blobs.put(b"xyz")
    assert digest_of(b"xyz") == Store(tmp_path, disk=NotOurs()).blobs.put(b"xyz")
