"""DeepSeek V3.1: the turns of its chat template, its tokens around tool calls, and reasoning when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from puna.families import Chat, Parser, Reading, Renderer
from puna.scanner import Scanner
from puna.template.tooljson import described
from puna.toolcalls.calls import CallReader
from puna.toolcalls.deepseek import CALL, CALL_END, CALLS, CALLS_END, READERS, SEPARATOR, TOKENS
from puna.toolcalls.jsontext import compact
from puna.toolcalls.tagged import THINK, THOUGHT, Start, TaggedParser, Tags
from puna.types import Message, Tool

_BEGIN = "<｜begin▁of▁sentence｜>"
_END = "<｜end▁of▁sentence｜>"
_USER = "<｜User｜>"
_ASSISTANT = "<｜Assistant｜>"
_OUTPUT = "<｜tool▁output▁begin｜>"
_OUTPUT_END = "<｜tool▁output▁end｜>"
_OUTPUT_TAGS = (_OUTPUT, _OUTPUT_END)

_TOOL_FORMAT = f"""
IMPORTANT: ALWAYS adhere to this exact format for tool use:
{CALLS}{CALL}tool_call_name{SEPARATOR}tool_call_arguments{CALL_END}{{{{additional_tool_calls}}}}{CALLS_END}

Where:

- `tool_call_name` must be an exact match to one of the available tools
- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
- For multiple tool calls, chain them directly without separators or spaces
"""


def _render(chat: Chat) -> str:
    """The prompt: all system messages first, then the turns. Reasoning of earlier turns is left out."""
    system = "\n\n".join(message.content for message in chat.messages if message.role == "system")
    return _BEGIN + system + "".join(_tools(chat.tools)) + "".join(_turns(chat))


def _unmarked(_scanner: Scanner, opening: str, _ends: Sequence[str]) -> Iterator[str]:
    """The white space before a tag of tools' results, which a model at times writes around what it quotes of them."""
    yield opening[: opening.rindex("<｜")]


_READERS: Mapping[str, CallReader] = {**READERS, **dict.fromkeys(_OUTPUT_TAGS, _unmarked)}


def _parser(chat: Chat, prompt: str) -> Parser:
    """A parser for the answer to ``prompt``. It reasons if the chat wants that, but not right after a tool's result."""
    reasons = bool(chat.think) and not prompt.rstrip().endswith(_OUTPUT_END)
    return TaggedParser(_READERS, Tags(trims_start=True), Start.after(prompt, chat.prefill, reasons=reasons))


def _tools(tools: Sequence[Tool]) -> Iterator[str]:
    if not tools:
        return
    yield "\n\n## Tools\nYou have access to the following tools:\n"
    for tool in tools:
        function = described(tool)["function"]
        yield f"\n### {function['name']}\nDescription: {function.get('description', '')}"
        yield f"\n\nParameters: {compact(function['parameters'])}\n"
    yield _TOOL_FORMAT


def _turns(chat: Chat) -> Iterator[str]:
    asked = False  # whether the last turn was the user's
    for message in chat.messages:
        match message.role:
            case "user":
                yield _USER + message.content
                asked = True
            case "assistant":
                if message is chat.begun:
                    yield _begun(message, asked=asked, reasons=bool(chat.think))
                else:
                    yield f"{_ASSISTANT}{THOUGHT}" if asked else ""
                    yield _answer(message) + _END
                asked = False
            case "tool":
                yield _OUTPUT + message.content + _OUTPUT_END
                asked = False
    if asked:
        yield _ASSISTANT + (THINK if chat.think else THOUGHT)


def _answer(message: Message) -> str:
    if message.tool_calls:
        calls = (
            f"{CALL}{call.name}{SEPARATOR}{compact(dict(call.arguments))}{CALL_END}" for call in message.tool_calls
        )
        return f"{message.content}{CALLS}{''.join(calls)}{CALLS_END}"
    if message.content.startswith(THINK) and THOUGHT in message.content:
        return message.content.partition(THOUGHT)[2]
    return message.content


def _begun(message: Message, *, asked: bool, reasons: bool) -> str:
    """The beginning of the answer, left open."""
    if not asked:
        return message.content
    if not reasons or (message.content and not message.thinking):
        return f"{_ASSISTANT}{THOUGHT}{message.content}"
    return f"{_ASSISTANT}{THINK}{message.thinking}" + (f"{THOUGHT}{message.content}" if message.content else "")


RENDERERS: Mapping[str, Renderer] = {"deepseek3.1": _render}
PARSERS: Mapping[str, Reading] = {"deepseek3": Reading(_parser, (*TOKENS, THINK, THOUGHT))}
