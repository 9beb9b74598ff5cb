"""What a kept response was asked, as ``/v1/responses/{id}/input_items`` lists it, in pages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from puna.errors import InvalidRequest
from puna.http.dialects.openai.responses import wire

_LIMIT, _MOST = 20, 100

_PREFIXES = {"message": "msg_", "function_call": "fc_", "function_call_output": "fco_", "reasoning": "rs_"}


def named(response_id: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    """The items ``values`` that the response was asked with, each in its full form and with an id, always the same."""
    return [_named(response_id, at, value) for at, value in enumerate(values)]


def page(items: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> wire.Items:
    """The part of ``items``, which are in the order they were said, that ``query`` asks for: the newest first.

    Raises:
        InvalidRequest: a parameter is not what it must be.
    """
    limit, order, after = query.get("limit", str(_LIMIT)), query.get("order", "desc"), query.get("after", "")
    if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= _MOST):
        raise InvalidRequest(f"limit must be a number from 1 to {_MOST}")
    if order not in {"asc", "desc"}:
        raise InvalidRequest('order must be "asc" or "desc"')
    listed = list(items) if order == "asc" else list(reversed(items))
    if after:
        ids = [item["id"] for item in listed]
        if after not in ids:
            raise InvalidRequest(f'after: there is no item "{after}"')
        listed = listed[ids.index(after) + 1 :]
    shown = listed[: int(limit)]
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return wire.Items(shown, first, last, has_more=len(listed) > len(shown))


def _named(response_id: str, at: int, item: Mapping[str, Any]) -> dict[str, Any]:
    kind = item.get("type") or "message"
    digest = hashlib.sha256(f"{response_id} {at}".encode()).hexdigest()[:32]
    full = {"id": _PREFIXES.get(kind, "item_") + digest, "type": kind}
    if kind != "reasoning":
        full["status"] = "completed"
    full |= {key: value for key, value in item.items() if value is not None}
    if kind == "message" and isinstance(content := item.get("content"), str):
        said = item.get("role") == "assistant"
        part = {"type": "output_text", "text": content, "annotations": []}
        full["content"] = [part if said else {"type": "input_text", "text": content}]
    return full
