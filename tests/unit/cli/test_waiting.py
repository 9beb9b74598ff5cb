"""What is said while an answer is waited for."""

import io
import threading

import pytest

from puna.cli.speed import Speed
from puna.cli.waiting import described, waiting
from puna.client.serving import RequestProgress
from puna.errors import ServerUnreachable


class Terminal(io.StringIO):
    """Tells when something with ``sign`` in it has been written."""

    def __init__(self, sign, *, is_terminal=True):
        super().__init__()
        self.sign = sign
        self.is_terminal = is_terminal
        self.seen = threading.Event()

    def isatty(self):
        return self.is_terminal

    def write(self, text):
        written = super().write(text)
        if self.sign in text:
            self.seen.set()
        return written


@pytest.mark.parametrize(
    ("progress", "waited", "line"),
    [
        (None, 0.6, ""),
        (None, 75.2, "waiting 75s"),
        (RequestProgress("loading", 0, 0), 0.6, "loading the model"),
        (RequestProgress("loading", 0, 0), 3.4, "loading the model 3s"),
        (RequestProgress("queued", 0, 0), 2.0, "waiting for a turn 2s"),
        (RequestProgress("prompt", 0, 0), 2.0, "reading the prompt 2s"),
        (RequestProgress("prompt", 512, 2048), 2.0, "reading the prompt: 25% of 2048 tokens"),
    ],
)
def test_what_is_waited_for(progress, waited, line):
    """What it is, and how long already."""
    assert line == described(progress, Speed(), waited)


def test_long_prompt():
    """Of a long prompt speed and time left are told, from what was seen of it."""
    speed = Speed()
    described(RequestProgress("prompt", 512, 2048), speed, 1.0)
    expected = "reading the prompt: 50% of 2048 tokens, 256 tokens/s, 4s left"
    assert expected == described(RequestProgress("prompt", 1024, 2048), speed, 3.0)


def test_terminal(monkeypatch):
    """A terminal shows it on one line, which is gone when the answer comes."""
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal("loading the model")
    with waiting(out, lambda: RequestProgress("loading", 0, 0)):
        assert out.seen.wait(10)
    said = out.getvalue()
    assert said.endswith("\r\x1b[K")
    assert "\n" not in said


def test_short_waits_are_silent_elsewhere():
    """What is no terminal hears nothing of a wait that is short."""
    out = io.StringIO()
    with waiting(out) as stop:
        stop()
    assert "" == out.getvalue()


def test_plain_lines_elsewhere():
    """A wait that is not short is told of there too, in whole lines that stay."""
    out = Terminal("loading the model\n", is_terminal=False)
    with waiting(out, lambda: RequestProgress("loading", 0, 0)):
        assert out.seen.wait(10)
    assert "loading the model\n" == out.getvalue()


def test_server_that_does_not_tell(monkeypatch):
    """A server that cannot be asked does not disturb."""

    def broken():
        asked.set()
        raise ServerUnreachable("gone")

    asked = threading.Event()
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal("⠦")
    with waiting(out, broken):
        assert asked.wait(10)
        assert out.seen.wait(10)
