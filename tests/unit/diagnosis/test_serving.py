"""What is told of the server."""

import socket
import threading

from puna.address import parse_address
from puna.diagnosis.serving import section


def test_puna(api):
    """A server that answers is told with its version and what it has in memory."""
    api.on("GET", "/api/version", {"version": "0.33.0"})
    api.on("GET", "/api/ps", {"models": []})
    told = section(parse_address(api.url))
    assert "no model" == dict(told.facts)["in memory"]
    [found] = told.findings
    assert "Ollama, not puna" in found.problem


def test_nobody(unused_url):
    """No server is no error: the way to one is told."""
    [found] = section(parse_address(unused_url)).findings
    assert ("note", "puna serve starts one") == (found.severity, found.advice)


def test_no_address():
    """An address that is none is not taken for a server that only has to be started."""
    [found] = section(parse_address("ftp://puna.invalid")).findings
    assert "warning" == found.severity
    assert "is not a server's address" in found.problem
    assert "OLLAMA_HOST" in found.advice


def test_a_stranger_on_the_port():
    """Something that takes the port and speaks another language is an error that names the way out."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:

        def answer():
            while True:
                try:
                    connection, _ = stranger.accept()
                except OSError:
                    return
                connection.sendall(b"220 mail ready\r\n")
                connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        [found] = section(parse_address(f"http://127.0.0.1:{stranger.getsockname()[1]}")).findings
        stranger.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert "error" == found.severity
    assert "OLLAMA_HOST" in found.advice
