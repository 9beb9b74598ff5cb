"""Pulling files that a model is then made of: it is the model that the engine reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from puna.errors import NotCapable
from puna.service.transfer import Transfers
from puna.store.models import Store
from puna.types import PullRequest
from support.file_server import FileServer


@pytest.mark.parametrize("any_layout", [True, False])
def test_weights_in_the_layout_of_another_engine(
    any_layout: bool, tmp_path: Path, write_gguf: Callable[..., Path]
) -> None:
    """They are taken as they are for an engine of the operator's, which may read them, and refused for puna's own."""
    values = {"general.architecture": "qwen25vl", "qwen25vl.block_count": 1}
    content = write_gguf(tmp_path / "foreign.gguf", values).read_bytes()
    store = Store(tmp_path / "store")

    async def pulled() -> str:
        transfers = Transfers(store, connections=1, any_layout=any_layout)
        try:
            asked = PullRequest(f"{server.url}/foreign.gguf", insecure=True)
            return [step.status async for step in transfers.pull(asked)][-1]
        finally:
            await transfers.close()

    with FileServer(content) as server:
        if any_layout:
            assert "success" == asyncio.run(pulled())
            (model,) = store.models()
            assert content == model.weights.read_bytes()
        else:
            with pytest.raises(NotCapable, match="laid out for Ollama's own engine"):
                asyncio.run(pulled())
            assert [] == store.models()
