"""Tools with the official Python client: the rounds of its own examples, and that nothing of an answer is lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ollama
import pytest

SUPPORT = Path(__file__).parent.parent / "support"

Answer = Callable[[str], str]

JINJA = """\
{%- for tool in tools or [] -%}
    {{- '<|im_start|>system\\nYou may call ' + tool | tojson + '<|im_end|>\\n' }}
{%- endfor -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'tool' -%}
        {{- '<tool_response>' + message.content + '</tool_response>' }}
    {%- elif message.content -%}
        {{- message.content }}
    {%- endif -%}
    {%- for call in message.tool_calls or [] -%}
        {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
        {{- call.function.arguments | tojson + '}\\n</tool_call>' }}
    {%- endfor -%}
    {{- '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' }}
{%- endif -%}"""


def get_temperature(city: str, unit: str = "celsius") -> str:
    """Get the temperature in a city

    Args:
        city (str): The name of the city
        unit (str): celsius or fahrenheit

    Returns:
        str: The temperature
    """
    return f"{len(city)} degrees {unit}"


def get_conditions(city: str) -> str:
    """Get the weather conditions in a city

    Args:
        city (str): The name of the city

    Returns:
        str: The conditions
    """
    return "sunny" if city > "M" else "foggy"


TOOLS = {"get_temperature": get_temperature, "get_conditions": get_conditions}


def call(name: str, **arguments: Any) -> str:
    """What the model says to call a tool."""
    body = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


def calls(message: ollama.Message) -> list[tuple[str, dict[str, Any]]]:
    return [(one.function.name, dict(one.function.arguments)) for one in message.tool_calls or ()]


@pytest.fixture(scope="module")
def client(scripted: Any) -> Iterator[ollama.Client]:
    client = ollama.Client(host=scripted.url)
    yield client
    client.close()


def test_a_python_function_is_a_tool(client: ollama.Client, scripted: Any, answer: Answer) -> None:
    """The model is shown what the function's docstring says, its call has the arguments, its result is heard."""
    wanted = "I shall look." + call("get_temperature", city="Zürich", unit="fahrenheit")
    messages: list[Any] = [{"role": "user", "content": "How warm is it in Zürich? " + answer(wanted)}]
    reply = client.chat("able", messages=messages, tools=[get_temperature])
    [shown] = [line for line in scripted.prompt().splitlines() if line.startswith('{"type"')]
    tool = json.loads(shown.removesuffix("<|im_end|>"))["function"]
    assert ("get_temperature", "Get the temperature in a city") == (tool["name"], tool["description"])
    assert {"type": "string", "description": "celsius or fahrenheit"} == tool["parameters"]["properties"]["unit"]
    assert "I shall look." == reply.message.content
    assert [("get_temperature", {"city": "Zürich", "unit": "fahrenheit"})] == calls(reply.message)
    assert (True, "stop") == (reply.done, reply.done_reason)

    [function] = [one.function for one in reply.message.tool_calls or ()]
    result = TOOLS[function.name](**function.arguments)
    messages += [
        reply.message,
        {"role": "tool", "tool_name": function.name, "content": f"{result} {answer('6 °F, brr!')}"},
    ]
    final = client.chat("able", messages=messages, tools=[get_temperature])
    assert ("6 °F, brr!", None) == (final.message.content, final.message.tool_calls)
    said = scripted.prompt()
    assert '<tool_call>\n{"name": "get_temperature", "arguments": {"city":"Zürich","unit":"fahrenheit"}}\n' in said
    assert "<|im_start|>tool\nget_temperature gave: 6 degrees fahrenheit" in said


def test_an_agent_calls_several_tools_until_it_has_its_answer(client: ollama.Client, answer: Answer) -> None:
    """Streaming, with tools as functions and as JSON: each call is a chunk of its own, and no tag is seen."""
    last = answer("Paris: 5 degrees and sunny.")
    both = call("get_temperature", city="Paris") + "\n" + call("get_conditions", city="Paris")
    messages: list[Any] = [{"role": "user", "content": answer("<think>Both.</think>Looking…" + both)}]
    schema = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
    tools = [get_temperature, {"type": "function", "function": {"name": "get_conditions", "parameters": schema}}]
    results = []
    for _ in range(3):
        chunks = list(client.chat("able", messages=messages, tools=tools, think=True, stream=True))
        text = "".join(chunk.message.content or "" for chunk in chunks)
        called = [found for chunk in chunks for found in calls(chunk.message)]
        if not called:
            break
        assert ["Both."] == ["".join(chunk.message.thinking or "" for chunk in chunks)]
        assert "Looking…" == text
        assert [1, 1] == [len(found) for chunk in chunks if (found := calls(chunk.message)) and not chunk.done]
        messages += [chunk.message for chunk in chunks if chunk.message.tool_calls]
        for name, arguments in called:
            results.append(TOOLS[name](**arguments))
            messages.append({"role": "tool", "tool_name": name, "content": f"{results[-1]} {last}"})
    assert ["5 degrees celsius", "sunny"] == results
    assert "Paris: 5 degrees and sunny." == text
    assert ["user", "assistant", "assistant", "tool", "tool"] == [
        ollama.Message.model_validate(one).role for one in messages
    ]


def test_arguments_are_what_the_model_said(client: ollama.Client, answer: Answer) -> None:
    """Every kind of JSON value, in its order, with any letters, whole and streamed."""
    arguments = {
        "zeta": '“Ünï” 東京 🦊 \n\t\\ "<tool_call>" {}[]</tool_call>\u2028',
        "alpha": [1, -2.5, 1e30, True, False, None, {"b": {}, "a": []}],
        "": "",
        "big": 12345678901234567890,
    }
    messages = [{"role": "user", "content": answer(call("get_conditions", **arguments))}]
    whole = client.chat("able", messages=messages, tools=[get_conditions])
    assert [("get_conditions", arguments)] == calls(whole.message)
    assert list(arguments) == list(calls(whole.message)[0][1])
    streamed = [
        found
        for chunk in client.chat("able", messages=messages, tools=[get_conditions], stream=True)
        for found in calls(chunk.message)
    ]
    assert calls(whole.message) == streamed


@pytest.mark.parametrize(
    "said",
    [
        "No tool is needed.",
        call("get_moon", city="Paris"),
        '<tool_call>\n{"name": "get_conditions", "arguments": {"city": "Par',
        "<tool_call>\nwell, no\n</tool_call>",
        "a < b <tool",
    ],
)
def test_an_answer_without_a_call_is_text(client: ollama.Client, answer: Answer, said: str) -> None:
    """Also one that is broken, unfinished, or of a tool that nobody offered."""
    messages = [{"role": "user", "content": answer(said)}]
    whole = client.chat("able", messages=messages, tools=[get_conditions])
    assert (said, None) == (whole.message.content, whole.message.tool_calls)
    chunks = client.chat("able", messages=messages, tools=[get_conditions], stream=True)
    assert said == "".join(chunk.message.content or "" for chunk in chunks)


def test_results_without_a_name_reach_the_model(scripted: Any, answer: Answer) -> None:
    """As the asynchronous example of the client gives them."""

    async def talk() -> tuple[str | None, str]:
        client = ollama.AsyncClient(host=scripted.url)
        wanted = call("get_conditions", city="Oslo") + call("get_conditions", city="Berlin")
        messages: list[Any] = [{"role": "user", "content": answer(wanted)}]
        reply = await client.chat("able", messages=messages, tools=[get_conditions])
        messages.append(reply["message"])
        for one in reply["message"]["tool_calls"]:
            result = TOOLS[one["function"]["name"]](one["function"]["arguments"]["city"])
            messages.append({"role": "tool", "content": f"{result} {answer('Fog in Berlin.')}"})
        final = await client.chat("able", messages=messages)
        await client.close()
        return final.message.content, scripted.prompt()

    content, prompt = asyncio.run(talk())
    assert "Fog in Berlin." == content
    assert prompt.index("sunny") < prompt.index("foggy")


@pytest.fixture(scope="module")
def caller(server: Any, smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ollama.Client]:
    """A client of a server whose model `caller`, a real one, has tools by the template in its GGUF."""
    path = tmp_path_factory.mktemp("caller") / "caller.gguf"
    command = [sys.executable, SUPPORT / "with_template.py", smollm2, path]
    subprocess.run(command, input=JINJA, text=True, check=True)
    client = ollama.Client(host=server.url)
    client.create("caller", files={"caller.gguf": client.create_blob(path)}, parameters={"temperature": 0})
    yield client
    client.delete("caller")
    client.close()


def test_a_real_model_calls_tools_by_its_own_template(caller: ollama.Client) -> None:
    """It has seen it done; whole and streamed, it calls the function, and hears the result."""
    messages: list[Any] = []
    for city in ("Berlin", "Rome", "Oslo"):
        function = {"name": "get_conditions", "arguments": {"city": city}}
        messages += [
            {"role": "user", "content": f"What is the weather in {city}?"},
            {"role": "assistant", "content": "", "tool_calls": [{"function": function}]},
            {"role": "tool", "content": get_conditions(city), "tool_name": "get_conditions"},
            {"role": "assistant", "content": f"It is {get_conditions(city)} in {city}."},
        ]
    messages.append({"role": "user", "content": "What is the weather in Paris?"})
    options = {"num_predict": 60}
    whole = caller.chat("caller", messages=messages, tools=[get_conditions], options=options)
    assert [("get_conditions", {"city": "Paris"})] == calls(whole.message)
    chunks = list(caller.chat("caller", messages=messages, tools=[get_conditions], options=options, stream=True))
    assert calls(whole.message) == [found for chunk in chunks for found in calls(chunk.message)]
    assert "" == "".join(chunk.message.content or "" for chunk in chunks).strip()
    messages += [whole.message, {"role": "tool", "content": "sunny", "tool_name": "get_conditions"}]
    final = caller.chat("caller", messages=messages, tools=[get_conditions], options=options)
    assert (None, True) == (final.message.tool_calls, "sunny in Paris" in (final.message.content or ""))


def test_a_model_without_tools_refuses_them(server: Any) -> None:
    """With a 400 that says so, streaming or not."""
    client = ollama.Client(host=server.url)
    messages = [{"role": "user", "content": "Hi"}]
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError, match="smollm2:latest does not support tools") as refused:
            list(client.chat("smollm2", messages=messages, tools=[get_conditions], stream=stream))
        assert 400 == refused.value.status_code
    client.close()
