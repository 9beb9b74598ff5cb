"""The OpenMP runtime under llama.cpp's CPU build, and how its threads share cores with everything else.

llama.cpp computes with a team of threads that meet at a barrier hundreds of times per token. GNU's runtime, which the
build names, lets them spin there whoever else wants the core, and a second busy model, or a compiler, brings both
nearly to a halt. LLVM's has the same interface, and makes teams as small as the load of the machine asks for.
``docs/decisions/0002-cpu.md`` has the figures.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_PACKAGE = "cmeel-libomp"
"""LLVM's OpenMP runtime, built from upstream; on Linux it also brings itself under GNU's name."""

_BALANCED: Mapping[str, str] = {
    "OMP_DYNAMIC": "true",
    "KMP_DYNAMIC_MODE": "load_balance",
    # Seconds between two looks at the load. With the default of one, a model would be slow for a second after another.
    "KMP_LOAD_BALANCE_INTERVAL": "0.3",
    # Milliseconds that a thread waits awake for more work: longer than the gap between tokens, no longer than that.
    "KMP_BLOCKTIME": "5",
}


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` with what makes a child process use the balancing runtime; what the operator set there stays.

    Without the runtime (it is Linux's) the child takes its system's, and ``environ`` is returned as it is.
    """
    folder = _folder()
    if folder is None:
        return dict(environ)
    path = ":".join(filter(None, (str(folder), environ.get("LD_LIBRARY_PATH"))))
    return {**_BALANCED, **environ, "LD_LIBRARY_PATH": path}


def _folder() -> Path | None:
    if sys.platform != "linux":
        return None
    try:
        library = Path(str(distribution(_PACKAGE).locate_file("cmeel.prefix/lib/libgomp.so.1")))
    except PackageNotFoundError:
        return None
    return library.parent if library.exists() else None
