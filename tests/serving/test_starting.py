"""A server that cannot work says so at once, in one line, instead of failing every request."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from support.waiting import until

AS_SYSTEMD = """
import os, sys
for number, given in enumerate(sys.argv[1:], 3):
    os.dup2(int(given), number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sys.argv) - 1)}
os.execv(sys.executable, [sys.executable, "-m", "puna", "serve"])
"""


def refusal(**environ: str) -> str:
    """What a server says that does not start."""
    process = subprocess.run(
        [sys.executable, "-m", "puna", "serve"],
        env=os.environ | {"OLLAMA_HOST": "127.0.0.1:0"} | environ,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert 1 == process.returncode
    return process.stderr


def test_a_store_that_cannot_be(tmp_path: Path) -> None:
    """It is a file, or a directory that cannot be made."""
    file = tmp_path / "file"
    file.touch()
    state = str(tmp_path / "state")
    told = "Error: the model store, OLLAMA_MODELS, cannot be used: "
    assert f"{told}{file}: file exists\n" == refusal(OLLAMA_MODELS=str(file), PUNA_STATE=state)
    assert f"{told}{file / 'models'}: not a directory\n" == refusal(
        OLLAMA_MODELS=str(file / "models"), PUNA_STATE=state
    )


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """By whom, as far as that can be told, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
        said = refusal(OLLAMA_MODELS=str(tmp_path / "store"), PUNA_STATE=str(tmp_path / "state"), OLLAMA_HOST=place)
    assert f"Error: listen tcp {place}: bind: address already in use; another server has it" == said.partition(",")[0]


def test_an_engine_that_is_none(tmp_path: Path) -> None:
    """A path that was mistyped is told before the first request."""
    said = refusal(
        OLLAMA_MODELS=str(tmp_path / "store"), PUNA_STATE=str(tmp_path / "state"), PUNA_LLAMA_SERVER="/nowhere/llama"
    )
    assert "Error: PUNA_LLAMA_SERVER: /nowhere/llama is not a program that can be run\n" == said


def test_a_terminal_that_is_closed_ends_it_in_order(
    tmp_path: Path, start_server: Callable[..., AbstractContextManager[Any]]
) -> None:
    """With status 0, as any other signal to end does."""
    with start_server(tmp_path / "store") as server:
        assert (tmp_path / "store").is_dir()
        server.process.send_signal(signal.SIGHUP)
        assert 0 == server.process.wait(60)


def test_nohup_holds(tmp_path: Path, start_server: Callable[..., AbstractContextManager[Any]]) -> None:
    """Whoever started it so that it outlives its terminal has it go on."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with start_server(tmp_path / "store") as server:
            server.process.send_signal(signal.SIGHUP)
            server.process.send_signal(signal.SIGHUP)
            assert "version" in server.call("GET", "/api/version")
            assert server.process.poll() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def given_by_systemd(tmp_path: Path, *opened: socket.socket) -> subprocess.Popen[str]:
    """A server that is started with these sockets, as systemd does."""
    # As far up as no two of them are in each other's way.
    numbers = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in opened]
    try:
        return subprocess.Popen(
            [sys.executable, "-c", AS_SYSTEMD, *map(str, numbers)],
            env=os.environ | {"OLLAMA_MODELS": str(tmp_path / "store"), "PUNA_STATE": str(tmp_path / "state")},
            pass_fds=numbers,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        for number in numbers:
            os.close(number)


def test_every_socket_of_the_unit_is_served(tmp_path: Path) -> None:
    """A unit may name several, such as those of IPv4 and IPv6, and nobody waits at one for ever."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [opened.getsockname()[1] for opened in (one, other)]
        process = given_by_systemd(tmp_path, one, other)
    try:
        for port in ports:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/version", timeout=60) as reply:
                assert 200 == reply.status
    finally:
        process.terminate()
        said = process.communicate(timeout=60)[1]
    assert ports == [int(port) for port in re.findall(r"Listening on 127\.0\.0\.1:(\d+) ", said)]


def test_one_socket_of_the_unit_that_others_reach_is_enough_to_want_keys(tmp_path: Path) -> None:
    """Whichever it is: a server without keys does not start with it."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("0.0.0.0", 0)) as other:
        process = given_by_systemd(tmp_path, one, other)
    said = process.communicate(timeout=60)[1]
    assert 1 == process.returncode
    assert said.startswith("Error: 0.0.0.0 can be reached from other machines, and there are no keys: ")


def test_a_store_that_cannot_be_read_is_told_at_the_start(
    tmp_path: Path, start_server: Callable[..., AbstractContextManager[Any]]
) -> None:
    """And so is what computes, on what: the log of a server that has nothing else to say is not empty."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "manifests").symlink_to("manifests")
    with start_server(tmp_path / "store") as server:
        until(lambda: any(" Machine: " in line for line in server.log))
    [told] = [line for line in server.log if " Store: " in line]
    assert f" ERROR   Store: {tmp_path / 'store'} cannot be read: " in told
