"""What a kept response was asked is listed in OpenAI's form, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import InvalidRequest
from puna.http.dialects.openai.responses.listing import named, page

SAID = [
    {"role": "user", "content": "Hi"},
    {"type": "message", "role": "assistant", "content": "Hello", "id": "msg_1"},
    {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "3"},
    {"type": "reasoning", "summary": [], "encrypted_content": None},
]


def ids(items: Any) -> list[str]:
    return [item["id"] for item in items]


def test_every_item_is_whole_and_has_an_id_that_stays() -> None:
    """Texts are parts; an id that an item came with is its id."""
    items = named("resp_1", SAID)
    user, assistant, call, output, reasoning = items
    assert [{"type": "input_text", "text": "Hi"}] == user["content"]
    assert ("message", "user", "completed") == (user["type"], user["role"], user["status"])
    assert [{"type": "output_text", "text": "Hello", "annotations": []}] == assistant["content"]
    assert ("msg_1", "fc", "fco", "rs") == (
        assistant["id"],
        *(item["id"].partition("_")[0] for item in (call, output, reasoning)),
    )
    assert {"id", "type", "summary"} == reasoning.keys()
    assert ids(items) == ids(named("resp_1", SAID))
    assert len({*ids(items), *ids(named("resp_2", SAID))}) == 9


def test_pages_come_newest_first_and_go_on_after_one() -> None:
    """Whoever follows ``last_id`` while ``has_more`` sees each item once."""
    items = named("resp_1", SAID)
    first = page(items, {"limit": "3"})
    rest = page(items, {"limit": "3", "after": first.last_id or ""})
    assert ids(reversed(items)) == [*ids(first.data), *ids(rest.data)]
    assert (True, False) == (first.has_more, rest.has_more)
    assert (items[4]["id"], items[2]["id"]) == (first.first_id, first.last_id)
    assert ids(items) == ids(page(items, {"order": "asc"}).data)
    assert (None, None) == (page([], {}).first_id, page([], {}).last_id)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "msg_9"}, "after: there is no item"),
    ],
)
def test_a_page_that_cannot_be_is_refused(query: dict[str, str], text: str) -> None:
    """The error names the parameter."""
    with pytest.raises(InvalidRequest, match=text):
        page(named("resp_1", SAID), query)
