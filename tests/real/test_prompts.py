"""What callers may do to a prompt, with a real model."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

pytestmark = pytest.mark.real


def _answer(server: Any, **fields: Any) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=120)
    path = "/api/chat" if "messages" in fields else "/api/generate"
    options = {"num_predict": 1, "temperature": 0, **fields.pop("options", {})}
    connection.request("POST", path, json.dumps({"model": "smollm2", "stream": False, "options": options, **fields}))
    reply = connection.getresponse()
    status, body = reply.status, json.loads(reply.read())
    connection.close()
    return status, body


def test_repetition_can_be_looked_for_in_the_whole_context(server: Any) -> None:
    """By -1, as everywhere."""
    status, answer = _answer(server, prompt="Hi", options={"repeat_last_n": -1})
    assert (200, 1) == (status, answer["eval_count"])


def test_a_context_of_another_model_is_refused(server: Any) -> None:
    """It may have tokens that this one does not have."""
    status, answer = _answer(server, prompt="Hi", context=[1, 49152])
    assert (400, {"error": "the model has no token 49152: its tokens are numbered from 0 to 49151"}) == (status, answer)


def test_a_template_of_the_callers_fills_in_as_well(server: Any) -> None:
    """It takes the place of the model's, also where text is written between two others."""
    body = {"model": "infill", "from": "smollm2", "template": "{{ .Prompt }}{{ .Suffix }}", "stream": False}
    assert {"status": "success"} == server.call("POST", "/api/create", body)
    asked = {"model": "infill", "prompt": "a", "suffix": "b", "template": "<{{ .Suffix }}|{{ .Prompt }}>"}
    status, answer = _answer(server, _debug_render_only=True, **asked)
    server.call("DELETE", "/api/delete", {"model": "infill"})
    assert (200, {"rendered_template": "<b|a>"}) == (status, answer["_debug_info"])


def test_a_model_that_makes_images_is_not_asked_for_text(server: Any) -> None:
    """As far as its config tells."""
    body = {"model": "painter", "from": "smollm2", "info": {"capabilities": ["image"]}, "stream": False}
    assert {"status": "success"} == server.call("POST", "/api/create", body)
    refused = _answer(server, model="painter", prompt="a cat")
    server.call("DELETE", "/api/delete", {"model": "painter"})
    assert (400, {"error": "image generation models are not currently supported"}) == refused


def test_an_answer_to_a_raw_prompt_is_what_the_model_writes(server: Any) -> None:
    """Also of a model whose answers are taken for reasoning at first, since that is what its renderer asks for."""
    body = {"model": "thinker", "from": "smollm2", "renderer": "deepseek3.1", "parser": "deepseek3", "stream": False}
    assert {"status": "success"} == server.call("POST", "/api/create", body)
    _, rendered = _answer(server, model="thinker", prompt="1, 2, 3,")
    _, raw = _answer(server, model="thinker", prompt="1, 2, 3,", raw=True)
    server.call("DELETE", "/api/delete", {"model": "thinker"})
    assert ("", True) == (rendered["response"], "thinking" in rendered)
    assert (True, False) == (bool(raw["response"]), "thinking" in raw)
