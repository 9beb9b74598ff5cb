"""What is planned for a model: by the settings, and by what was asked of it before."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from puna import config, gguf
from puna.errors import CloudDisabled
from puna.options import Options
from puna.service.leasing import Leasing


@pytest.fixture
def model(tmp_path: Path, write_gguf: Callable[..., Path]) -> Any:
    path = write_gguf(tmp_path / "m.gguf")
    return SimpleNamespace(
        weights=path,
        size=1000,
        gguf=gguf.read(path),
        adapters=(),
        projectors=(),
        capabilities=("completion",),
        details=SimpleNamespace(family="llama"),
        config=SimpleNamespace(model_family="llama", remote_host=""),
    )


def leasing(**environ: str) -> Leasing:
    settings = config.read({"OLLAMA_MODELS": os.devnull, **environ})
    return Leasing(cast("Any", None), cast("Any", None), settings)


def test_a_model_that_writes_makes_embeddings_too(model: Any) -> None:
    """Without being loaded once more for them."""
    assert leasing().plan(model, Options()).pooling == "last"


def test_a_binary_of_the_operators_takes_no_room_for_embeddings_nobody_wants(model: Any, tmp_path: Path) -> None:
    """It may use a GPU; once they are wanted, every request plans for them, and the model is loaded but once more."""
    binary = tmp_path / "llama-server"
    binary.touch(mode=0o755)
    plans = leasing(PUNA_LLAMA_SERVER=str(binary))
    before = plans.plan(model, Options())
    asked = plans.plan(model, Options(), embedding=True)
    after = plans.plan(model, Options())
    assert (None, "last", "last") == (before.pooling, asked.pooling, after.pooling)


def test_a_model_that_runs_elsewhere_is_refused_and_is_never_loaded(model: Any) -> None:
    """Its stub says on which server it runs; so there is nothing to unload either, and that is fine."""
    model.config.remote_host = "https://ollama.com:443"
    settings = config.read({"OLLAMA_MODELS": os.devnull})
    leases = Leasing(cast("Any", SimpleNamespace(model=lambda _: model)), cast("Any", None), settings)
    with pytest.raises(CloudDisabled) as refused:
        leases.model("stub")
    assert "ollama cloud is disabled: remote model is unavailable" == str(refused.value)
    asyncio.run(leases.unload("stub"))


def test_the_first_request_of_a_model_waits_for_its_files_in_a_thread() -> None:
    """Others go on meanwhile, and later requests wait for nothing."""

    class Stored:
        config = SimpleNamespace(remote_host="")
        read_by: list[int] = []  # noqa: RUF012 - there is one

        @property
        def is_read(self) -> bool:
            return bool(self.read_by)

        @property
        def capabilities(self) -> tuple[str, ...]:
            self.read_by.append(threading.get_ident())
            return ()

    stored = Stored()
    settings = config.read({"OLLAMA_MODELS": os.devnull})
    leases = Leasing(cast("Any", SimpleNamespace(model=lambda _: stored)), cast("Any", None), settings)
    for _ in range(2):
        assert stored is asyncio.run(leases.opened("m"))
    (reader,) = stored.read_by
    assert threading.get_ident() != reader
