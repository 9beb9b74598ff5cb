"""Whatever fails, and wherever: what was listed before is listed afterwards, whole, and no half blob is ever a blob."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from puna.errors import DiskFull, StoreError
from puna.names import Digest, ModelName
from puna.store.blobs import digest_of, file_digest
from puna.store.disk import Disk, translated
from puna.store.models import Store

LONG_AGO = 1000
MANY = 100
"""More steps than anything here takes."""

Make = Callable[..., None]
Listing = dict[str, str]


@dataclass(frozen=True)
class Work:
    """Something done to a store.

    ``always``: it needs no space. ``best_effort``: it warns where others fail. ``sloppy``: on the way there may be a
    half blob, since another program makes one.
    """

    do: Callable[[Store, Disk, Make], None]
    always: bool = False
    best_effort: bool = False
    sloppy: bool = False


def write_all(disk: Disk, descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[disk.write(descriptor, rest) :]


def write_blob(store: Store, _: Disk, __: Make) -> None:
    with store.blobs.open_writer() as writer:
        for piece in (b"one", b"two", b"three"):
            writer.write(piece)
        writer.commit(digest_of(b"onetwothree"))


def download(store: Store, disk: Disk, _: Make) -> None:
    """The last step of a download: what lies there as a partial file becomes a blob."""
    with translated():
        descriptor, path = disk.create(store.blobs.directory, f"{digest_of(b'weights').filename}-partial")
        with os.fdopen(descriptor):
            write_all(disk, descriptor, b"weights")
    store.blobs.adopt(path, digest_of(b"weights"))


def make(store: Store, _: Disk, make: Make) -> None:
    make(store, "someone/new:v1", "shared", "new")


def reuse(store: Store, disk: Disk, make: Make) -> None:
    """Make a model of a blob that an Ollama is uploading, which syncs nothing."""
    with translated():
        descriptor, path = disk.create(store.blobs.directory, "sha256-")
        with os.fdopen(descriptor):
            write_all(disk, descriptor, b"new!")
            disk.rename(path, store.blobs.path(digest_of(b"new!")))
    with store.blobs.claiming() as claim:
        claim(digest_of(b"new!"))
        make(store, "new", "new!")


def replace(store: Store, _: Disk, make: Make) -> None:
    make(store, "SMOL", "shared", "newer")


def copy(store: Store, _: Disk, __: Make) -> None:
    store.copy(ModelName.parse("smol"), ModelName.parse("someone/copy"))


def copy_over(store: Store, _: Disk, __: Make) -> None:
    store.copy(ModelName.parse("smol"), ModelName.parse("other"))


def delete(store: Store, _: Disk, __: Make) -> None:
    store.delete(ModelName.parse("smol"))


def prune(store: Store, _: Disk, __: Make) -> None:
    store.prune(partials=True)


def start(store: Store, _: Disk, __: Make) -> None:
    store.repair()


WORKS = {
    work.do.__name__: work
    for work in (
        Work(write_blob),
        Work(download),
        Work(make),
        Work(reuse, sloppy=True),
        Work(replace),
        Work(copy),
        Work(copy_over),
        Work(delete, always=True),
        Work(prune, always=True),
        Work(start, best_effort=True),
    )
}


@pytest.fixture(params=WORKS)
def work(request: pytest.FixtureRequest) -> Work:
    return WORKS[request.param]


@pytest.fixture
def root(tmp_path: Path, make_model: Make) -> Path:
    """A store of three models, with much that could go: old blobs, unfinished files, downloads."""
    root = tmp_path / "store"
    store = Store(root)
    make_model(store, "kept", "shared", "kept")
    make_model(store, "smol", "shared", "own")
    make_model(store, "other", "other")
    store.blobs.put(b"unneeded")
    name = digest_of(b"kept").filename
    (root / "blobs" / name).rename(root / "blobs" / name.replace("-", ":"))
    name = digest_of(b"download").filename
    for unfinished in ("sha256-x", f"{name}-partial", f"{name}-partial-0", f"{digest_of(b'own').filename}-partial"):
        (root / "blobs" / unfinished).write_bytes(b"x")
    for path in (root / "blobs").iterdir():
        os.utime(path, (LONG_AGO, LONG_AGO))
    (root / "manifests" / "registry.ollama.ai" / "empty").mkdir()
    return root


def listing(root: Path) -> Listing:
    """The models that are listed and the digests of their manifests. Every blob of each is found to be intact."""
    found = {}
    for model in Store(root).models():
        for digest in model.manifest.blobs:
            old = root / "blobs" / digest.filename.replace("-", ":")
            path = old if old.exists() else model.blobs.path(digest)
            assert digest == file_digest(path), f"{model.name} is not whole"
        found[model.name.full] = str(model.digest)
    return found


def check(root: Path, before: Listing, after: Listing, *, sloppy: bool = False) -> Listing:
    """Each model is what it was before or what it became, and what has a blob's name is that blob, now and later."""
    found = listing(root)
    for name in before | after | found:
        assert found.get(name) in (before.get(name), after.get(name)), name
    for file in Store(root).blobs.files():
        assert sloppy or file.kind != "blob" or file.digest == file_digest(file.path), file.path.name
    Store(root).repair()
    assert found == listing(root), "a start lost something"
    return found


def done(root: Path, work: Work, make_model: Make, tmp_path: Path) -> Listing:
    """What is listed when the work was done."""
    copy = shutil.copytree(root, tmp_path / "done")
    work.do(Store(copy), Disk(), make_model)
    return listing(copy)


def test_power_failure(tmp_path: Path, root: Path, work: Work, make_model: Make, faulty_disk: Any) -> None:
    """When the power fails, at any point, every model is whole: what was there, or what came instead."""
    before, after = listing(root), done(root, work, make_model, tmp_path)
    disk = faulty_disk.RecordingDisk(root)
    work.do(Store(root, disk=disk), disk, make_model)
    assert len(disk.wrecks) > 3
    seen = []
    for number, wreck in enumerate(disk.wrecks):
        rebuilt = faulty_disk.rebuild(wreck, tmp_path / str(number))
        seen.append(check(rebuilt, before, after, sloppy=work.sloppy))
        assert wreck not in disk.last_wrecks or after == seen[-1], "it said that it was done"
        shutil.rmtree(rebuilt)
    assert before in seen
    assert after == check(root, after, after)


def test_killed(tmp_path: Path, root: Path, work: Work, make_model: Make, faulty_disk: Any) -> None:
    """When the server is killed, at any point, every model is whole, and the next server can do the work."""
    before, after = listing(root), done(root, work, make_model, tmp_path)
    for step in range(MANY):
        copy = shutil.copytree(root, tmp_path / "copy")
        disk = faulty_disk.killing(step)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads; this child starts none
            child = os.fork()
        if child == 0:
            try:
                work.do(Store(copy, disk=disk), disk, make_model)
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, faulty_disk.DIED)
        found = check(copy, before, after, sloppy=work.sloppy)
        shutil.rmtree(copy)
        if status == 0:
            assert after == found
            assert step >= 3, "it died at every step"
            return
    pytest.fail("it never ended")


def test_full_disk(tmp_path: Path, root: Path, work: Work, make_model: Make, faulty_disk: Any) -> None:
    """When the disk is full, at any point, that is said, nothing is lost and nothing half-done is left."""
    before, after = listing(root), done(root, work, make_model, tmp_path)
    for step in range(MANY):
        copy = shutil.copytree(root, tmp_path / "copy")
        names = {path.name for path in (copy / "blobs").iterdir()}
        disk = faulty_disk.full(step)
        try:
            work.do(Store(copy, disk=disk), disk, make_model)
        except DiskFull:
            assert not work.always
            left = {path.name for path in (copy / "blobs").iterdir()} - names
            assert work.sloppy or not [
                name for name in left if len(name) != len(f"sha256-{'0' * 64}") and "-partial" not in name
            ]
            check(copy, before, after, sloppy=work.sloppy)
        else:
            assert after == check(copy, before, after, sloppy=work.sloppy) or work.best_effort
            if disk.steps <= step:
                return
        shutil.rmtree(copy)
    pytest.fail("it never ended")


def test_read_only(root: Path, work: Work, make_model: Make, faulty_disk: Any) -> None:
    """A store that may only be read is served as it is; whoever would change it is told."""
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    disk = faulty_disk.read_only()
    assert {"other:latest", "smol:latest", "kept:latest"} == {
        found.name.short for found in Store(root, disk=disk).models()
    }
    if work.best_effort:
        work.do(Store(root, disk=disk), disk, make_model)
    else:
        with pytest.raises(StoreError, match=r"(?i)read-only"):
            work.do(Store(root, disk=disk), disk, make_model)
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def test_a_disk_that_errs(tmp_path: Path, root: Path, work: Work, make_model: Make, faulty_disk: Any) -> None:
    """An error at any one step is told, or survived, and nothing is lost."""
    before, after = listing(root), done(root, work, make_model, tmp_path)
    for step in range(MANY):
        copy = shutil.copytree(root, tmp_path / "copy")
        disk = faulty_disk.failing(step, errno.EIO)
        with suppress(StoreError):
            work.do(Store(copy, disk=disk), disk, make_model)
        check(copy, before, after, sloppy=work.sloppy)
        if disk.steps <= step:
            return
        shutil.rmtree(copy)
    pytest.fail("it never ended")


def test_there_is_one_door(root: Path, work: Work, make_model: Make, faulty_disk: Any) -> None:
    """Nothing is changed except by a step of the disk; else the tests above would pass over it."""
    steps: list[str] = []
    changes: list[str] = []
    watching = True

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if not watching:
            return
        if event in ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "os.chmod"):
            changes.append(event)
        if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
            changes.append(event)

    disk = faulty_disk.SteppedDisk(lambda _, name: steps.append(name))
    sys.addaudithook(watch)
    work.do(Store(root, disk=disk), disk, make_model)
    watching = False
    assert len(changes) == len([step for step in steps if step not in ("write", "sync", "sync_directory")])


@pytest.mark.parametrize("place", ["/proc/nowhere", "file/models"])
def test_a_store_that_cannot_be(tmp_path: Path, place: str, make_model: Make) -> None:
    """Where there is no store and can be none, there are no models, and making one says where it failed."""
    (tmp_path / "file").touch()
    store = Store(tmp_path / place)
    store.repair()
    assert [] == store.models()
    with pytest.raises(StoreError, match=place.split("/")[1] if place[0] == "/" else "file"):
        make_model(store, "smol", "text")


def test_a_blob_that_another_program_takes(root: Path, make_model: Make, faulty_disk: Any) -> None:
    """If an Ollama, which knows no locks, removes a blob in the last moment, no model without it is left behind."""
    before = listing(root)

    class Ollama(Disk):
        def rename(self, source: Path, target: Path) -> None:
            super().rename(source, target)
            if "manifests" in target.parts:
                (root / "blobs" / digest_of(b"newest").filename).unlink(missing_ok=True)

    for name in ("smol", "new"):
        with pytest.raises(Exception, match="not found"):
            make_model(Store(root, disk=Ollama()), name, "shared", "newest")
        assert before == listing(root)


def test_a_digest_that_is_not_the_files(root: Path) -> None:
    """``check`` itself notices a damaged blob, or this file would prove nothing."""
    digest = digest_of(b"own")
    (root / "blobs" / digest.filename).write_bytes(b"OWN")
    with pytest.raises(AssertionError, match="smol"):
        listing(root)
    assert isinstance(digest, Digest)
