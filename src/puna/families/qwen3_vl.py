"""Qwen3-VL: sees pictures; calls as JSON in ``<tool_call>``; the thinking models reason first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from puna.families import Chat, Parser, Reading, Renderer
from puna.template import chatml
from puna.template.tooljson import described
from puna.toolcalls import hermes
from puna.toolcalls.calls import CALL, CALLED
from puna.toolcalls.jsontext import spaced
from puna.toolcalls.tagged import THINK, THOUGHT, Start, TaggedParser, Tags
from puna.types import Tool

_OFFER = """\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>{tools}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""

_TAGS = Tags(in_reasoning=(CALL,), drops_space_after_calls=True)


def _render(chat: Chat, *, thinking: bool) -> str:
    """The prompt; ``thinking`` is what the model does when the caller says nothing.

    Reasoning is told again only within the current turn: in answers after the last question.
    """
    thinking = thinking if chat.think is None else chat.think is not False
    turns = [*_preamble(chat), *chatml.with_results(_messages(chat, thinking=thinking))]
    return chatml.prompt(turns, goes_on=chat.prefill is not None, answer=f"{THINK}\n" if thinking else "")


def _preamble(chat: Chat) -> Iterator[str]:
    paragraphs = [message.content for message in chat.messages[:1] if message.role == "system"]
    if chat.tools:
        paragraphs.append(_offered(chat.tools))
    if paragraphs:
        yield chatml.turn("system", "\n\n".join(paragraphs))


def _messages(chat: Chat, *, thinking: bool) -> Iterator[tuple[str, str]]:
    question = _last_question(chat)
    for index, message in enumerate(chat.messages):
        if message.role == "assistant":
            yield message.role, _answered(chat, index, reasoning=thinking and index > question)
        elif message.role != "system" or index:
            yield message.role, chat.content(index)


def _offered(tools: tuple[Tool, ...]) -> str:
    return _OFFER.format(tools="".join(f"\n{spaced(described(tool))}" for tool in tools))


def _answered(chat: Chat, index: int, *, reasoning: bool) -> str:
    """What the assistant said; of a prefill without an answer the reasoning is left open."""
    message = chat.messages[index]
    content = chat.content(index)
    calls = "\n".join(hermes.written(call) for call in message.tool_calls)
    said = content + ("\n" if content and calls else "") + calls
    if reasoning and (message.thinking or message is chat.prefill):
        thought = message.thinking.strip("\n")
        return f"{THINK}\n{thought}" + (f"\n{THOUGHT}\n\n" + said.lstrip("\n") if said else "")
    return said


def _last_question(chat: Chat) -> int:
    """The last message of the user that is no result of a tool written out by the caller."""
    questions = (
        index
        for index, message in enumerate(chat.messages)
        if message.role == "user"
        and not (message.content.startswith("<tool_response>") and message.content.endswith("</tool_response>"))
    )
    return max(questions, default=len(chat.messages) - 1)


def _instruct(_chat: Chat, _prompt: str) -> Parser:
    return TaggedParser({CALL: hermes.READER}, _TAGS)


def _thinking(chat: Chat, prompt: str) -> Parser:
    # These models know no other way: told not to think, they are only not reminded to.
    return TaggedParser({CALL: hermes.READER}, _TAGS, Start.after(prompt, chat.prefill, reasons=True))


RENDERERS: Mapping[str, Renderer] = {
    "qwen3-vl-instruct": partial(_render, thinking=False),
    "qwen3-vl-thinking": partial(_render, thinking=True),
}
PARSERS: Mapping[str, Reading] = {
    "qwen3-vl-instruct": Reading(_instruct, (CALL, CALLED)),
    "qwen3-vl-thinking": Reading(_thinking, (THINK, THOUGHT, CALL, CALLED)),
}
