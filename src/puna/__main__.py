"""The command ``puna``, which is ``python -m puna`` too, from the first instant of its process."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

_TERMINATED = 143
"""What a shell says of a program that was ended by the signal SIGTERM."""


def main() -> NoReturn:
    """Run the command that the process was started with, and end the process with its exit code."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        gc.disable()  # what is imported stays
        from puna.cli.main import main as run  # noqa: PLC0415 - Ctrl+C may come while this is imported

        gc.freeze()
        gc.enable()
        code = run()
    except KeyboardInterrupt:
        code = 130
        if sys.stderr is not None and sys.stderr.isatty():
            sys.stderr.write("\n")  # the line that the terminal shows ^C on
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # it is full, closed, or there is none
            stream.flush()
    # Every command has closed what it opened. To take the interpreter apart as well would take longer than all of a
    # short command's own work.
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public name for what an end does first
    os._exit(code)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    # By way of every ``finally``, so that the terminal is as it was and no half file stays.
    sys.exit(_TERMINATED)


if __name__ == "__main__":
    main()
