"""The routes for models on disk: list, show, copy, delete, upload, create.

The library reads and writes files; that happens in threads, so that no stream waits for a disk.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from puna.errors import (
    BlobNotFound,
    InvalidDigest,
    InvalidName,
    InvalidRequest,
    ModelNotFound,
    PunaError,
    RegistryError,
)
from puna.events import Progress
from puna.http.body import Fields, first_value
from puna.http.cloud import local_name, stored_name
from puna.http.dialects import About, Library, Route
from puna.http.dialects.ollama import bodies, decode, encode, replies, wire
from puna.http.exchanges import concerns
from puna.http.parameters import Binary
from puna.http.stream import race
from puna.names import ModelName

_BLOB = {
    "digest": Annotated[
        str,
        Meta(
            pattern="^sha256[:-][0-9a-fA-F]{64}$",
            description="The SHA-256 of the file.",
            examples=["sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"],
        ),
    ]
}

_TAGS = About(gives=wire.Listed, fails=wire.Error)
_SHOW = About(
    takes=bodies.ShowBody,
    gives=wire.Show,
    fails=wire.Error,
    refuses=(404, 500),
    examples={"a model": {"model": "smollm2"}},
)
_COPY = About(
    takes=bodies.CopyBody,
    fails=wire.Error,
    refuses=(404, 500),
    examples={"a second name": {"source": "smollm2", "destination": "my-smollm2"}},
)
_DELETE = About(
    takes=bodies.DeleteBody, fails=wire.Error, refuses=(404, 500), examples={"a model": {"model": "my-smollm2"}}
)
_CREATE = About(
    takes=bodies.CreateBody,
    gives=wire.Progress,
    streams=(wire.Progress, wire.Error),
    fails=wire.Error,
    refuses=(404, 500),
    examples={"from another": {"model": "mario", "from": "smollm2", "system": "You are Mario."}},
)
_HAS_BLOB = About(fails=wire.Error, refuses=(400, 404), parameters=_BLOB)
_WRITE_BLOB = About(
    takes=Binary,
    takes_as="application/octet-stream",
    fails=wire.Error,
    succeeds=(200, 201),
    refuses=(500,),
    parameters=_BLOB,
)


def routes(library: Library) -> Sequence[Route]:
    """The routes for models on disk."""
    models = Models(library)
    return (
        Route(("HEAD", "GET"), "/api/tags", models.tags, replies.refuse, "infer", about=_TAGS),
        Route(("POST",), "/api/show", models.show, replies.refuse, "infer", about=_SHOW),
        Route(("POST",), "/api/copy", models.copy, replies.refuse, "pull", about=_COPY),
        Route(("DELETE",), "/api/delete", models.delete, replies.refuse, "admin", about=_DELETE),
        Route(("POST",), "/api/create", models.create, replies.refuse, "pull", about=_CREATE),
        Route(("HEAD",), "/api/blobs/{digest}", models.has_blob, replies.refuse, "pull", about=_HAS_BLOB),
        Route(
            ("POST",),
            "/api/blobs/{digest}",
            models.write_blob,
            replies.refuse,
            "pull",
            limited=False,
            about=_WRITE_BLOB,
        ),
    )


class Models:
    """The endpoints for models on disk."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def tags(self, _request: Request) -> Response:
        """List all models."""
        return replies.json(encode.tags(await asyncio.to_thread(self._library.list)))

    async def show(self, request: Request) -> Response:
        """Show one model."""
        fields = Fields(first_value(await request.body()), "ShowRequest")
        wanted = _model(fields)
        name = local_name(wanted, "remote model details are")
        try:
            details = await asyncio.to_thread(
                self._library.show,
                name,
                verbose=fields.flag("verbose"),
                system=fields.text("system"),
                options=fields.mapping("options") or {},
            )
        except ModelNotFound as error:
            return replies.refuse(
                error, lambda error: (error.status, f"model '{ModelName.parse(name).short}' not found")
            )
        if details.remote_host and name != wanted.strip():
            raise ModelNotFound(wanted)  # it was to be a model that runs here
        if request.headers.get("user-agent", "").startswith("GitHubCopilotChat/"):
            # That client shows the base name, and finds the model again by what it has shown.
            info = {**details.model_info, "general.basename": name}
            details = dataclasses.replace(details, model_info=info)
        return replies.json(encode.show(details))

    async def copy(self, request: Request) -> Response:
        """Give a model a second name."""
        fields = Fields(first_value(await request.body()), "CopyRequest")
        source, destination = fields.text("source"), fields.text("destination")
        concerns(destination)
        for role, name in (("source", source), ("destination", destination)):
            try:
                ModelName.parse(stored_name(name))
            except InvalidName as error:
                raise InvalidRequest(f"{role} {_quoted(name)} is invalid") from error
        try:
            await asyncio.to_thread(self._library.copy, stored_name(source), stored_name(destination))
        except ModelNotFound as error:
            return replies.refuse(error, lambda error: (error.status, f'model "{source}" not found'))
        return Response()

    async def delete(self, request: Request) -> Response:
        """Remove a model."""
        name = _model(Fields(first_value(await request.body()), "DeleteRequest"))
        try:
            await asyncio.to_thread(self._library.delete, stored_name(name))
        except InvalidName as error:
            raise InvalidRequest(f"name {_quoted(name)} is invalid") from error
        except ModelNotFound as error:
            return replies.refuse(error, lambda error: (error.status, f"model '{name}' not found"))
        return Response()

    async def has_blob(self, request: Request) -> Response:
        """Tell whether a blob is there."""
        digest = request.path_params["digest"]
        if not await asyncio.to_thread(self._library.has_blob, digest):
            raise BlobNotFound(digest)
        return Response()

    async def write_blob(self, request: Request) -> Response:
        """Store a blob."""
        async with aclosing(request.stream()) as chunks:
            new = await self._library.write_blob(request.path_params["digest"], chunks)
            # A client that sends without asking takes an answer before its end for a broken connection.
            if not new and "expect" not in request.headers:
                async for _ in chunks:
                    pass
        return Response(status_code=201 if new else 200)

    async def create(self, request: Request) -> ASGIApp:
        """Make a model."""
        wanted, stream = decode.create(await request.body())
        concerns(wanted.model)
        steps = self._library.create(wanted)
        if stream:
            return replies.stream(steps, encode.progress_line, _of_create)
        try:
            return replies.json(encode.progress(await race(_last(steps), request.receive)))
        except PunaError as error:
            return replies.refuse(error, _of_create)


def _quoted(name: str) -> str:
    """``name`` in quotes, on one line."""
    return json.dumps(name, ensure_ascii=False)


def _model(fields: Fields) -> str:
    name = fields.text("model") or fields.text("name")
    if not name.strip():
        raise InvalidRequest("model is required")
    concerns(name)
    return name


def _of_create(error: PunaError) -> tuple[int, str]:
    """What cannot be had is an error of this server's to Ollama's clients, and so is a digest that is none."""
    here = isinstance(error, RegistryError | BlobNotFound) or (isinstance(error, InvalidDigest) and error.digest)
    return 500 if here else error.status, str(error)


async def _last(steps: AsyncGenerator[Progress, None]) -> Progress:
    last = Progress("success")
    async with aclosing(steps):
        async for step in steps:
            last = step
    return last
