"""The beginning of every child process here: it ends when its parent does."""

from __future__ import annotations

import os
import threading

from puna.engine.runner import die_with_parent


def begin(parent: int) -> None:
    """End with the process ``parent``: by the kernel's word where it has one, else when standard input ends."""
    die_with_parent(parent)
    threading.Thread(target=_end_with_input, daemon=True).start()


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)
