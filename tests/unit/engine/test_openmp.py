"""The engine's children compute with an OpenMP runtime that shares the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from puna.engine.openmp import environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems' builds bring their own")


def test_a_child_loads_the_balancing_runtime_under_the_name_the_build_asks_for() -> None:
    """The library that answers to GNU's name is LLVM's: it has LLVM's functions and GNU's interface."""
    program = (
        "import ctypes; lib = ctypes.CDLL('libgomp.so.1'); lib.kmp_get_blocktime; lib.GOMP_parallel; print('both')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment({}), capture_output=True, text=True, check=True
    )
    assert run.stdout == "both\n"


def test_what_the_operator_set_stays() -> None:
    """Own settings of OpenMP win, and an own library path is kept behind."""
    environ = environment({"OMP_DYNAMIC": "false", "LD_LIBRARY_PATH": "/own", "OTHER": "kept"})
    assert (environ["OMP_DYNAMIC"], environ["OTHER"]) == ("false", "kept")
    first, *rest = environ["LD_LIBRARY_PATH"].split(":")
    assert (Path(first) / "libgomp.so.1").exists()
    assert rest == ["/own"]
