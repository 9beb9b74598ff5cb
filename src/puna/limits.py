"""What the system gives a process, put in order before a server starts."""

from __future__ import annotations

import logging
import os
import sys

log = logging.getLogger(__name__)

_MOST_FILES = 65_536
"""More would serve nobody, and some programs walk through all numbers there may be."""


def open_standard_streams() -> None:
    """Open standard input, output and error onto nothing where whoever started the process closed them.

    Else sockets get their numbers, and what is printed goes to a client; and no engine can be started.
    """
    opened = os.open(os.devnull, os.O_RDWR)
    while opened <= 2:
        os.set_inheritable(opened, True)
        opened = os.open(os.devnull, os.O_RDWR)
    os.close(opened)


def allow_many_files() -> None:
    """Raise the number of files and connections this process may have open, as far as it may itself.

    Each client takes one; the usual 1024 are for programs that watch files in ways this one does not.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 -- Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:
        log.warning("no more than %d files and connections can be open: %s", soft, error)


def interrupt_nobody() -> None:
    """Let this thread, and those it starts, wait for a free core or the next tick instead of interrupting who computes.

    A model's threads meet hundreds of times for each token: while one is interrupted, all of them wait.
    """
    _schedule("SCHED_BATCH")


def compute() -> None:
    """Undo ``interrupt_nobody``, which a process inherits."""
    _schedule("SCHED_OTHER")


def _schedule(policy: str) -> None:
    if sys.platform != "linux":
        return
    try:
        os.sched_setscheduler(0, getattr(os, policy), os.sched_param(0))
    except OSError as error:  # a container may forbid it, and all works without
        log.debug("the scheduling policy %s is not to be had: %s", policy, error)
