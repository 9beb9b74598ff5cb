"""A server whose engine says what it is told to, with a model that sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SUPPORT = Path(__file__).parent.parent / "support"
TEMPLATE = "{{ range .Messages }}{{ .Role }} {{ .Content }} {{ end }}"


@dataclass(frozen=True)
class Scripted:
    url: str
    log: Path
    gate: Path
    call: Callable[..., Any]


@pytest.fixture(scope="session")
def scripted(
    tmp_path_factory: pytest.TempPathFactory, start_server: Any, tiny: tuple[Path, Path]
) -> Iterator[Scripted]:
    folder = tmp_path_factory.mktemp("terminal")
    environ = {"PUNA_LLAMA_SERVER": str(SUPPORT / "scripted_llama_server.py"), "SCRIPTED_LOG": str(folder / "log")}
    environ["SCRIPTED_GATE"] = str(folder / "gate")
    with start_server(folder / "store", **environ) as running:
        running.create("eyes", *tiny, template=TEMPLATE)
        yield Scripted(running.url, folder / "log", folder / "gate", running.call)
