"""Progress on a terminal and off it."""

import contextlib
import io
import re
import time

import pytest

from puna.cli.progress import reporting
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


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()], ids=["a pipe", "a dumb terminal"])
def test_plain(out, monkeypatch):
    """Where nothing can move each step is one line, and a transfer one when it is complete."""
    monkeypatch.setenv("TERM", "dumb")
    with reporting(out) as report:
        for step in STEPS:
            report(step)
    assert f"gathering model components\ncopying file {DIGEST} 100%\nparsing GGUF\nsuccess\n" == out.getvalue()


def test_a_long_transfer(monkeypatch):
    """Off a terminal one hears of it after half a second, and then every ten seconds."""
    at, out = iter([0.0, 0.25, 0.5, 1.0, 10.4, 10.5]), io.StringIO()
    monkeypatch.setattr(time, "monotonic", lambda: next(at))
    total = 4_000_000_000
    with reporting(out) as report:
        for done in (0, 10_000_000, 20_000_000, 40_000_000, 416_000_000, 420_000_000, total):
            report(Progress("pulling abababababab", DIGEST, total, done))
    assert [
        "pulling abababababab 0% of 4 GB, 40 MB/s, 1m40s left",
        "pulling abababababab 10% of 4 GB, 40 MB/s, 1m30s left",
        "pulling abababababab 100%",
    ] == out.getvalue().splitlines()


def test_long_work_that_is_no_transfer(monkeypatch):
    """What goes through a whole store says at once what it does, and how far it is as a transfer does."""
    at, out = iter([0.0, 0.5, 1.0]), io.StringIO()
    monkeypatch.setattr(time, "monotonic", lambda: next(at))
    with reporting(out) as report:
        for done in (0, 20_000_000, 40_000_000, 4_000_000_000):
            report(Progress("checking /models", "", 4_000_000_000, done))
    expected = ["checking /models", "checking /models 0% of 4 GB, 40 MB/s, 1m40s left"]
    assert expected == out.getvalue().splitlines()


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


def test_lively_until_it_fails(monkeypatch):
    """A step that fails moves no more, above the line that says why."""
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    with contextlib.suppress(KeyError), reporting(out) as report:
        report(Progress("pulling manifest"))
        raise KeyError
    assert "  pulling manifest" in out.getvalue().rpartition("\r")[2]


def test_lively_in_a_narrow_window(monkeypatch):
    """Where a bar has no room, a transfer has one line all the same, with how much of it is done."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    out = Terminal()
    with reporting(out) as report:
        for step in STEPS:
            report(step)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()).replace("\r", "\n").splitlines()
    assert 40 == max(map(len, lines))
    assert any("copying file sha256:" in line and "… 100%" in line for line in lines)
