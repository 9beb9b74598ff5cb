"""The command in a terminal when there is no server, or one that comes and goes."""

import os
import re
import signal
import socket

import pytest

from support.pseudo_terminal import puna


@pytest.fixture
def address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_no_server(address, tmp_path):
    """Without a server the error says how to start one."""
    with puna("run", "smollm2", "hi", home=str(tmp_path), url=address) as terminal:
        assert 1 == terminal.ended()
    assert ["Error: could not connect to puna server, run 'puna serve' to start it"] == terminal.lines


def test_serve(address, tmp_path):
    """With --serve one is started, which stays, and how to stop it is said."""
    environ = {"OLLAMA_MODELS": str(tmp_path / "store"), "PUNA_STATE": str(tmp_path / "state"), "no_proxy": "*"}
    with puna(
        "run", "--serve", "127.0.0.1:1/a/b", "hi", home=str(tmp_path), url=address, columns=200, **environ
    ) as terminal:
        assert 1 == terminal.ended()
    started = re.search(r"stop it with: kill (\d+)", terminal.text)
    assert started, terminal.text
    os.kill(int(started[1]), signal.SIGTERM)
    assert "Listening on" in (tmp_path / "state" / "serve.log").read_text()


def test_server_that_comes_back(address, tmp_path, start_server, smollm2):
    """The chat outlives its server: what fails is one line, and with the server back it goes on."""
    store = tmp_path / "store"
    with start_server(store, OLLAMA_HOST=address) as running:
        running.create("smollm2", smollm2, parameters={"num_predict": 4, "temperature": 0})
        with puna("run", "smollm2", home=str(tmp_path), url=address) as terminal:
            terminal.enter("Say hi")
            terminal.wait_for_prompt()
            running.process.terminate()
            running.process.wait(30)
            terminal.enter("again")
            terminal.wait_for("Error: could not connect to puna server")
            with start_server(store, OLLAMA_HOST=address):
                terminal.enter("/show parameters")
                terminal.wait_for("num_predict")
                terminal.enter("Say hi")
                terminal.wait(lambda: terminal.text.count("\n\n>>> ") >= 3)
                terminal.enter("/bye")
                assert 0 == terminal.ended()
