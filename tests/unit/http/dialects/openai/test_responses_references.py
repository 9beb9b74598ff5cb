"""Items that callers name by their ids."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import InvalidRequest
from puna.http.dialects.openai.responses.references import item_id, referred, response_of


def test_an_id_tells_which_response_made_the_item() -> None:
    """So that it is found however many responses are kept."""
    assert "msg_aB3_0" == item_id("msg_", "resp_aB3", 0)
    assert "resp_aB3" == response_of(item_id("fc_", "resp_aB3", 12))


@pytest.mark.parametrize("item", ["", "msg_", "msg_aB3", "msg_aB3_x", "msg_a/b_0", "msg_aB3_0\n"])
def test_an_id_of_elsewhere_is_nobodys(item: str) -> None:
    """It is looked up nowhere."""
    assert "" == response_of(item)


@pytest.mark.parametrize(
    ("value", "id_"),
    [
        ({"type": "item_reference", "id": "msg_1_0"}, "msg_1_0"),
        ({"id": "msg_1_0"}, "msg_1_0"),
        ({"type": "item_reference"}, ""),
        ({"id": "msg_1_0", "role": "assistant", "content": "x"}, None),
        ({"id": "msg_1_0", "type": "message"}, None),
        ({}, None),
        ("msg_1_0", None),
    ],
)
def test_what_is_a_reference(value: Any, id_: str | None) -> None:
    """Its type may be left out, as OpenAI has it; a message without one has a role."""
    assert id_ == referred(value)


def test_an_id_is_a_string() -> None:
    """Anything else is an error."""
    with pytest.raises(InvalidRequest):
        referred({"type": "item_reference", "id": 5})
