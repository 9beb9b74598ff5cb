"""The endpoints of ``/v1/responses``."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from puna.errors import InvalidRequest, ResponseNotFound, StoreError
from puna.events import Done, Event
from puna.http.dialects import Chat, Responses, Tokens
from puna.http.dialects.openai import choices, replies
from puna.http.dialects.openai.parameters import new_id
from puna.http.dialects.openai.responses import listing, references, wire
from puna.http.dialects.openai.responses.decode import Call, decode
from puna.http.dialects.openai.responses.encode import Words
from puna.http.stream import note, race
from puna.types import StoredResponse

_json = msgspec.json.Encoder().encode


class _Body(msgspec.Struct):
    """What of a kept reply later ones need."""

    output: list[Any]


_decode_items = msgspec.json.Decoder(list[Any]).decode
_decode_body = msgspec.json.Decoder(_Body).decode

_YES = frozenset({"true", "1"})


class Endpoints:
    """Makes responses, and shows and forgets those that are ``kept``."""

    def __init__(self, chat: Chat, tokens: Tokens, kept: Responses) -> None:
        self._chat = chat
        self._tokens = tokens
        self._kept = kept

    async def create(self, request: Request) -> ASGIApp:
        """Respond."""
        call = await self._complete(decode(await replies.body(request), new_id("resp_", 32), _now()))
        history = await self._history(call.previous) if call.previous else []
        events = self._chat.chat(call.asked(history))
        words = Words(call.echo, _now)
        if call.stream:
            said = self._said(call, words, events)
            return replies.stream(said, lambda piece: piece, complain=words.failed)
        return replies.json(await race(self._whole(call, words, events), request.receive))

    async def count(self, request: Request) -> Response:
        """Count the tokens that a response would be asked with."""
        call = await self._complete(decode(await replies.body(request), "", 0))
        asked = call.asked(await self._history(call.previous) if call.previous else [])
        return replies.json(wire.InputTokens(await race(self._tokens.count(asked), request.receive)))

    async def show(self, request: Request) -> Response:
        """Show a response that is kept."""
        found = await self._kept.load(request.path_params["id"])
        if request.query_params.get("stream", "").lower() in _YES:
            raise InvalidRequest(
                "stream: only a response made with background can be streamed again, and there are none here; "
                "leave stream out"
            )
        return Response(found.body, media_type=replies.JSON)

    async def input_items(self, request: Request) -> Response:
        """List what a kept response was asked, with all that it went on from."""
        kept = await self._kept.conversation(request.path_params["id"])
        items: list[dict[str, Any]] = []
        for one in kept:
            items += listing.named(one.id, _decode_items(one.items))
            if one is not kept[-1]:
                items += _decode_body(one.body).output
        return replies.json(listing.page(items, request.query_params))

    async def cancel(self, request: Request) -> Response:
        """Refuse to cancel a response, which nobody waits for once it is kept."""
        await self._kept.load(request.path_params["id"])
        raise InvalidRequest(
            "only a response made with background can be canceled; to cancel any other, close its connection"
        )

    async def delete(self, request: Request) -> Response:
        """Forget a response."""
        id_ = request.path_params["id"]
        await self._kept.delete(id_)
        return replies.json(wire.Deleted(id_))

    async def _history(self, previous: str) -> list[Any]:
        """The items of the response ``previous`` and of all it went on from."""
        try:
            kept = await self._kept.conversation(previous)
        except ResponseNotFound as error:
            raise InvalidRequest(f"Previous response with id '{error.id}' not found.") from error
        return [item for one in kept for item in (*_decode_items(one.items), *_decode_body(one.body).output)]

    async def _complete(self, call: Call) -> Call:
        """``call`` with the items themselves where it has only their ids."""
        return replace(call, items=[await self._item(value, at) for at, value in enumerate(call.items)])

    async def _item(self, value: Any, at: int) -> Any:
        id_ = references.referred(value)
        if id_ is None:
            return value
        if response := references.response_of(id_):
            with suppress(ResponseNotFound):
                kept = await self._kept.load(response)
                for item in _decode_body(kept.body).output:
                    if item["id"] == id_:
                        return item
        raise InvalidRequest(f"input[{at}]: Item with id '{id_}' not found.")

    async def _whole(self, call: Call, words: Words, events: AsyncGenerator[Event, None]) -> wire.Response:
        (answer,) = await choices.whole([events])
        words.whole(answer)
        await self._keep(call, words)
        return words.response

    async def _said(self, call: Call, words: Words, events: AsyncGenerator[Event, None]) -> AsyncGenerator[bytes, None]:
        async with aclosing(events):
            async for event in events:
                said = b"".join(words.events(event))
                if isinstance(event, Done):
                    await self._keep(call, words)
                    said += words.last()
                yield said

    async def _keep(self, call: Call, words: Words) -> None:
        """Keep the response if it is to be; it says itself whether it is."""
        response = words.response
        if not response.store:
            return
        try:
            response.store = await self._kept.save(
                StoredResponse(response.id, call.previous, _json(call.items), _json(response))
            )
        except StoreError as error:
            # Whoever asked still has the answer, which is what they came for.
            note(error)
            response.store = False


def _now() -> int:
    return int(time.time())
