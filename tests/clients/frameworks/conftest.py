"""The servers that tests/clients started, and what to tell their models."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def real() -> str:
    """The server with real models: `smollm2`, `tooled`, which is that with tools, and `eyes`, which sees."""
    return os.environ["PUNA_TEST_REAL"]


@pytest.fixture(scope="session")
def scripted() -> str:
    """The server whose model `able` says what the newest `answer:` of its prompt is."""
    return os.environ["PUNA_TEST_SCRIPTED"]


@pytest.fixture(scope="session")
def picture() -> str:
    """A JPEG file in base64."""
    return base64.b64encode(Path(os.environ["PUNA_TEST_PICTURE"]).read_bytes()).decode()


@pytest.fixture(scope="session")
def answer() -> Callable[[str], str]:
    """What a prompt has to say for the model `able` to answer with a text."""
    return lambda text: f"answer:{base64.b64encode(text.encode()).decode()}"


@pytest.fixture(scope="session")
def call() -> Callable[..., str]:
    """What the model `able` says to call a tool."""

    def write(name: str, /, **arguments: Any) -> str:
        return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"

    return write


@pytest.fixture(scope="session")
def prompt() -> Callable[[], str]:
    """The newest prompt that the model `able` was given."""
    log = Path(os.environ["PUNA_TEST_LOG"])

    def newest() -> str:
        *_, last = (line for line in log.read_text().splitlines() if line.startswith("/completion "))
        return str(json.loads(last.removeprefix("/completion "))["prompt"])

    return newest
