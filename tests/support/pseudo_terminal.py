"""A terminal to run a program in: what is typed goes in, what the screen shows comes out."""

from __future__ import annotations

import os
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pexpect
import pyte
from wcwidth import iter_graphemes

WAIT_SECONDS = 60
ENTER, CTRL_C, CTRL_D, CTRL_G, CTRL_Z, TAB, UP = "\r", "\x03", "\x04", "\x07", "\x1a", "\t", "\x1b[A"
PROMPT = ">>> Send a message"


class _Screen(pyte.HistoryScreen):
    """A screen that answers the program's questions about it."""

    child: pexpect.spawn

    def draw(self, data: str) -> None:
        """An emoji of several is drawn as the first: pyte drops what follows a joiner."""
        super().draw("".join(one[0] if "\u200d" in one else one for one in iter_graphemes(data)))

    def write_process_input(self, data: str) -> None:
        self.child.send(data)


class PseudoTerminal:
    """A program in a terminal of ``columns`` and ``lines``."""

    def __init__(self, argv: list[str], *, columns: int, lines: int, environ: dict[str, str], cwd: str) -> None:
        self._screen = _Screen(columns, lines, history=10_000)
        self._stream = pyte.ByteStream(self._screen)
        self._child = pexpect.spawn(argv[0], argv[1:], dimensions=(lines, columns), env=environ, cwd=cwd, timeout=None)
        self._child.delaybeforesend = None
        self._screen.child = self._child
        self.written = b""

    @property
    def lines(self) -> list[str]:
        """What the terminal shows, after what has left it at the top, without empty lines at the end."""
        above = ["".join(row[at].data for at in range(self._screen.columns)) for row in self._screen.history.top]
        return "\n".join(line.rstrip() for line in [*above, *self._screen.display]).rstrip().split("\n")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def cursor_is_shown(self) -> bool:
        return not self._screen.cursor.hidden

    @property
    def echoes(self) -> bool:
        """Whether it shows what is typed by itself, as a shell wants it."""
        return bool(termios.tcgetattr(self._child.child_fd)[3] & termios.ECHO)

    def signal(self, number: int) -> None:
        self._child.kill(number)

    def type(self, text: str) -> None:
        self._child.send(text)

    def enter(self, line: str) -> None:
        """Type a line when the program is ready for one."""
        self.wait_for_prompt()
        self.type(line)
        self.wait(lambda: not self.text.endswith(PROMPT) and PROMPT not in self.lines[-1])
        self.type(ENTER)

    def wait_for_prompt(self) -> None:
        self.wait(lambda: self.lines[-1].startswith(PROMPT))

    def wait_for(self, text: str) -> None:
        """Until the screen shows ``text``, wherever its lines break."""
        self.wait(lambda: text in self.text or text in self.text.replace("\n", ""))

    def wait(self, condition: object) -> None:
        end = time.monotonic() + WAIT_SECONDS
        assert callable(condition)
        while not condition():
            assert time.monotonic() < end, f"the screen stayed:\n{self.text}"
            try:
                self._take(0.2)
            except pexpect.EOF:
                assert condition(), f"the program ended:\n{self.text}"

    def _take(self, seconds: float) -> None:
        try:
            data = self._child.read_nonblocking(1 << 16, timeout=seconds)
        except pexpect.TIMEOUT:
            return
        self.written += data
        self._stream.feed(data)

    def resize(self, columns: int, lines: int) -> None:
        self._child.setwinsize(lines, columns)
        self._screen.resize(lines, columns)

    def ended(self) -> int:
        """Wait for the end; the exit status."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            try:
                self._take(0.2)
            except pexpect.EOF:
                break
        else:
            raise AssertionError(f"the program goes on:\n{self.text}")
        self._child.wait()
        assert self._child.exitstatus is not None, self._child.signalstatus
        return int(self._child.exitstatus)

    def close(self) -> None:
        self._child.close(force=True)


def puna(*args: str, **kwargs: Any) -> AbstractContextManager[PseudoTerminal]:
    """``puna`` with these arguments in a terminal, as ``program``."""
    return program(sys.executable, "-m", "puna", *args, **kwargs)


@contextmanager
def program(
    *argv: str, home: str, url: str, columns: int = 80, lines: int = 40, **environ: str
) -> Iterator[PseudoTerminal]:
    """A program in a terminal, in the folder ``home``; ``url`` is where it finds its server."""
    chosen = {"OLLAMA_HOST": url, "HOME": home, "TERM": "xterm-256color", "LANG": "C.UTF-8"} | environ
    unwanted = {"NO_COLOR", "COLUMNS", "LINES", "OLLAMA_NOHISTORY", "OLLAMA_EDITOR"} - environ.keys()
    inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
    terminal = PseudoTerminal([*argv], columns=columns, lines=lines, environ=inherited | chosen, cwd=home)
    try:
        yield terminal
    finally:
        terminal.close()
