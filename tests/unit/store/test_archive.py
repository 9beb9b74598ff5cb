"""Models in a file: byte for byte there and back, through pipes, and nothing of a damaged file stays."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from puna.errors import BlobNotFound, DigestMismatch, DiskFull, InvalidName, InvalidRequest, ModelNotFound, StoreError
from puna.names import ModelName
from puna.store.archive import export, load, parcels, total_size
from puna.store.blobs import digest_of
from puna.store.models import Store

Make = Callable[..., None]
X, Y = ModelName.parse("x"), ModelName.parse("host.example:5000/Some/y:V1")


@pytest.fixture
def store(tmp_path: Path, make_model: Make) -> Store:
    store = Store(tmp_path / "here")
    make_model(store, "x", "shared", "a" * 3_000_000)
    make_model(store, Y.full, "shared")
    return store


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return Store(tmp_path / "there")


def packed(store: Store, *names: ModelName) -> bytes:
    out = io.BytesIO()
    export(store, parcels(store, names), out)
    return out.getvalue()


def files(store: Store) -> dict[str, bytes]:
    return {str(path.relative_to(store.root)): path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]


def tar(contents: Iterable[tuple[str, bytes]]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in contents:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    out.seek(0)
    return out


def test_there_and_back(store: Store, there: Store) -> None:
    """Several models travel in one file and arrive byte for byte, by their names; what they share is in it once."""
    done: list[int] = []
    archive = packed(store, ModelName.parse("X"), Y, X)
    assert [X, Y] == load(there, io.BytesIO(archive), done.append)
    assert files(store) == files(there)
    assert sum(done) >= total_size(parcels(store, [X, Y]))
    assert len(archive) < 3_000_000 + 20_000


def test_the_layout_is_that_of_oci(store: Store) -> None:
    """Programs for OCI images find what the image layout promises them."""
    found = members(packed(store, Y))
    assert b'{"imageLayoutVersion":"1.0.0"}' == found.pop("oci-layout")
    index = json.loads(found.pop("index.json"))
    manifest = store.manifests.read(Y) or b""
    assert (2, "application/vnd.oci.image.index.v1+json") == (index["schemaVersion"], index["mediaType"])
    assert [
        {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "digest": str(digest_of(manifest)),
            "size": len(manifest),
            "annotations": {"org.opencontainers.image.ref.name": "host.example:5000/Some/y:V1"},
        }
    ] == index["manifests"]
    assert {f"blobs/sha256/{digest_of(content).hex}" for content in found.values()} == set(found)


def test_through_a_pipe(store: Store, there: Store) -> None:
    """Neither end needs to seek."""
    read, write = os.pipe()

    def send() -> None:
        with os.fdopen(write, "wb") as out:
            export(store, parcels(store, [X]), out)

    sender = threading.Thread(target=send)
    sender.start()
    with os.fdopen(read, "rb") as source:
        assert [X] == load(there, source)
    sender.join()
    assert store.model("x").digest == there.model("x").digest


def test_in_any_order_and_compressed(store: Store, there: Store) -> None:
    """An archive that another program packed, its index last, and compressed, is read as well."""
    contents = sorted(members(packed(store, X)).items())
    unpacked = tar((f"./{name}", content) for name, content in [*contents, ("manifest.json", b"[]")])
    assert [X] == load(there, io.BytesIO(gzip.compress(unpacked.getvalue())))
    assert store.model("x").digest == there.model("x").digest


def test_by_another_name(store: Store, there: Store) -> None:
    """The only model of an archive may be called anything; of several, none."""
    assert [ModelName.parse("z")] == load(there, io.BytesIO(packed(store, X)), name=ModelName.parse("z"))
    with pytest.raises(InvalidRequest, match="2 models"):
        load(there, io.BytesIO(packed(store, X, Y)), name=ModelName.parse("z"))
    assert ["z:latest"] == [model.name.short for model in there.models()]


def test_what_is_there_is_not_written_again(store: Store, there: Store, make_model: Make) -> None:
    """A model that is there is replaced; its blobs that are the same stay where they are."""
    make_model(there, "x", "shared", "old")
    before = there.blobs.path(digest_of(b"shared")).stat().st_ino
    load(there, io.BytesIO(packed(store, X)))
    assert store.model("x").digest == there.model("x").digest
    assert before == there.blobs.path(digest_of(b"shared")).stat().st_ino
    assert not there.blobs.exists(digest_of(b"old"))


def changed(store: Store, change: Callable[[dict[str, bytes]], None]) -> io.BytesIO:
    """An archive of x, changed."""
    contents = members(packed(store, X))
    change(contents)
    return tar(contents.items())


def reindexed(**fields: Any) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        index = json.loads(contents["index.json"])
        index["manifests"][0] |= fields
        contents["index.json"] = json.dumps(index).encode()

    return change


SHARED = f"blobs/sha256/{digest_of(b'shared').hex}"


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda found: found.update({SHARED: b"SHARED"}), DigestMismatch, "digest mismatch"),
        (lambda found: found.pop(SHARED), InvalidRequest, "not complete"),
        (lambda found: found.pop("index.json"), InvalidRequest, "layout of OCI images"),
        (lambda found: found.pop("oci-layout"), InvalidRequest, "layout of OCI images"),
        (lambda found: found.update({"oci-layout": b'{"imageLayoutVersion":"9"}'}), InvalidRequest, "version"),
        (lambda found: found.update({"index.json": b"{"}), InvalidRequest, "index.json in the archive is damaged"),
        (lambda found: found.update({"index.json": bytes(5 << 20)}), InvalidRequest, "too large"),
        (lambda found: found.update({"blobs/sha256/../../x": b""}), InvalidRequest, "not the name of a blob"),
        (reindexed(annotations={}), InvalidRequest, "no name"),
        (
            reindexed(annotations={"org.opencontainers.image.ref.name": "../../etc/x"}),
            InvalidName,
            "invalid model name",
        ),
        (reindexed(digest="sha256:" + "0" * 64), InvalidRequest, "not complete"),
        (reindexed(digest="md5:1"), InvalidRequest, "not complete"),
        (reindexed(digest=str(digest_of(b"shared"))), InvalidRequest, "not a model"),
    ],
)
def test_a_damaged_archive(store: Store, there: Store, change: Any, error: type[Exception], text: str) -> None:
    """What is wrong is said, and nothing stays: no model, and no blob."""
    with pytest.raises(error, match=text):
        load(there, changed(store, change))
    assert {} == files(there)


def test_cut_anywhere(store: Store, there: Store) -> None:
    """An archive that was cut off is refused wherever that was."""
    archive = packed(store, Y)
    end = len(archive) - 1024
    for length in (0, 100, 511, 512, 1000, 1536, end // 2, end - 513, end - 512 - 1):
        with pytest.raises((InvalidRequest, DigestMismatch)):
            load(there, io.BytesIO(archive[:length]))
    assert {} == files(there)


def test_no_archive(there: Store) -> None:
    """A file that is no archive is refused."""
    for content in (b"", b"GGUF" + bytes(5000), os.urandom(2000)):
        with pytest.raises(InvalidRequest):
            load(there, io.BytesIO(content))


def test_links_in_an_archive(there: Store) -> None:
    """A link is never followed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo(SHARED)
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    out.seek(0)
    with pytest.raises(InvalidRequest, match="not a file"):
        load(there, out)


def test_another_kind_of_image(store: Store, there: Store) -> None:
    """A container's image is not taken for a model."""
    config = b'{"architecture":"amd64","os":"linux"}'
    manifest = {
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": str(digest_of(config)),
            "size": len(config),
        },
        "layers": [],
    }
    content = json.dumps(manifest).encode()
    index = {"schemaVersion": 2, "manifests": [{"mediaType": "x", "digest": str(digest_of(content)), "size": 1}]}
    blobs = [(f"blobs/sha256/{digest_of(one).hex}", one) for one in (config, content)]
    layout = [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", json.dumps(index).encode())]
    with pytest.raises(InvalidRequest, match="another image"):
        load(there, tar([*layout, *blobs]), name=X)
    assert {} == files(there)


def test_a_model_that_cannot_be_exported(store: Store) -> None:
    """What is missing or damaged is said before an archive of it is finished."""
    with pytest.raises(ModelNotFound, match="nope"):
        parcels(store, [X, ModelName.parse("nope")])
    ready = parcels(store, [Y])
    store.blobs.path(digest_of(b"shared")).write_bytes(b"SHARED")
    with pytest.raises(StoreError, match="damaged"):
        export(store, ready, io.BytesIO())
    store.blobs.path(digest_of(b"shared")).write_bytes(b"more")
    with pytest.raises(StoreError, match="damaged"):
        parcels(store, [Y])
    store.blobs.path(digest_of(b"shared")).unlink()
    with pytest.raises(BlobNotFound):
        export(store, ready, io.BytesIO())


def test_exporting_changes_nothing(store: Store, faulty_disk: Any) -> None:
    """A store that may only be read can be exported."""
    assert packed(store, X, Y) == packed(Store(store.root, disk=faulty_disk.read_only()), X, Y)


def test_faults_while_importing(store: Store, tmp_path: Path, make_model: Make, faulty_disk: Any) -> None:
    """Wherever the disk is full or the power fails, the model is the one before or the one imported, and is whole."""
    archive = packed(store, Y)
    old = Store(tmp_path / "old")
    make_model(old, Y.full, "old")
    allowed = {old.model(Y).licenses, store.model(Y).licenses}
    for step in range(100):
        try:
            load(Store(old.root, disk=faulty_disk.full(step)), io.BytesIO(archive))
        except DiskFull:
            assert ("old",) == Store(old.root).model(Y).licenses
        else:
            break
    old.delete(Y)
    make_model(old, Y.full, "old")
    disk = faulty_disk.RecordingDisk(old.root)
    load(Store(old.root, disk=disk), io.BytesIO(archive))
    seen = set()
    for number, wreck in enumerate(disk.wrecks):
        seen.add(Store(faulty_disk.rebuild(wreck, tmp_path / str(number))).model(Y).licenses)
    assert allowed == seen
