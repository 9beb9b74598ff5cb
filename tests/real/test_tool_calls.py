"""Tools with a model's own template: SmolLM2 with one that has them, and enough examples before it to call them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from puna.engine import LoadSpec, Sampling, Stopped
from puna.engine.llamacpp import LlamaCpp, LlamaCppModel
from puna.events import Piece
from puna.families import Chat
from puna.families.native import conversation
from puna.options import Options
from puna.types import Conversation, Message, Tool, ToolCall

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).parent.parent / "support" / "with_template.py"
TEMPLATE = """\
{%- if tools -%}
    {{- '<|im_start|>system\\nYou may call one or more functions. Their signatures are:' }}
    {%- for tool in tools -%}
        {{- '\\n' + tool | tojson }}
    {%- endfor -%}
    {{- '\\nFor each call, return a JSON object within <tool_call></tool_call> tags:\\n<tool_call>\\n' }}
    {{- '{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call><|im_end|>\\n' }}
{%- endif -%}
{%- for message in messages -%}
    {%- if message.role == 'tool' -%}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- else -%}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content -%}
            {{- '\\n' + message.content }}
        {%- endif -%}
        {%- for call in message.tool_calls or [] -%}
            {{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor -%}
        {{- '<|im_end|>\\n' }}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' }}
{%- endif -%}"""
PARAMETERS = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
WEATHER = Tool("get_weather", {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}})
CALLED = [{"city": "Paris"}, {"city": "Vienna"}]


def example(city: str) -> tuple[Message, ...]:
    calls = ToolCall("get_weather", {"city": city}), ToolCall("get_weather", {"city": "Vienna"})
    return (
        Message("user", f"What is the weather in {city} and in Vienna?"),
        Message("assistant", tool_calls=calls),
        *(Message("tool", "12 degrees", tool_name="get_weather") for _ in calls),
        Message("assistant", "12 degrees in both."),
    )


MESSAGES = (*example("Berlin"), *example("Rome"), *example("Madrid"), *example("Oslo"), example("Paris")[0])
TALK = conversation(Chat(MESSAGES, (WEATHER,)))


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Callable[[Any], None]:
    """Play a scene with the model."""
    path = tmp_path_factory.mktemp("tools") / "smollm2.gguf"
    subprocess.run([sys.executable, SCRIPT, smollm2, path], input=TEMPLATE, text=True, check=True)

    def play(scene: Callable[[LlamaCppModel], Coroutine[Any, Any, None]]) -> None:
        async def run() -> None:
            engine = LlamaCpp()
            try:
                await scene(await engine.load(LoadSpec(path, num_ctx=2048, parallel=1, threads=2)))
            finally:
                await engine.close()

        asyncio.run(asyncio.wait_for(run(), 120))

    return play


async def answer(
    model: LlamaCppModel, max_tokens: int, talk: Conversation = TALK, **said: Any
) -> tuple[list[Piece], Stopped]:
    options = Options(temperature=0.0, seed=1, stop=said.pop("stop", ()))
    sampling = Sampling(options, max_tokens=max_tokens, num_ctx=2048, **said)
    items = [item async for item in model.generate(talk, sampling)]
    assert isinstance(items[-1], Stopped)
    return [item for item in items if isinstance(item, Piece)], items[-1]


def test_a_model_calls_its_tools_and_each_call_comes_as_soon_as_it_is_whole(play: Any) -> None:
    """Both calls, with ids of their own, and neither waits for the end of the answer."""

    async def scene(model: LlamaCppModel) -> None:
        pieces, stopped = await answer(model, 100)
        calls = [piece.call for piece in pieces if piece.call]
        assert CALLED == [call.arguments for call in calls]
        assert 2 == len({call.id for call in calls} - {""})
        assert "stop" == stopped.reason
        # As many tokens as the first call has; the second is not begun.
        first, _ = await answer(model, 24)
        assert [CALLED[0]] == [piece.call.arguments for piece in first if piece.call]

    play(scene)


def test_a_call_that_is_cut_is_not_lost(play: Any) -> None:
    """By a limit or by a stop string: what had been said of it is text."""

    async def scene(model: LlamaCppModel) -> None:
        begun = '{"name": "get_weather", "arguments": {"city": "'
        pieces, stopped = await answer(model, 18)
        assert ("length", True) == (stopped.reason, begun.startswith("".join(piece.text for piece in pieces)))
        assert pieces
        pieces, stopped = await answer(model, 60, stop=("Paris",))
        assert ("stop", begun) == (stopped.reason, "".join(piece.text for piece in pieces))
        assert not [piece.call for piece in pieces if piece.call]

    play(scene)


def test_log_probabilities_and_formats_go_with_tools(play: Any) -> None:
    """The engine is asked for them in the way that it does not refuse."""

    async def scene(model: LlamaCppModel) -> None:
        pieces, _ = await answer(model, 40, top_logprobs=0)
        assert any(piece.logprobs for piece in pieces)
        assert any(piece.call for piece in pieces)
        pieces, _ = await answer(model, 20, format="json")
        assert "".join(piece.text for piece in pieces).startswith("{")

    play(scene)


def test_an_answer_that_was_begun_is_gone_on_with(play: Any) -> None:
    """The engine continues the caller's words and does not repeat them."""

    async def scene(model: LlamaCppModel) -> None:
        begun = Message("assistant", "The weather in"), Message("assistant", "Paris is")
        talk = conversation(Chat((*MESSAGES, *begun), (WEATHER,)))
        assert (await model.render(talk)).endswith("<|im_start|>assistant\nThe weather in\n\nParis is")
        pieces, _ = await answer(model, 8, talk)
        text = "".join(piece.text for piece in pieces)
        assert text
        assert not text.startswith("The weather")

    play(scene)
