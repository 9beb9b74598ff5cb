"""What a dialect costs for each token that it streams: every streaming route, beside the native one, in one run.

    python bench/dialects.py [--rounds 15] [--tokens 2000]

Everything is in this process: the app as it is served, behind its guard, over a chat that says tokens without computing
anything, to a client that takes them. Routes take turns, round by round. For each there are the microseconds of CPU
time that a token takes in all (the median of the rounds), what of them is the dialect's (without the events' own way to
it), and how that differs from ``/api/chat`` (the median of the differences within a round).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import time
from collections.abc import AsyncGenerator
from dataclasses import fields
from pathlib import Path
from typing import Any

import uvloop

from puna import config
from puna.events import Done, Event, PromptProgress, Text
from puna.http import app
from puna.http.dialects import Services
from puna.service.keys import KeyFile, Keyring
from puna.service.requests import Requests
from puna.types import ChatRequest, GenerateRequest, RunningModel, Usage

BASE = "chat"
WORDS = (" the", " quick", " brown", " fox", " jumps", " over", "\n", " é", ' "', " dog.")
MESSAGES = [{"role": "user", "content": "Hi"}]

ROUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/api/chat", {"messages": MESSAGES}),
    "generate": ("/api/generate", {"prompt": "Hi"}),
    "openai chat": ("/v1/chat/completions", {"messages": MESSAGES, "stream": True}),
    "openai completions": ("/v1/completions", {"prompt": "Hi", "stream": True}),
    "openai responses": ("/v1/responses", {"input": "Hi", "stream": True, "store": False}),
    "anthropic messages": ("/v1/messages", {"messages": MESSAGES, "max_tokens": 9, "stream": True}),
}


class Talker:
    """Says so many tokens to whoever asks, each after a look at the loop, as one that came from an engine."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self._requests = Requests()

    def chat(self, _request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Say them as a chat."""
        return self._requests.stream("chat", "m", self.say())

    def generate(self, _request: GenerateRequest) -> AsyncGenerator[Event, None]:
        """Say them as a completion."""
        return self._requests.stream("generate", "m", self.say())

    def resolve(self, _model: str) -> None:
        """Every model is there."""

    async def unload(self, _model: str) -> None:
        """None is in memory."""

    def running(self) -> list[RunningModel]:
        """None is in memory."""
        return []

    async def say(self) -> AsyncGenerator[Event, None]:
        """All that is said."""
        yield PromptProgress(9, 9)
        for number in range(self._tokens):
            await asyncio.sleep(0)
            yield Text(WORDS[number % len(WORDS)])
        yield Done("stop", Usage(9, self._tokens))


async def stream(served: Any, path: str, body: dict[str, Any], tokens: int) -> float:
    """Ask for one stream and take it; the seconds it took."""
    content = json.dumps({"model": "m", **body}).encode()
    given = False
    chunks = 0

    async def receive() -> dict[str, Any]:
        nonlocal given
        if given:
            await asyncio.Event().wait()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal chunks
        chunks += bool(message.get("body"))
        assert message.get("status", 200) == 200, message

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }
    started = time.process_time()
    await served(scope, receive, send)
    seconds = time.process_time() - started
    assert chunks >= tokens, f"{path}: {chunks} chunks of {tokens} tokens"
    return seconds


async def alone(talker: Talker) -> float:
    """The seconds that the events take without any dialect."""
    started = time.process_time()
    async for _ in talker.chat(ChatRequest("m")):
        pass
    return time.process_time() - started


async def measure(rounds: int, tokens: int) -> None:
    talker = Talker(tokens)
    known: dict[str, Any] = {one.name: talker if one.name == "chat" else None for one in fields(Services)}
    services = Services(**known)
    keys = Keyring(KeyFile(Path(__file__).parent / "nowhere"), required=False)
    served = app.build(services, config.read({"OLLAMA_MODELS": os.devnull}), bound_to="127.0.0.1", keys=keys)
    found: dict[str, list[float]] = {name: [] for name in ("events", *ROUTES)}
    gc.disable()
    for number in range(rounds + 1):
        gc.collect()
        took = {"events": await alone(talker)}
        took |= {name: await stream(served, path, body, tokens) for name, (path, body) in ROUTES.items()}
        if number:  # the first round warms everything up
            for name, seconds in took.items():
                found[name].append(seconds / tokens * 1e6)
    report(found)


def report(found: dict[str, list[float]]) -> None:
    events = found["events"]
    print(f"events alone: {statistics.median(events):.1f} µs a token\n")
    print("| route | µs a token | the dialect's | beside /api/chat |")
    print("|---|---:|---:|---:|")
    for name, (path, _) in ROUTES.items():
        added = statistics.median(one - other for one, other in zip(found[name], events, strict=True))
        beside = statistics.median(one - other for one, other in zip(found[name], found[BASE], strict=True))
        told = "" if name == BASE else f"{beside:+.1f}"
        print(f"| `{path}` | {statistics.median(found[name]):.1f} | {added:.1f} | {told} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="What a dialect costs for each token that it streams.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tokens", type=int, default=2000)
    arguments = parser.parse_args()
    uvloop.run(measure(arguments.rounds, arguments.tokens))


if __name__ == "__main__":
    main()
