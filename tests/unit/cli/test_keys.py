"""Keys are made, listed and revoked where the server keeps them, whether it runs or not."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from puna.cli.keys import listing
from puna.cli.main import main
from puna.service.keys import Key, KeyFile


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUNA_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    return tmp_path / "state"


def test_a_key_is_printed_once_and_alone(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`KEY=$(puna keys add ...)` works; what it is for, and where it is kept, is told beside it."""
    assert 0 == main(["keys", "add", "alice", "--scope", "pull", "--scope=infer", "--model=qwen*", "--rate", "60/min"])
    out, err = capsys.readouterr()

    assert re.fullmatch(r"puna_[\w-]{43}\n", out)
    assert out.strip() not in err
    assert all(word in err for word in ("alice", "pull, infer", "qwen*", "60", str(state), "OLLAMA_API_KEY"))
    (key,) = KeyFile(state).read()
    assert ("alice", ("pull", "infer"), ("qwen*",), 60) == (key.name, key.scopes, key.models, key.rate)


def test_a_key_is_for_using_models_unless_more_is_said(state: Path) -> None:
    """The least that is of use, for all models, as often as wanted."""
    assert 0 == main(["keys", "add", "alice"])
    (key,) = KeyFile(state).read()
    assert (("infer",), (), 0) == (key.scopes, key.models, key.rate)


def test_the_list_tells_what_each_key_is_for() -> None:
    """And never the key."""
    keys = (
        Key("alice", "a1" * 32, ("infer", "pull"), ("qwen*", "me/*"), 60, "2026-11-22T05:00:00Z"),
        Key("root", "b2" * 32, ("admin",), (), 0, "2026-11-21T06:00:00Z"),
    )
    shown = listing(keys, datetime(2026, 11, 22, 6, tzinfo=UTC)).splitlines()

    assert ["NAME", "ID", "SCOPES", "MODELS", "RATE", "CREATED"] == shown[0].split()
    assert ["alice", "a1a1a1a1a1a1a1a1", "infer, pull", "qwen*, me/*", "60/min"] == re.split(r" {2,}", shown[1])[:5]
    assert ["root", "b2b2b2b2b2b2b2b2", "admin", "all", "-"] == re.split(r" {2,}", shown[2])[:5]


def test_programs_read_the_list_as_json(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One array, with the fields that the table has."""
    main(["keys", "add", "alice", "--rate", "5/min"])
    secret = capsys.readouterr().out.strip()
    assert 0 == main(["keys", "list", "--json"])
    printed = capsys.readouterr().out

    (one,) = json.loads(printed)
    assert {"name": "alice", "scopes": ["infer"], "models": [], "rate": 5}.items() <= one.items()
    assert secret not in printed


def test_a_revoked_key_is_gone(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who revokes the last one is told what that means."""
    main(["keys", "add", "alice"])
    main(["keys", "add", "bob"])
    capsys.readouterr()

    assert 0 == main(["keys", "revoke", "alice"])
    assert ("revoked 'alice'\n", "") == capsys.readouterr()
    assert 0 == main(["keys", "revoke", "bob"])
    assert "No keys are left" in capsys.readouterr().err
    assert () == KeyFile(state).read()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["add"], "accepts 1 arg"),
        (["add", "a", "b"], "accepts 1 arg"),
        (["add", "a b"], "name"),
        (["add", "a", "--scope", "all"], "infer"),
        (["add", "a", "--rate", "5"], '"60/min"'),
        (["add", "a", "--rate", "0/min"], '"60/min"'),
        (["add", "a", "--rate", "-1/min"], '"60/min"'),
        (["add", "a", "--model", ""], "--model"),
        (["revoke", "nobody"], "nobody"),
        (["remove"], "unknown command"),
    ],
)
def test_what_cannot_be_done_is_said(
    state: Path, capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    """A mistake makes no key."""
    assert 1 == main(["keys", *args])
    out, err = capsys.readouterr()
    assert ("", True) == (out, said in err), err
    assert not (state / "keys.json").exists()


def test_keys_of_another_machine_are_made_there(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key for a server elsewhere is not made here, where it would open nothing."""
    monkeypatch.setenv("OLLAMA_HOST", "192.0.2.1")
    assert 1 == main(["keys", "add", "alice"])
    assert "http://192.0.2.1:11434" in capsys.readouterr().err


def test_commands_send_the_key(api: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request has it; a refusal is told in the server's words, which say what to do."""
    monkeypatch.setenv("OLLAMA_HOST", api.url)
    monkeypatch.setenv("OLLAMA_API_KEY", " puna_x\n")
    api.on("GET", "/api/tags", {"error": "a key is needed"}, status=401)

    assert 1 == main(["list"])
    assert ["Bearer puna_x"] == [*{asked.headers.get("Authorization") for asked in api.asked}]
    assert "a key is needed" in capsys.readouterr().err


def test_what_cannot_be_a_key_is_not_sent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with a line break inside is named, not sent as two headers."""
    monkeypatch.setenv("OLLAMA_API_KEY", "puna_x\r\nX-Evil: 1")
    assert 1 == main(["list"])
    assert "OLLAMA_API_KEY" in capsys.readouterr().err
