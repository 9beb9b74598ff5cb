"""Items that a caller names by their ids instead of sending them again; an id tells which response made the item."""

from __future__ import annotations

import re
from typing import Any

from puna.http.body import Fields

_ITEM = re.compile(r"[a-z]+_([A-Za-z0-9]+)_[0-9]+", re.ASCII)
_RESPONSE = "resp_"


def item_id(prefix: str, response: str, at: int) -> str:
    """The id of the item number ``at`` (from 0) of the output of ``response``."""
    return f"{prefix}{response.removeprefix(_RESPONSE)}_{at}"


def response_of(item: str) -> str:
    """The id of the response that made ``item``; "" if none can have."""
    found = _ITEM.fullmatch(item)
    return _RESPONSE + found[1] if found else ""


def referred(value: Any) -> str | None:
    """The id that ``value`` refers to; None if it is an item itself.

    Raises:
        InvalidRequest: the id is no string.
    """
    if not isinstance(value, dict):
        return None
    fields = Fields(value, "ItemReference")
    kind = fields.raw("type")
    if kind == "item_reference" or (kind is None and fields.raw("role") is None and fields.raw("id") is not None):
        return fields.text("id")
    return None
