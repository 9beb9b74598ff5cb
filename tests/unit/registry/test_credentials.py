"""What ``docker login`` stored is found, by host, and never shown."""

from __future__ import annotations

import base64
import json
import logging
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from puna.errors import Unauthorized
from puna.registry.credentials import Credentials, credentials_for

Configure = Callable[..., Path]
Helper = Callable[..., None]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Write Docker's file: ``configure(auths={…})``."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def write(**said: Any) -> Path:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(said))
        return path

    return write


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helper:
    """Put a helper on the PATH, which runs some Python with the host in ``server``."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def write(name: str, code: str) -> None:
        path = programs / f"docker-credential-{name}"
        path.write_text(f"#!{sys.executable} -IS\nimport sys, json, time\nserver = sys.stdin.read()\n{code}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


def test_without_a_file_there_are_none(configure: Configure) -> None:
    """Who never logged in has no credentials, and no error."""
    assert credentials_for("registry.test") is None


def test_the_file_is_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without DOCKER_CONFIG it is ``~/.docker/config.json``."""
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": {"a.test": {"auth": encoded("u:p")}}}))
    assert Credentials("u", "p") == credentials_for("a.test")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": encoded("heidi:a:b")}, Credentials("heidi", "a:b")),
        ({"auth": encoded("heidi:geheimnis ü")}, Credentials("heidi", "geheimnis ü")),
        ({"username": "heidi", "password": "pw"}, Credentials("heidi", "pw")),
        ({"auth": encoded("<token>:"), "identitytoken": "it"}, Credentials(identity="it")),
        ({"registrytoken": "rt"}, Credentials(token="rt")),
        ({}, None),
    ],
)
def test_what_the_file_holds(configure: Configure, entry: dict[str, str], expected: Credentials | None) -> None:
    """A password, an identity token or a registry's own token is read as Docker wrote it."""
    configure(auths={"registry.test": entry})
    assert expected == credentials_for("registry.test")


@pytest.mark.parametrize(
    ("key", "host", "found"),
    [
        ("registry.test:5000", "registry.test:5000", True),
        ("https://registry.test", "registry.test", True),
        ("https://registry.test/v2/", "registry.test", True),
        ("registry.test:5000", "registry.test", False),
        ("registry.test", "registry.test:5000", False),
        ("registry.test", "other.registry.test", False),
        ("https://index.docker.io/v1/", "docker.io", True),
        ("https://index.docker.io/v1/", "registry-1.docker.io", True),
        ("https://index.docker.io/v1/", "docker.io.test", False),
    ],
)
def test_credentials_are_of_one_host(configure: Configure, key: str, host: str, found: bool) -> None:
    """Only the registry that was logged in to gets them."""
    configure(auths={key: {"auth": encoded("u:p")}})
    assert (Credentials("u", "p") if found else None) == credentials_for(host)


def test_a_helper_of_one_host(configure: Configure, helper: Helper) -> None:
    """The helper named for a registry is asked, before the one for all, and is told the host."""
    configure(credHelpers={"registry.test": "one"}, credsStore="all")
    helper("one", "assert sys.argv[1:] == ['get']\nprint(json.dumps({'Username': 'u', 'Secret': server}))")
    helper("all", "print(json.dumps({'Username': 'all', 'Secret': server}))")
    assert Credentials("u", "registry.test") == credentials_for("registry.test")
    assert Credentials("all", "b.test") == credentials_for("b.test")
    assert Credentials("all", "https://index.docker.io/v1/") == credentials_for("docker.io")


def test_a_helper_may_keep_an_identity_token(configure: Configure, helper: Helper) -> None:
    """Docker's sign for it is the user name <token>."""
    configure(credsStore="all")
    helper("all", "print(json.dumps({'Username': '<token>', 'Secret': 'it'}))")
    assert Credentials(identity="it") == credentials_for("registry.test")


def test_what_the_helper_has_not_may_be_in_the_file(configure: Configure, helper: Helper) -> None:
    """Credentials stored before the helper was are still found; a host that was never logged in to has none."""
    configure(credsStore="all", auths={"old.test": {"auth": encoded("u:p")}})
    helper("all", "print('credentials not found in native keychain'); sys.exit(1)")
    assert Credentials("u", "p") == credentials_for("old.test")
    assert credentials_for("registry.test") is None


def test_a_missing_helper_for_all_is_no_hindrance(
    configure: Configure, helper: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    """A file from another machine, with a helper that is not here, stops nobody; the log tells of it."""
    configure(credsStore="desktop")
    with caplog.at_level(logging.WARNING):
        assert credentials_for("registry.test") is None
    assert "docker-credential-desktop, which is not on the PATH" in caplog.text


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "print('the keychain is locked'); sys.exit(1)",
            "gave no credentials for registry.test: the keychain is locked",
        ),
        ("sys.exit(3)", "gave no credentials for registry.test: exit 3"),
        ("print('hush')", "printed no credentials for registry.test that can be read"),
        ("time.sleep(60)", "gave no credentials for registry.test within 0.5 seconds"),
    ],
)
def test_a_helper_that_fails(configure: Configure, helper: Helper, code: str, expected: str) -> None:
    """The error names the helper and says what was wrong, within the timeout."""
    configure(credHelpers={"registry.test": "one"})
    helper("one", code)
    with pytest.raises(Unauthorized) as caught:
        credentials_for("registry.test", timeout=0.5)
    assert f"docker-credential-one {expected}" == str(caught.value)


@pytest.mark.parametrize("name", ["gone", "../gone", ""])
def test_a_helper_for_this_host_must_be_there(configure: Configure, helper: Helper, name: str) -> None:
    """Whoever asked for a helper for this very registry is told that it is missing."""
    path = configure(credHelpers={"registry.test": name})
    if not name:
        assert credentials_for("registry.test") is None
        return
    with pytest.raises(Unauthorized, match=f"{path} names docker-credential-{name} for registry.test"):
        credentials_for("registry.test")


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": 3}', '{"auths": {"registry.test": {"auth": "c2VjcmV0"}}}'])
def test_a_damaged_file(configure: Configure, content: str) -> None:
    """The error names the file, and shows nothing of what it holds."""
    path = configure()
    path.write_text(content)
    with pytest.raises(Unauthorized) as caught:
        credentials_for("registry.test")
    assert str(path) in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)
    assert caught.value.__cause__ is None or "c2VjcmV0" not in str(caught.value.__cause__)


def test_credentials_are_not_shown() -> None:
    """What a log would print of them holds no secret."""
    shown = repr(Credentials("heidi", "pw-1", "token-2", "identity-3"))
    assert "Credentials(username='heidi')" == shown


def test_hugging_face_has_its_own(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_TOKEN is shown to Hugging Face, and to the mirror that HF_ENDPOINT names, and to nobody else."""
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.test")
    assert [Credentials(token="hf_x")] * 3 == [
        credentials_for(each) for each in ("hf.co", "huggingface.co", "mirror.test")
    ]
    assert credentials_for("registry.test") is None
