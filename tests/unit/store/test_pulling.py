"""What an unfinished pull has fetched stays, until it ends or someone gives it up."""

from __future__ import annotations

import os
from pathlib import Path

from puna.names import Digest, ModelName
from puna.store.models import Store

NOW = 2_000_000_000
WEEK = 7 * 24 * 3600
NAME = ModelName.parse("hf.co/user/repo:Q8_0")


def old_blob(store: Store, content: bytes) -> Digest:
    """A blob that no model needs, a week old at ``NOW``."""
    digest = store.blobs.put(content)
    os.utime(store.blobs.path(digest), (NOW - WEEK, NOW - WEEK))
    return digest


def test_what_was_fetched_is_kept(tmp_path: Path) -> None:
    """A start removes nothing of a pull that can go on, however old it is, and says how much that is."""
    store = Store(tmp_path)
    kept, other = old_blob(store, b"a part"), old_blob(store, b"something else")
    store.pulling.note(NAME, [kept, Digest("1" * 64)])
    store = Store(tmp_path)
    store.repair(now=NOW)
    assert (True, False) == (store.blobs.exists(kept), store.blobs.exists(other))
    assert [kept] == [file.digest for file in store.prune(now=NOW).resumable]


def test_a_pull_that_has_ended_keeps_nothing(tmp_path: Path) -> None:
    """What a pull needs no more is a leftover as any other; what another pull needs as well is not."""
    store = Store(tmp_path)
    one, both = old_blob(store, b"one"), old_blob(store, b"both")
    store.pulling.note(NAME, [one, both])
    store.pulling.note(ModelName.parse("other"), [both])
    store.pulling.forget(NAME)
    store.pulling.forget(NAME)
    assert [one] == [file.digest for file in store.prune(now=NOW).blobs]
    assert store.blobs.exists(both)


def test_a_pull_can_be_given_up(tmp_path: Path) -> None:
    """``prune --partials`` removes what could be resumed; a dry run says so and removes nothing."""
    store = Store(tmp_path)
    kept = old_blob(store, b"a part")
    store.pulling.note(NAME, [kept])
    assert [kept] == [file.digest for file in store.prune(partials=True, dry_run=True, now=NOW).blobs]
    assert {kept} == store.pulling.blobs()
    store.prune(partials=True, now=NOW)
    assert not store.blobs.exists(kept)
    assert set() == store.pulling.blobs()


def test_a_note_that_is_damaged_keeps_what_can_be_read(tmp_path: Path) -> None:
    """A line that a crash left half written costs that line."""
    store = Store(tmp_path)
    kept = old_blob(store, b"a part")
    store.pulling.note(NAME, [kept])
    [note] = (tmp_path / "pulling").iterdir()
    note.write_bytes(note.read_bytes() + b"sha256:1234\n\xff")
    assert {kept} == store.pulling.blobs()
