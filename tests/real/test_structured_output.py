"""What SmolLM2 writes at temperature 1 follows the schema it was given, whatever the schema uses."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest

from support.json_schema_cases import CASES

pytestmark = pytest.mark.real

TIMES = 1
SENTENCES = "Make something up.", "Answer in JSON.", "What is the weather in Paris, and what will it be?"


# What RFC 3339 writes. Python's own dates, which the checker uses, begin with the year 1 and know no leap seconds.
_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)([.][0-9]+)?(Z|z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
FORMATS = jsonschema.FormatChecker(())
FORMATS.checkers = dict(jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers)
for _name, _grammar in {"date": _DATE, "time": _TIME, "date-time": f"{_DATE}[Tt]{_TIME}"}.items():
    FORMATS.checks(_name)(lambda text, grammar=_grammar: re.fullmatch(grammar, text) is not None)


def body(schema: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "model": "smollm2",
        "messages": [{"role": "user", "content": SENTENCES[number % len(SENTENCES)]}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "it", "strict": True, "schema": schema}},
        "temperature": 1,
        "seed": number + 1,
        "max_tokens": 120,
    }


def test_every_keyword_holds(server: Any) -> None:
    """Each answer that was not cut short is what its schema allows, and few are cut short."""
    asked = [(name, number) for name in CASES for number in range(TIMES)]

    def answer(name: str, number: int) -> tuple[str, str]:
        choice = server.call("POST", "/v1/chat/completions", body(CASES[name], number))["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: answer(*one), asked))
    finished: set[str] = set()
    for (name, _), (text, reason) in zip(asked, answers, strict=True):
        if reason == "length":
            continue
        jsonschema.validate(json.loads(text), CASES[name], format_checker=FORMATS)
        finished.add(name)
    assert len(finished) > len(CASES) * 0.8, sorted(set(CASES) - finished)


def test_a_required_call_follows_its_parameters(server: Any) -> None:
    """A model that never calls a tool by itself calls the one that it has to, with the arguments it takes."""
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "maximum": 9}},
        "required": ["city", "days"],
    }
    tool = {"type": "function", "function": {"name": "forecast", "parameters": parameters}}
    template = "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}{{ .Tools }}assistant:"
    server.call("POST", "/api/create", {"model": "caller", "from": "smollm2", "template": template, "stream": False})
    try:
        for seed in range(3):
            wanted = {**body({}, seed), "model": "caller", "tools": [tool], "tool_choice": "required"}
            choice = server.call("POST", "/v1/chat/completions", wanted)["choices"][0]
            (call,) = choice["message"]["tool_calls"]
            assert ("forecast", "tool_calls") == (call["function"]["name"], choice["finish_reason"])
            jsonschema.validate(json.loads(call["function"]["arguments"]), parameters)
    finally:
        server.call("DELETE", "/api/delete", {"model": "caller"})
