"""A blob arrives whole, whatever way the registry wants it, and from where a connection broke."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from puna.download.pace import Pace
from puna.errors import DigestMismatch, RegistryError, StoreError, Unauthorized
from puna.names import Digest
from puna.registry.sending import Patience
from puna.registry.session import Session
from puna.registry.upload import LocalBlob, Upload

CONTENT = random.Random(5).randbytes(1_000_000)
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
PATIENCE = Patience(connect=2, piece=2, reply=2)


@pytest.fixture
def blob(tmp_path: Path) -> LocalBlob:
    file = tmp_path / "blob"
    file.write_bytes(CONTENT)
    return LocalBlob(Digest.parse(DIGEST), file, len(CONTENT))


def send(
    host: str,
    blob: LocalBlob,
    *,
    part_size: int = 0,
    pace: Pace | None = None,
    patience: Patience = PATIENCE,
    connections: int = 4,
) -> Upload:
    """Upload ``blob`` to team/noise at ``host``."""

    async def run() -> Upload:
        async with Session(host, insecure=True, credentials=lambda _: None) as session:
            upload = Upload(
                session,
                "/v2/team/noise",
                blob,
                pace=pace or Pace(),
                patience=patience,
                first_pause=0.01,
                part_size=part_size,
                connections=connections,
            )
            await upload.run()
            return upload

    return asyncio.run(run())


def test_parts_go_one_after_the_other(play: Any, blob: LocalBlob) -> None:
    """Each part says its place and goes to where the reply to the one before said."""
    registry = play()
    assert len(CONTENT) == send(registry.host, blob, part_size=400_000).completed
    assert CONTENT == registry.blobs[DIGEST]
    patches = registry.of("PATCH")
    assert ["0-399999", "400000-799999", "800000-999999"] == [headers["content-range"] for _, headers in patches]
    assert ["state=0", "state=400000", "state=800000"] == [target.partition("?")[2] for target, _ in patches]
    assert {"application/octet-stream"} == {headers["content-type"] for _, headers in patches}
    assert {"1"} == {headers["x-redirect-uploads"] for _, headers in patches}


def test_parts_go_where_the_registry_sends_them(play: Any, blob: LocalBlob) -> None:
    """A registry may send parts to another host: they go there once, nothing of who we are goes with them."""
    storage = play()
    registry = play(elsewhere=storage.host)
    send(registry.host, blob, part_size=300_000)
    assert CONTENT == registry.blobs[DIGEST]
    assert ["/part/0", "/part/1", "/part/2", "/part/3"] == sorted(storage.parts)
    assert not any("authorization" in headers for _, headers in storage.of("PUT"))
    assert 4 == len(storage.of("PUT"))


def test_no_more_connections_than_allowed(play: Any, blob: LocalBlob) -> None:
    """With one connection, parts that could go side by side go one after the other."""
    storage = play()
    registry = play(elsewhere=storage.host)
    send(registry.host, blob, part_size=5_000, connections=1)
    assert CONTENT == registry.blobs[DIGEST]
    assert 1 == storage.busiest


def test_a_part_that_fails_elsewhere_is_sent_again(play: Any, blob: LocalBlob) -> None:
    """Only that part: the others have arrived."""
    storage = play(refusals=[503, 500])
    registry = play(elsewhere=storage.host)
    send(registry.host, blob, part_size=300_000)
    assert CONTENT == registry.blobs[DIGEST]
    assert 6 == len(storage.of("PUT"))


@pytest.mark.parametrize("cuts", [[2], [500_000], [300_000, 300_000], [10, 0, 999_000]])
def test_a_broken_upload_goes_on_where_the_registry_is(play: Any, blob: LocalBlob, cuts: list[int]) -> None:
    """The registry is asked how far it got, and gets the rest."""
    registry = play(cuts=list(cuts))
    send(registry.host, blob)
    assert CONTENT == registry.blobs[DIGEST]
    assert 1 == len(registry.of("POST"))
    assert f"{sum(cuts)}-999999" == registry.of("PATCH")[-1][1]["content-range"]


def test_one_byte_and_none_are_not_confused(play: Any, blob: LocalBlob) -> None:
    """Registries write both as 0-0, so the upload begins anew and nothing is sent twice into one."""
    registry = play(cuts=[1])
    send(registry.host, blob)
    assert CONTENT == registry.blobs[DIGEST]


def test_a_registry_that_forgot_gets_everything(play: Any, blob: LocalBlob) -> None:
    """An upload that the registry knows nothing of any more begins anew."""
    registry = play(cuts=[500_000], forgetful=True)
    send(registry.host, blob)
    assert CONTENT == registry.blobs[DIGEST]
    assert 2 == len(registry.of("POST"))


def test_an_upload_that_never_gets_further_ends(play: Any, blob: LocalBlob) -> None:
    """Six tries, then the error says what happened."""
    registry = play(cuts=[0] * 20)
    with pytest.raises(RegistryError, match="max retries exceeded"):
        send(registry.host, blob)
    assert 6 == len(registry.of("PATCH"))


@pytest.mark.parametrize("size", [len(CONTENT), 50_000_000])
def test_a_registry_that_says_nothing_is_given_up_in_time(
    play: Any, blob: LocalBlob, tmp_path: Path, size: int
) -> None:
    """Whether it stops reading or never answers, another try is made once the patience is at its end."""
    large = LocalBlob(blob.digest, tmp_path / "large", size)
    large.file.write_bytes(CONTENT + bytes(size - len(CONTENT)))
    digest = Digest(hashlib.sha256(large.file.read_bytes()).hexdigest())
    registry = play(stalls=1)
    begun = time.monotonic()
    send(registry.host, replace(large, digest=digest), patience=Patience(connect=2, piece=0.2, reply=0.2))
    assert 0.2 < time.monotonic() - begun < 60  # without it nothing would ever end this
    assert size == len(registry.blobs[str(digest)])


def test_uploads_go_through_the_proxy(play: Any, blob: LocalBlob, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is asked, with its user and password, for parts as for everything else."""
    registry = play()
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://user:pass%20word@{registry.host}")
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    send("registry.test", blob)
    assert CONTENT == registry.blobs[DIGEST]
    for _, target, headers in registry.asked:
        assert target.startswith("http://registry.test/v2/team/noise/")
        assert "registry.test" == headers["host"]
        assert "Basic dXNlcjpwYXNzIHdvcmQ=" == headers["proxy-authorization"]


def test_an_empty_blob(play: Any, tmp_path: Path) -> None:
    """There is nothing to send, and it still arrives."""
    registry = play()
    (tmp_path / "empty").touch()
    digest = Digest(hashlib.sha256(b"").hexdigest())
    send(registry.host, LocalBlob(digest, tmp_path / "empty", 0))
    assert b"" == registry.blobs[str(digest)]


def test_a_damaged_blob_is_found_out(play: Any, blob: LocalBlob) -> None:
    """When a registry says that the digest is wrong, and it is, the error says so and nothing is sent twice."""
    registry = play()
    blob.file.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(DigestMismatch):
        send(registry.host, blob)
    assert 1 == len(registry.of("PATCH"))


def test_a_blob_that_shrinks_is_an_error_of_the_store(play: Any, blob: LocalBlob) -> None:
    """What is wrong here is not blamed on the registry, nor tried again."""
    registry = play()
    blob.file.write_bytes(CONTENT[:1000])
    with pytest.raises(StoreError, match="shorter than it was"):
        send(registry.host, blob)


def test_refusals_are_not_repeated(play: Any, blob: LocalBlob) -> None:
    """Who may not push is told at once."""
    registry = play(refusals=[403])
    with pytest.raises(Unauthorized, match="access denied"):
        send(registry.host, blob)
    assert 1 == len(registry.of("PATCH"))


def test_the_rate_is_kept(play: Any, blob: LocalBlob) -> None:
    """At two million bytes a second, a million takes about half a second (a quarter may be ahead)."""
    registry = play()
    begun = time.monotonic()
    send(registry.host, blob, pace=Pace(2_000_000))
    assert time.monotonic() - begun > 0.2
    assert CONTENT == registry.blobs[DIGEST]


def test_a_cancelled_upload_ends_at_once(play: Any, blob: LocalBlob) -> None:
    """Whoever leaves is not waited for by what they left: the connection is closed."""
    registry = play()

    async def run() -> float:
        async with Session(registry.host, insecure=True, credentials=lambda _: None) as session:
            upload = Upload(session, "/v2/team/noise", blob, pace=Pace(100_000))
            task = asyncio.create_task(upload.run())
            while not upload.completed:
                await asyncio.sleep(0.005)
            begun = time.monotonic()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
            return time.monotonic() - begun

    assert asyncio.run(run()) < 5  # the rest would take ten
    assert not registry.blobs
