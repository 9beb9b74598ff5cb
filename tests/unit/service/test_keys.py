"""Keys are kept so that nobody can read one, and hold or fall at once, with every doubt against the caller."""

from __future__ import annotations

import hmac
import json
import logging
import os
import re
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from puna.errors import InvalidKey, InvalidRequest, KeyNotFound, KeysUnreadable, RateExceeded, StoreError
from puna.service.keys import KeyFile, Keyring
from puna.service.rights import EVERYTHING

DAMAGE = [
    b"",
    b"{",
    b"[]",
    b"{}",
    b'{"keys": null}',
    b'{"keys": [{}]}',
    b'\xff\xfe{"keys": []}',
    b'{"keys": [], "blocked": ["everyone"]}',
]


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "state")


def content(file: KeyFile) -> dict[str, list[dict[str, object]]]:
    read: dict[str, list[dict[str, object]]] = json.loads(file.path.read_bytes())
    return read


def test_the_file_holds_no_key(file: KeyFile) -> None:
    """Who reads the file cannot use a key of it, and only its owner reads it at all."""
    secret, key = file.add("alice", scopes=["infer"])

    assert re.fullmatch(r"puna_[A-Za-z0-9_-]{43}", secret)
    assert secret.removeprefix("puna_") not in file.path.read_text()
    assert key.digest == content(file)["keys"][0]["digest"]
    assert 0o600 == stat.S_IMODE(file.path.stat().st_mode)
    assert 0o700 == stat.S_IMODE(file.path.parent.stat().st_mode)


def test_every_key_is_another(file: KeyFile) -> None:
    """Two keys never have anything in common."""
    first, one = file.add("one", scopes=["infer"])
    second, other = file.add("other", scopes=["infer"])

    assert first != second
    assert one.id != other.id


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "a/b", "a\nb", "é", "x" * 65])
def test_what_is_no_name_is_refused(file: KeyFile, name: str) -> None:
    """Names can be typed and listed."""
    with pytest.raises(InvalidRequest, match="name"):
        file.add(name, scopes=["infer"])
    assert not file.path.exists()


def test_a_name_is_used_once(file: KeyFile) -> None:
    """A key is not replaced by mistake; a name that was revoked may be given again, to a key of its own."""
    _, first = file.add("alice", scopes=["infer"])
    with pytest.raises(InvalidRequest, match="alice"):
        file.add("alice", scopes=["admin"])
    assert (first,) == file.read()

    assert 0 == file.revoke("alice")
    _, second = file.add("alice", scopes=["infer"])
    assert first.id != second.id


def test_what_is_not_there_cannot_be_revoked(file: KeyFile) -> None:
    """A mistyped name is told, not taken for a success."""
    with pytest.raises(KeyNotFound, match="bob"):
        file.revoke("bob")


def test_keys_that_are_made_at_once_are_all_kept(file: KeyFile) -> None:
    """Two commands at the same time do not lose each other's key."""
    threads = [threading.Thread(target=file.add, args=[f"k{at}"], kwargs={"scopes": ["infer"]}) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {f"k{at}" for at in range(8)} == {key.name for key in file.read()}
    assert [file.path] == list(file.path.parent.iterdir())


def test_a_change_that_fails_leaves_all_as_it_was(file: KeyFile, tmp_path: Path) -> None:
    """A state directory that cannot be made is said in one line."""
    (tmp_path / "plain").write_text("no directory")
    with pytest.raises(StoreError, match="plain"):
        KeyFile(tmp_path / "plain" / "state").add("a", scopes=["infer"])


def test_without_keys_everyone_comes_in(file: KeyFile) -> None:
    """As with Ollama; what clients send as a key out of habit does no harm."""
    ring = Keyring(file, required=False)

    assert EVERYTHING == ring.admit([])
    assert EVERYTHING == ring.admit([b"ollama"])


def test_where_keys_are_required_having_none_lets_nobody_in(file: KeyFile) -> None:
    """Revoking the last key closes a server that others reach; it does not open it."""
    ring = Keyring(file, required=True)
    with pytest.raises(InvalidKey):
        ring.admit([])

    secret, _ = file.add("alice", scopes=["admin"])
    assert ring.admit([secret.encode()]).has("admin")
    file.revoke("alice")
    with pytest.raises(InvalidKey):
        ring.admit([secret.encode()])


def test_a_key_holds_from_when_it_is_made_until_it_is_revoked(file: KeyFile) -> None:
    """A running server heeds each change with the next request, and gives each key what it was made for."""
    ring = Keyring(file, required=False)
    assert EVERYTHING == ring.admit([])

    secret, key = file.add("alice", scopes=["infer", "pull"], models=["qwen*"])
    assert key.rights == ring.admit([secret.encode()])
    assert (key.id, {"infer", "pull"}, ("qwen*",)) == (key.rights.key, key.rights.scopes, key.rights.models)

    other, _ = file.add("bob", scopes=["admin"])
    file.revoke("alice")
    assert ring.admit([other.encode()]).has("admin")
    with pytest.raises(InvalidKey):
        ring.admit([secret.encode()])


def test_any_of_the_keys_presented_will_do(file: KeyFile) -> None:
    """A client that sends a habitual key in one header and the real one in another comes in."""
    secret, key = file.add("alice", scopes=["infer"])
    ring = Keyring(file, required=False)

    assert key.rights == ring.admit([b"ollama", secret.encode()])


@pytest.mark.parametrize("change", [lambda s: "", lambda s: s[:-1], lambda s: s + "x", str.upper, lambda s: f" {s}"])
def test_what_is_nearly_a_key_is_none(file: KeyFile, change: Callable[[str], str]) -> None:
    """Only the key itself opens."""
    secret, _ = file.add("alice", scopes=["infer"])
    with pytest.raises(InvalidKey) as caught:
        Keyring(file, required=False).admit([change(secret).encode()])
    assert caught.value.given


def test_every_key_is_compared_with(file: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a refusal takes tells nothing: all keys are looked at, each in constant time, found or not."""
    secrets = [file.add(f"k{at}", scopes=["infer"])[0] for at in range(3)]
    ring = Keyring(file, required=False)
    compared: list[bytes] = []
    real = hmac.compare_digest

    def counting(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return real(known, given)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    ring.admit([secrets[0].encode()])
    assert 3 == len(compared)
    with pytest.raises(InvalidKey):
        ring.admit([b"puna_wrong"])
    assert 6 == len(compared)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("required", [False, True])
def test_a_damaged_file_closes_the_server(
    file: KeyFile, damage: bytes, required: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be read opens nothing, not even with a key; the log says so once, and it ends when it is mended."""
    secret, key = file.add("alice", scopes=["infer"])
    good = file.path.read_bytes()
    ring = Keyring(file, required=required)
    ring.admit([secret.encode()])

    file.path.write_bytes(damage)
    with caplog.at_level(logging.INFO):
        for presented in ([], [secret.encode()], [b"wrong"]):
            with pytest.raises(KeysUnreadable):
                ring.admit(presented)
        assert 1 == len(caplog.records)
        assert str(file.path) in caplog.text

        file.path.write_bytes(good)
        assert key.rights == ring.admit([secret.encode()])
        assert "again" in caplog.records[-1].message


def test_a_folder_in_the_files_place_closes_the_server(file: KeyFile) -> None:
    """Nothing but a missing file means that there are no keys."""
    file.path.mkdir(parents=True)
    with pytest.raises(KeysUnreadable):
        Keyring(file, required=False).admit([])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_of_someone_elses_closes_the_server(file: KeyFile) -> None:
    """Keys that were made as another user are not overlooked."""
    file.add("alice", scopes=["infer"])
    file.path.chmod(0)
    with pytest.raises(KeysUnreadable):
        Keyring(file, required=False).admit([])


def test_a_damaged_file_is_not_written_over(file: KeyFile) -> None:
    """Making a key does not make those that cannot be read any more disappear."""
    file.add("alice", scopes=["infer"])
    file.path.write_bytes(b"{")
    with pytest.raises(KeysUnreadable):
        file.add("bob", scopes=["infer"])
    assert b"{" == file.path.read_bytes()


def test_a_key_is_used_as_often_as_it_may(file: KeyFile) -> None:
    """Each key has a limit of its own, which a change of others does not reset."""
    now = 0.0
    secret, _ = file.add("slow", scopes=["infer"], rate=2)
    other, _ = file.add("free", scopes=["infer"])
    ring = Keyring(file, required=False, clock=lambda: now)
    slow, free = ring.admit([secret.encode()]), ring.admit([other.encode()])

    ring.count(slow)
    file.add("third", scopes=["infer"])
    ring.admit([secret.encode()])
    ring.count(slow)
    with pytest.raises(RateExceeded) as caught:
        ring.count(slow)
    assert (2, 30.0) == (caught.value.limit, caught.value.retry_after)
    for _ in range(10):
        ring.count(free)

    now = 30.0
    ring.count(slow)
    with pytest.raises(RateExceeded):
        ring.count(slow)
