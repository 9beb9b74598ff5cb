"""systemd is told how the server is, and may hand over its socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from puna.systemd import is_journal, listeners, notify


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_hears_each_state(tmp_path: Path, *, abstract: bool) -> None:
    """On a socket in a folder, or in the abstract namespace, which containers use."""
    name = f"@puna-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1) if abstract else name)
        assert notify("READY=1", "STATUS=serving", environ={"NOTIFY_SOCKET": name})
        assert b"READY=1\nSTATUS=serving" == manager.recv(100)


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": "/nonexistent/socket"}])
def test_without_a_service_manager_nobody_is_told(environ: dict[str, str]) -> None:
    """A server in a terminal runs as it always did, and one whose manager is gone goes on."""
    assert not notify("READY=1", environ=environ)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"},
    ],
)
def test_sockets_for_others_are_left_alone(environ: dict[str, str]) -> None:
    """The variables may be a parent's, inherited."""
    assert [] == listeners(environ)


def test_a_socket_opened_by_systemd_is_taken() -> None:
    """So that it can be opened before the server runs, on a port that only root may open; no child inherits it."""
    program = (
        "import os, sys; from puna.systemd import listeners;"
        "os.dup2(int(sys.argv[1]), 3);"
        "[one] = listeners({'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'});"
        "print(one.getsockname()[1], one.get_inheritable())"
    )
    with socket.create_server(("127.0.0.1", 0)) as opened:
        done = subprocess.run(
            [sys.executable, "-c", program, str(opened.fileno())],
            pass_fds=[opened.fileno()],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"{opened.getsockname()[1]} False\n" == done.stdout


def test_the_journal_is_told_from_other_files(tmp_path: Path) -> None:
    """Who sends the log of a service elsewhere gets no priorities there."""
    with (tmp_path / "log").open("wb") as log, (tmp_path / "other").open("wb") as other:
        found = os.fstat(log.fileno())
        environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert is_journal(log.fileno(), environ)
        assert not is_journal(other.fileno(), environ)
        assert not is_journal(log.fileno(), {})
