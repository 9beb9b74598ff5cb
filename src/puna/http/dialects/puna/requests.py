"""``/api/requests``: what runs, and an end to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from puna.http.dialects import About, Requests, Route
from puna.http.dialects.puna import replies
from puna.types import RequestKind, RequestState, RunningRequest


class Progress(msgspec.Struct):
    """How many tokens of a prompt are read, and about how many of the answer are written."""

    prompt_tokens: int
    prompt_done: int
    tokens: int


class Running(msgspec.Struct):
    """A request that runs. ``duration`` in nanoseconds, as all durations of Ollama's API."""

    id: str
    kind: RequestKind
    model: str
    state: RequestState
    client: str
    started_at: str
    duration: int
    progress: Progress


class RunningRequests(msgspec.Struct):
    """The reply of ``GET /api/requests``, the oldest request first."""

    requests: Sequence[Running]


_LIST = About(
    gives=RunningRequests, fails=replies.Error, summary="List the requests that use a model, or wait for one."
)
_CANCEL = About(
    fails=replies.Error,
    refuses=(404,),
    parameters={
        "id": Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z_-]+$", description="Its id, with or without `req_`.")]
    },
    summary="End a request.",
)


def routes(service: Requests) -> Sequence[Route]:
    """The routes about what runs."""

    async def list_(_request: Request) -> Response:
        return replies.json(RunningRequests([_running(one) for one in service.running()]))

    async def cancel(request: Request) -> Response:
        service.cancel(request.path_params["id"].removeprefix("req_"))
        return Response()

    return (
        Route(("GET",), "/api/requests", list_, replies.refuse, "infer", at_stop="answer", about=_LIST),
        Route(("DELETE",), "/api/requests/{id}", cancel, replies.refuse, "infer", at_stop="answer", about=_CANCEL),
    )


def _running(one: RunningRequest) -> Running:
    return Running(
        id=one.id,
        kind=one.kind,
        model=one.model,
        state=one.state,
        client=one.client,
        started_at=one.since,
        duration=round(one.seconds * 1e9),
        progress=Progress(one.prompt_tokens, one.prompt_done, one.tokens),
    )
