"""``/v1/models``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from puna.errors import ModelNotFound
from puna.http.cloud import local_name
from puna.http.dialects import Library, Route
from puna.http.dialects.openai import described, replies, wire
from puna.names import ModelName


def routes(library: Library) -> Sequence[Route]:
    """The routes that list models."""
    return (
        Route(("GET",), "/v1/models", partial(_all, library), replies.refuse, "infer", about=described.MODELS),
        Route(
            ("GET",), "/v1/models/{model:path}", partial(_one, library), replies.refuse, "infer", about=described.MODEL
        ),
    )


async def _all(library: Library, _request: Request) -> Response:
    """List all models."""
    found = await asyncio.to_thread(library.list)
    return replies.json(wire.Models(data=[_model(model.name, model.modified) for model in found] or None))


async def _one(library: Library, request: Request) -> Response:
    """Show one model."""
    name = request.path_params["model"]
    stored = local_name(name, "remote model details are")
    try:
        found = await asyncio.to_thread(library.show, stored, verbose=False, system="", options={})
    except ModelNotFound as error:
        return replies.refuse(error, lambda _error: f"model '{ModelName.parse(stored).short}' not found")
    return replies.json(_model(name, found.modified))


def _model(name: str, modified: str) -> wire.Model:
    created = int(datetime.fromisoformat(modified).timestamp())
    return wire.Model(id=name, created=created, owned_by=ModelName.parse(name).namespace)
