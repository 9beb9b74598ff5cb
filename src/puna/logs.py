"""What the log looks like, text or JSON, and how it is written: so that nobody ever waits for it, or fails with it."""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
import select
import sys
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any, Literal

import msgspec

_MOST_WAITING = 10_000
_BATCH = 256
_STALLED_SECONDS = 1.0
_LAST_LINES_SECONDS = 2.0

_PRIORITIES = ((logging.CRITICAL, "<2>"), (logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"))

_PLAIN = re.compile('[^ "=]+').fullmatch

_encode = msgspec.json.Encoder(enc_hook=str).encode


def fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a message says beside its text, as the ``extra`` of a logging call: ``log.info("…", extra=fields(…))``."""
    return {"fields": values}


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, logger, message, the record's fields, and its exception's traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        said = {
            "time": _when(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return _encode(said).decode()


class TextFormatter(logging.Formatter):
    """One line a record: time, level, message, and the record's fields as ``name=value``.

    What has several lines is indented from the second on, and control characters are escaped: nothing that a caller
    sends looks like a line of the log, or does anything to a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if not text.isprintable():
            text = "\n    ".join(_printable(line) for line in text.split("\n"))
        pairs = "".join(f" {name}={_word(value)}" for name, value in _fields(record).items())
        return f"{_when(record.created)} {record.levelname:<7} {text}{pairs}"


class JournalFormatter(logging.Formatter):
    """The lines of ``inner``, each after its priority, by which systemd's journal sorts them: sd-daemon(3)."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """The lines of one record."""
        mark = next((mark for level, mark in _PRIORITIES if record.levelno >= level), "<7>")
        return "\n".join(f"{mark}{line}" for line in self._inner.format(record).split("\n"))


class Writer(logging.Handler):
    """Writes records to the file descriptor ``target`` from a thread of its own.

    Whoever logs never waits: where the reader of the log stalls, or the disk is full, lines are lost, and the log says
    how many once it can be written again.
    """

    def __init__(self, target: int, *, most_waiting: int = _MOST_WAITING) -> None:
        super().__init__()
        self._target = target
        self._most_waiting = most_waiting
        self._lost = 0
        self._within_a_line = False
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="puna log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record's line over."""
        if self._lines.qsize() >= self._most_waiting:
            self._lost += 1
            return
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 -- a message that cannot be said must not fail what it is about
            record.msg, record.args = f"{record.msg!r} could not be logged: {type(error).__name__}", ()
            record.exc_info, record.__dict__["fields"] = None, {}
            line = self.format(record)
        self._lines.put(line)

    def close(self) -> None:
        """Write what waits, for at most two seconds."""
        self._lines.put(None)
        self._thread.join(_LAST_LINES_SECONDS)
        super().close()

    def _work(self) -> None:
        ended = False
        while not ended:
            lines = [self._lines.get()]
            try:
                while len(lines) < _BATCH:
                    lines.append(self._lines.get_nowait())
            except Empty:
                pass
            ended = None in lines
            found = [line for line in lines if line is not None]
            if self._lost:
                record = logging.makeLogRecord(
                    {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": "lines were lost"}
                )
                record.__dict__.update(fields({"lines": self._lost}))
                found.insert(0, self.format(record))
            if found and self._write("".join(f"{line}\n" for line in found).encode("utf-8", "backslashreplace")):
                self._lost = 0
            else:
                self._lost += len(found)

    def _write(self, data: bytes) -> bool:
        """Whether it could be written."""
        if self._within_a_line:
            data = b"\n" + data
        while data:
            try:
                written = os.write(self._target, data)
                self._within_a_line = not data[:written].endswith(b"\n")
                data = data[written:]
            except BlockingIOError:  # whoever shares the terminal or the pipe made it non-blocking
                if not select.select([], [self._target], [], _STALLED_SECONDS)[1]:
                    return False
            except OSError:
                return False
        return True


def hold() -> None:
    """Keep what is logged until it is known how, which ``to_stderr`` tells."""
    logging.getLogger().addHandler(logging.handlers.MemoryHandler(_MOST_WAITING, flushLevel=logging.CRITICAL + 1))


def to_stderr(form: Literal["text", "json"], debug: int, *, journal: bool = False) -> logging.Handler:
    """Let everything that is logged from now on go to standard error, and return what is to be closed at the end.

    ``debug`` 1 adds what is of interest to who looks for a fault, 2 also the words of the engines.
    With ``journal`` each line says its priority to systemd's journal, which is standard error then.
    """
    handler: logging.Handler = logging.NullHandler() if sys.stderr is None else Writer(sys.stderr.fileno())
    formatter = JsonFormatter() if form == "json" else TextFormatter()
    handler.setFormatter(JournalFormatter(formatter) if journal else formatter)
    # Python looks for the line that logs, the thread and the task: nobody is told, and it takes most of the time.
    logging._srcfile = None  # noqa: SLF001 -- as its documentation says
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    before, root.handlers[:] = root.handlers[:], [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for held in before:
        if isinstance(held, logging.handlers.MemoryHandler):
            held.setTarget(handler)
            held.close()
    for noisy in ("asyncio", "httpcore2", "httpx2", "uvicorn", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("puna.engine.process").setLevel(logging.DEBUG if debug > 1 else logging.INFO)
    return handler


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    found: Mapping[str, Any] = record.__dict__.get("fields", {})
    return found


def _when(seconds: float) -> str:
    return f"{_second(int(seconds))}.{int(seconds * 1000) % 1000:03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _word(value: Any) -> str:
    match value:
        case float():
            text = f"{value:.6f}".rstrip("0").rstrip(".")
        case tuple():
            text = ",".join(map(str, value))
        case _:
            text = str(value)
    return text if text.isprintable() and _PLAIN(text) else _encode(text).decode()


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
