"""What ``puna run`` adds to an answer: its time less that of curl asking for the same, on a loaded model.

The two take turns, so that both meet the same machine. Needs curl and a running server with the model:

    python bench/run_overhead.py --model smollm2 --rounds 20
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from puna import address

PROMPT = "Say hi"


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="smollm2")
    options.add_argument("--rounds", type=int, default=20)
    chosen = options.parse_args()
    url = address.of_server(os.environ).url
    body = json.dumps({"model": chosen.model, "prompt": PROMPT})
    curl = ["curl", "-sS", "--fail", "-N", f"{url}/api/generate", "-d", body]
    puna = [sys.executable, "-m", "puna", "run", chosen.model, PROMPT]
    bare = [sys.executable, "-c", "pass"]
    for command in (curl, puna, bare):  # loads the model, and compiles what is not yet
        seconds(command)
    rounds = [(seconds(curl), seconds(puna), seconds(bare)) for _ in range(chosen.rounds)]
    by_curl, by_puna, by_python = (statistics.median(times) * 1000 for times in zip(*rounds, strict=True))
    added = statistics.median(second - first for first, second, _ in rounds) * 1000
    print(
        f"curl {by_curl:.0f} ms, puna run {by_puna:.0f} ms: {added:.0f} ms more, of which Python itself {by_python:.0f}"
    )


if __name__ == "__main__":
    main()
