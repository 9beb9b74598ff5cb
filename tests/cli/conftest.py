"""A real server whose engine is scripted, for the command as a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command_line import World, furnished

SCRIPTED = Path(__file__).parent.parent / "support" / "scripted_llama_server.py"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Any], smollm2: Path) -> Iterator[World]:
    """A server with a few models, which tests leave as they were."""
    store = tmp_path_factory.mktemp("store")
    with start_server(store, PUNA_LLAMA_SERVER=str(SCRIPTED)) as running:
        running.create("smollm2", smollm2)
        running.call("POST", "/api/copy", {"source": "smollm2", "destination": "other:v1"})
        world = furnished(tmp_path_factory.mktemp("folder"), running.url, store)
        assert 0 == world.puna("create", "brief", "-f", "Modelfile").returncode
        yield world
