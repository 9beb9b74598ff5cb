"""A server that cannot work says so at once, in one line, instead of failing every request."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any


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
    assert f"Error: listen tcp {place}: Address already in use; another server has it" == said.partition(",")[0]


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
