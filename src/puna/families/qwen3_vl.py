"""Qwen3-VL: sees pictures; calls as JSON in ``<tool_call>``; the thinking models reason first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from puna.families import Chat, Parser, Reading, Renderer
from puna.template.tooljson import described
from puna.toolcalls import tagged
from puna.toolcalls.tagged import CALL, CALLED, THINK, THOUGHT, JsonSyntax, TaggedParser, reasons
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


def render(chat: Chat, *, thinking: bool) -> str:
    """The prompt; ``thinking`` is what the model does when the caller says nothing.

    Reasoning is told again only within the current turn: in answers after the last question.
    """
    return "".join(_parts(chat, thinking=thinking if chat.think is None else chat.think is not False))


def _parts(chat: Chat, *, thinking: bool) -> Iterator[str]:
    messages = chat.messages
    system = messages[0].content if messages and messages[0].role == "system" else None
    offer = [_offered(chat.tools)] if chat.tools else []
    if preamble := ([] if system is None else [system]) + offer:
        yield "<|im_start|>system\n" + "\n\n".join(preamble) + "<|im_end|>\n"
    question = _last_question(chat)
    roles = ["", *(message.role for message in messages), ""]
    for index, message in enumerate(messages):
        match message.role:
            case "system" if index == 0:
                pass
            case "assistant":
                yield f"<|im_start|>assistant\n{_answered(chat, index, reasoning=thinking and index > question)}"
                yield "" if message is chat.prefill else "<|im_end|>\n"
            case "tool":
                yield "" if roles[index] == "tool" else "<|im_start|>user"
                yield f"\n<tool_response>\n{_content(chat, index)}\n</tool_response>"
                yield "" if roles[index + 2] == "tool" else "<|im_end|>\n"
            case role:
                yield f"<|im_start|>{role}\n{_content(chat, index)}<|im_end|>\n"
    if not chat.prefill:
        yield "<|im_start|>assistant\n"
        yield f"{THINK}\n" if thinking else ""


def _offered(tools: tuple[Tool, ...]) -> str:
    return _OFFER.format(tools="".join(f"\n{json.dumps(described(tool), ensure_ascii=False)}" for tool in tools))


def _answered(chat: Chat, index: int, *, reasoning: bool) -> str:
    """What the assistant said; of a prefill without an answer the reasoning is left open."""
    message = chat.messages[index]
    content = _content(chat, index)
    calls = "\n".join(tagged.written(call) for call in message.tool_calls)
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


def _content(chat: Chat, index: int) -> str:
    """A message with the markers of its pictures in front."""
    content, markers = chat.messages[index].content, chat.image_markers(index)
    return f"{markers} {content}" if markers and content[:1].strip() else markers + content


def _instruct(chat: Chat, prompt: str) -> Parser:  # noqa: ARG001 -- the contract's signature
    return TaggedParser(JsonSyntax())


def _thinking(chat: Chat, prompt: str) -> Parser:
    # These models know no other way: told not to think, they are only not reminded to.
    return TaggedParser(JsonSyntax(), reasoning=reasons(None, chat.prefill, prompt))


RENDERERS: Final[Mapping[str, Renderer]] = {
    "qwen3-vl-instruct": partial(render, thinking=False),
    "qwen3-vl-thinking": partial(render, thinking=True),
}
PARSERS: Final[Mapping[str, Reading]] = {
    "qwen3-vl-instruct": Reading(_instruct, (CALL, CALLED)),
    "qwen3-vl-thinking": Reading(_thinking, (THINK, THOUGHT, CALL, CALLED)),
}
