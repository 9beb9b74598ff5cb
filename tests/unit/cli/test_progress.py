"""Progress on a terminal and off it."""

import io

from puna.cli.progress import Spinner, reporting
from puna.events import Progress

DIGEST = "sha256:" + "ab" * 32
STEPS = [
    Progress("gathering model components"),
    Progress(f"copying file {DIGEST}", DIGEST, 10, 4),
    Progress(f"copying file {DIGEST}", DIGEST, 10, 10),
    Progress(f"copying file {DIGEST}", DIGEST, 10, 10),
    Progress("parsing GGUF"),
    Progress("parsing GGUF"),
    Progress("success"),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_plain():
    """Off a terminal each step is one line, and a transfer one when it is complete."""
    out = io.StringIO()
    with reporting(out) as report:
        for step in STEPS:
            report(step)
    assert f"gathering model components\ncopying file {DIGEST} 100%\nparsing GGUF\nsuccess\n" == out.getvalue()


def test_lively(monkeypatch):
    """On a terminal every step is to be seen, digests shortened so that they fit."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    out = Terminal()
    with reporting(out) as report:
        for step in STEPS:
            report(step)
    assert DIGEST not in out.getvalue()
    for text in ("gathering model components", "copying file sha256:abababababab", "10/10 bytes", "success"):
        assert text in out.getvalue()


def test_spinner_stays_silent():
    """Off a terminal nothing spins."""
    out = io.StringIO()
    with Spinner(out) as spinner:
        spinner.stop()
    assert "" == out.getvalue()


def test_spinner_leaves_nothing_behind():
    """A spinner that has turned is wiped away when what was waited for comes."""

    class Noticing(Terminal):
        def write(self, text):
            written = super().write(text)
            if "⠹" in text:
                spinner.stop_soon()
            return written

    class Stopping(Spinner):
        def stop_soon(self):
            self._stopping.set()

    out = Noticing()
    with Stopping(out) as spinner:
        spinner._thread.join()
    assert out.getvalue().startswith("\r\x1b[?25l⠋ ")
    assert out.getvalue().endswith("\r\x1b[K\x1b[?25h")
