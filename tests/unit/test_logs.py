"""The log tells everything on one line each, in text or in JSON, and no fault of it is a fault of the server."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from puna.logs import JournalFormatter, JsonFormatter, TextFormatter, Writer, fields, hold, to_stderr


def record(text: str, *args: object, exc_info: Any = None, **values: Any) -> logging.LogRecord:
    made = logging.LogRecord("puna.test", logging.INFO, "", 0, text, args, exc_info)
    made.created = 1_700_000_000.1234
    made.__dict__.update(fields(values))
    return made


def failure() -> Any:
    try:
        int("a bug\nof two lines")
    except ValueError:
        return sys.exc_info()


@contextmanager
def writing(target: int, **limits: int) -> Iterator[Callable[..., bool]]:
    """Says what is to be written to a file descriptor, as logging calls do; it is written once the block is left."""
    writer = Writer(target, **limits)
    writer.setFormatter(TextFormatter())
    try:
        yield lambda text, *args: bool(writer.handle(record(text, *args)))
    finally:
        writer.close()


def test_text_is_one_line_of_pairs() -> None:
    """Easy to read and to search: words as they are, all else in quotes."""
    told = record("request", path="/api/chat", seconds=0.00025, agent="a b", model="", lists=("x", "y"))
    assert (
        '2023-11-14T22:13:20.123Z INFO    request path=/api/chat seconds=0.00025 agent="a b" model="" lists=x,y'
        == TextFormatter().format(told)
    )


@pytest.mark.parametrize(
    ("level", "mark"), [("ERROR", "<3>"), ("WARNING", "<4>"), ("INFO", "<6>"), ("DEBUG", "<7>"), ("CRITICAL", "<2>")]
)
def test_the_journal_is_told_how_grave_a_line_is(level: str, mark: str) -> None:
    """So that ``journalctl -p warning`` finds what it should, also each line of a traceback."""
    told = record("it failed", exc_info=failure())
    told.levelno, told.levelname = getattr(logging, level), level
    lines = JournalFormatter(TextFormatter()).format(told).split("\n")
    assert len(lines) > 3
    assert TextFormatter().format(told).split("\n") == [line.removeprefix(mark) for line in lines]


@pytest.mark.parametrize("sent", ["a\n2026-01-01 INFO  forged", "\x1b[2Jgone", "a\r\nb", 'a" status="200'])
def test_what_callers_send_is_never_a_line_of_the_log(sent: str) -> None:
    """Nor does it clear somebody's terminal, wherever it stands."""
    line = TextFormatter().format(record("model %s", sent, path=sent))
    first, *others = line.split("\n")
    assert "INFO    model" in first
    assert all(other.startswith("    ") for other in others)
    assert "\x1b" not in line
    assert "\r" not in line
    assert f"path={json.dumps(sent)}" in line


def test_json_is_one_object_a_line_with_the_traceback_inside() -> None:
    """A program that reads the log need not know which lines belong together."""
    line = JsonFormatter().format(record("it %s", "failed", exc_info=failure(), model="smol", seconds=0.5))
    told = json.loads(line)
    assert "\n" not in line
    assert told.pop("exception").endswith("with base 10: 'a bug\\nof two lines'")
    assert {
        "time": "2023-11-14T22:13:20.123Z",
        "level": "info",
        "logger": "puna.test",
        "message": "it failed",
        "model": "smol",
        "seconds": 0.5,
    } == told


def test_a_traceback_in_text_is_indented() -> None:
    """It belongs to the line above it."""
    first, *others = TextFormatter().format(record("failed", exc_info=failure())).splitlines()
    assert first.endswith("failed")
    assert all(line.startswith("    ") for line in others)


def test_lines_are_written_in_order(tmp_path: Path) -> None:
    """All of them, by the time the server has ended."""
    path = tmp_path / "log"
    with path.open("wb") as file, writing(file.fileno()) as log:
        for number in range(1000):
            log("line %d", number)
    assert [f"line {number}" for number in range(1000)] == [line[33:] for line in path.read_text().splitlines()]


def test_a_reader_that_stalls_holds_up_nobody() -> None:
    """Lines are lost, and the log says how many once it is read again."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(reader, "rb") as reading, os.fdopen(writer, "wb") as target:
        with writing(target.fileno(), most_waiting=50) as log:
            for _ in range(500):
                log("%s", "x" * 1000)
            while len(got := os.read(reading.fileno(), 1 << 20)) < 1000:
                pass
            while b"lines were lost" not in got:
                log("once more")
                got = os.read(reading.fileno(), 1 << 20)
            reading.close()
        assert b" WARNING lines were lost lines=" in got


def test_what_follows_half_a_line_is_a_line_of_its_own(tmp_path: Path) -> None:
    """Where the disk was full within one, programs can read those that come once there is room."""
    path = tmp_path / "log"
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with path.open("wb") as file:
        writer = Writer(file.fileno())
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            assert not writer._write(b"x" * 2000 + b"\n")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        for text in ("room again", "and more"):
            writer.handle(record(text))
        writer.close()
    half, *lines = path.read_text().splitlines()
    assert "x" * 1000 == half
    assert ["room again", "and more"] == lines


@pytest.mark.parametrize("place", ["/dev/full", "closed"])
def test_a_log_that_cannot_be_written_fails_nothing(place: str) -> None:
    """A full disk, or a terminal that is gone."""
    reader, writer = os.pipe()
    target = writer if place == "closed" else os.open(place, os.O_WRONLY)
    os.close(reader)
    with writing(target) as log:
        for _ in range(100):
            log("nobody hears this")
    os.close(writer)
    if target != writer:
        os.close(target)


def test_a_message_that_cannot_be_said_is_told_of(tmp_path: Path) -> None:
    """A mistake in a message does not fail what it is about."""

    class Bad:
        def __str__(self) -> str:
            raise RuntimeError

    path = tmp_path / "log"
    with path.open("wb") as file, writing(file.fileno()) as log:
        log("value %s", Bad())
        log("and on")
    first, second = path.read_text().splitlines()
    assert first.endswith("'value %s' could not be logged: RuntimeError")
    assert second.endswith("and on")


def test_what_was_logged_before_it_was_known_how_is_logged_too(capfd: pytest.CaptureFixture[str]) -> None:
    """A setting that cannot be read is warned of in the form that another one asks for."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        hold()
        logging.getLogger("puna.config").warning("ignoring PUNA_DRAIN=x")
        to_stderr("json", 0).close()
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    assert "ignoring PUNA_DRAIN=x" == json.loads(capfd.readouterr().err)["message"]
