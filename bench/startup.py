"""How long commands take that do next to nothing: their start is what a user waits for.

::

    python bench/startup.py [--runs 20] [--url http://127.0.0.1:11434]

Prints the median, and the fastest, of so many runs of each command. Those that ask a server are measured when --url
names one. ``python -c pass`` is what the interpreter itself takes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

ALONE = (["--help"], ["run", "--help"], ["serve", "--help"], ["completion", "bash"], ["frobnicate"])
ASKING = (["--version"], ["list"], ["ps"], ["__complete", "--", "run", ""])


def measure(command: Sequence[str], runs: int, environ: Mapping[str, str]) -> list[float]:
    """The milliseconds that each run of ``command`` took; one before them is not counted."""
    found = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        found.append((time.perf_counter() - began) * 1000)
    return found[1:]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--url", default="")
    said = parser.parse_args()
    environ = dict(os.environ)
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles the modules at every start
    if said.url:
        environ["OLLAMA_HOST"] = said.url
    puna = [sys.executable, "-m", "puna"]
    commands = [[sys.executable, "-c", "pass"], *([*puna, *args] for args in (*ALONE, *(ASKING if said.url else ())))]
    for command in commands:
        found = measure(command, said.runs, environ)
        shown = " ".join(["puna", *command[3:]] if command[1] == "-m" else ["python", *command[1:]])
        print(f"{shown:32} median {statistics.median(found):4.0f} ms   fastest {min(found):4.0f} ms")


if __name__ == "__main__":
    main()
