"""The command ``puna``, which is ``python -m puna`` too, from the first instant of its process."""

from __future__ import annotations

import signal
import sys
from types import FrameType

_TERMINATED = 143
"""What a shell says of a program that was ended by the signal SIGTERM."""


def main() -> int:
    """Run the command that the process was started with; return the exit code."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        from puna.cli.main import main as run  # noqa: PLC0415 - Ctrl+C may come while this is imported

        return run()
    except KeyboardInterrupt:
        return 130


def _leave(_signal: int, _frame: FrameType | None) -> None:
    # By way of every ``finally``, so that the terminal is as it was and no half file stays.
    sys.exit(_TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
