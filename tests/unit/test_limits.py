"""A server is no worse off for how it was started: streams that are closed, and few files it may open."""

from __future__ import annotations

import subprocess
import sys

import pytest

STREAMS = """
import os
os.close(0); os.close(1); os.close(2)
from puna import limits
limits.open_standard_streams()
limits.open_standard_streams()
free = os.dup(0)
os._exit(free)
"""
FILES = """
import resource
from puna import limits
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, min(hard, 256)))
limits.allow_many_files()
limits.allow_many_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
POLICY = """
import os
from puna import limits
limits.interrupt_nobody()
print(os.sched_getscheduler(0) == os.SCHED_BATCH)
limits.compute()
print(os.sched_getscheduler(0) == os.SCHED_OTHER)
"""


def test_streams_that_were_closed_lead_nowhere() -> None:
    """The next file that is opened is number 3, as everything a server starts takes for granted."""
    assert 3 == subprocess.run([sys.executable, "-c", STREAMS], check=False).returncode


def test_as_many_files_may_be_open_as_the_system_allows() -> None:
    """A shell's low limit is no limit to the clients of a server."""
    said = subprocess.run([sys.executable, "-c", FILES], check=True, capture_output=True, text=True).stdout
    assert "256 256" == said.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such policy")
def test_who_serves_interrupts_nobody() -> None:
    """And who computes for it does as every program."""
    said = subprocess.run([sys.executable, "-c", POLICY], check=True, capture_output=True, text=True).stdout
    assert ["True", "True"] == said.split()
