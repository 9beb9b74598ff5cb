"""How soon a client that leaves during a long prompt frees its slot.

    python bench/cancel.py MODEL.gguf [--tokens 3800]

The model has one slot. A prompt of about TOKENS tokens is begun and its client leaves; then it is timed until the slot
is free again, by the engine's own account. For comparison, the same prompt is processed whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import uvloop

from puna.engine import LoadSpec, Sampling, Stopped
from puna.engine.connection import Connections
from puna.engine.llamacpp import LlamaCpp
from puna.events import PromptProgress
from puna.options import Options
from puna.scheduler.machine import physical_cores
from puna.types import Prompt

LEAVE_AFTER_SECONDS = 0.3


async def slot(connections: Connections) -> dict[str, Any]:
    """What the engine says of its only slot."""
    _, body = await connections.get("/slots")
    [found] = json.loads(body)
    return dict(found)


async def main(options: argparse.Namespace) -> None:
    engine = LlamaCpp()
    model = await engine.load(LoadSpec(options.model, 4096, 1, physical_cores()))
    sampling = Sampling(Options(temperature=0.0, seed=1), max_tokens=1, num_ctx=4096)
    answer = model.generate(Prompt("left " + "word " * (options.tokens - 1)), sampling)
    await anext(answer)
    await asyncio.sleep(LEAVE_AFTER_SECONDS)
    started = time.perf_counter()
    await answer.aclose()
    while (seen := await slot(model.connections))["is_processing"]:
        await asyncio.sleep(0.01)
    freed = time.perf_counter() - started
    whole = 0.0
    async with aclosing(model.generate(Prompt("whole " + "word " * (options.tokens - 1)), sampling)) as pieces:
        async for piece in pieces:
            if isinstance(piece, PromptProgress):
                print(f"  {piece.processed} of {piece.total} tokens")
            if isinstance(piece, Stopped):
                whole = piece.prompt_seconds
    print(f"slot free {freed:.2f} s after the client left, {seen['n_prompt_tokens']} tokens into the prompt")
    print(f"the whole prompt takes {whole:.2f} s")
    await engine.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--tokens", type=int, default=3800)
    uvloop.run(main(arguments.parse_args()))
