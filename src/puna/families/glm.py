"""GLM-4.7, and GLM-OCR, which sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from puna.families import Chat, Parser, Reading, Renderer
from puna.template.tooljson import described
from puna.toolcalls import arguments
from puna.toolcalls.calls import CALL, CALLED, enclosed
from puna.toolcalls.jsontext import compact, spaced
from puna.toolcalls.tagged import THINK, THOUGHT, Start, TaggedParser
from puna.types import Message

_BEGIN = "[gMASK]<sop>"
_TOOLS = """\
<|system|>
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}</tools>

For each function call, output the function name and arguments within the following XML format:
<tool_call>{{function-name}}<arg_key>{{arg-key-1}}</arg_key><arg_value>{{arg-value-1}}</arg_value>\
<arg_key>{{arg-key-2}}</arg_key><arg_value>{{arg-value-2}}</arg_value>...</tool_call>"""
_NOTHINK = "/nothink"


def _render_47(chat: Chat) -> str:
    """GLM-4.7: what it thought in earlier turns stays in sight."""
    return _BEGIN + _tools(chat) + "".join(_turns_47(chat)) + _start_47(chat)


def _turns_47(chat: Chat) -> Iterator[str]:
    for index, message in enumerate(chat.messages):
        match message.role:
            case "user" | "system":
                yield f"<|{message.role}|>{message.content}"
            case "assistant" if not _says_nothing(chat, index):
                thought = f"{THINK}{message.thinking}" if message.thinking else ""
                yield f"<|assistant|>{thought}{THOUGHT}{message.content}{''.join(_calls(message))}"
            case "tool":
                observed = "" if _after_tool(chat, index) else "<|observation|>"
                yield f"{observed}<tool_response>{message.content}</tool_response>"


def _start_47(chat: Chat) -> str:
    if _continues(chat):
        return ""
    return "<|assistant|>" + (THOUGHT if chat.think is False else THINK)


def _render_ocr(chat: Chat) -> str:
    return _BEGIN + _tools(chat) + "".join(_turns_ocr(chat)) + _start_ocr(chat)


def _turns_ocr(chat: Chat) -> Iterator[str]:
    for index, message in enumerate(chat.messages):
        match message.role:
            case "system":
                yield f"<|system|>\n{message.content}\n"
            case "user":
                unthinking = chat.think is False and not message.content.endswith(_NOTHINK)
                yield f"<|user|>\n{chat.content(index)}{_NOTHINK if unthinking else ''}"
            case "assistant" if not _says_nothing(chat, index):
                yield f"<|assistant|>\n{THINK}{message.thinking.strip()}{THOUGHT}{_said_ocr(chat, index)}"
            case "tool":
                observed = "" if _after_tool(chat, index) else "<|observation|>"
                yield f"{observed}\n<tool_response>\n{chat.content(index)}\n</tool_response>\n"


def _said_ocr(chat: Chat, index: int) -> str:
    message = chat.messages[index]
    if _continues(chat) and _is_last(chat, index):
        return f"\n{message.content.lstrip()}"
    content = f"\n{message.content.strip()}" if message.content else ""
    return content + "".join(f"\n{call}" for call in _calls(message)) + "\n"


def _start_ocr(chat: Chat) -> str:
    if _continues(chat):
        return ""
    return "<|assistant|>\n" + (f"{THINK}{THOUGHT}\n" if chat.think is False else "")


def _tools(chat: Chat) -> str:
    tools = "".join(f"{spaced(described(tool))}\n" for tool in chat.tools)
    return _TOOLS.format(tools=tools) if tools else ""


def _calls(message: Message) -> Iterator[str]:
    return (f"{CALL}{call.name}{arguments.written(call.arguments, compact)}{CALLED}" for call in message.tool_calls)


def _after_tool(chat: Chat, index: int) -> bool:
    return index > 0 and chat.messages[index - 1].role == "tool"


def _continues(chat: Chat) -> bool:
    """Whether there is something to go on with."""
    return chat.begun is not None and bool(chat.begun.content or chat.begun.thinking)


def _says_nothing(chat: Chat, index: int) -> bool:
    """An empty answer at the end is one that is yet to begin."""
    message = chat.messages[index]
    return _is_last(chat, index) and not (message.content or message.thinking or message.tool_calls)


def _is_last(chat: Chat, index: int) -> bool:
    return index == len(chat.messages) - 1


def _parser(chat: Chat, start: Start) -> Parser:
    return TaggedParser({CALL: enclosed(arguments.ArgumentsSyntax(chat.tools))}, start=start)


def _parser_47(chat: Chat, prompt: str) -> Parser:
    reasons = chat.think is not False
    return _parser(chat, Start.after(prompt, chat.prefill, reasons=reasons, otherwise=Start.EITHER))


def _parser_ocr(chat: Chat, _prompt: str) -> Parser:
    return _parser(chat, Start.EITHER)


_TOKENS = (THINK, THOUGHT, *arguments.TOKENS)

RENDERERS: Mapping[str, Renderer] = {"glm-4.7": _render_47, "glm-ocr": _render_ocr}

PARSERS: Mapping[str, Reading] = {
    "glm-4.7": Reading(_parser_47, _TOKENS),
    "glm-ocr": Reading(_parser_ocr, _TOKENS),
}
