"""GLM-4.7, and GLM-OCR, which sees."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Final

from puna.events import Text, Thinking, ToolCalled
from puna.families import Chat, Found, Reading, Renderer
from puna.scanner import Scanner
from puna.template.tooljson import described
from puna.toolcalls import arguments
from puna.toolcalls.arguments import CALL, CALLED, CallReader
from puna.toolcalls.tagged import THINK, THOUGHT, reasons
from puna.types import Message, Tool, ToolCall

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
_MARKER = re.compile(r"\[img-\d+\]")


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
                yield f"<|user|>\n{_seen(chat, index)}{_NOTHINK if unthinking else ''}"
            case "assistant" if not _says_nothing(chat, index):
                yield f"<|assistant|>\n{THINK}{message.thinking.strip()}{THOUGHT}{_said_ocr(chat, index)}"
            case "tool":
                observed = "" if _after_tool(chat, index) else "<|observation|>"
                yield f"{observed}\n<tool_response>\n{_seen(chat, index)}\n</tool_response>\n"


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
    return _TOOLS.format(tools="".join(map(_tool, chat.tools))) if chat.tools else ""


def _tool(tool: Tool) -> str:
    return json.dumps(described(tool), ensure_ascii=False) + "\n"


def _calls(message: Message) -> Iterator[str]:
    return (f"{CALL}{call.name}{arguments.written(call.arguments)}{CALLED}" for call in message.tool_calls)


def _after_tool(chat: Chat, index: int) -> bool:
    return index > 0 and chat.messages[index - 1].role == "tool"


def _seen(chat: Chat, index: int) -> str:
    """The content of a message with its images where the caller put ``[img]``, else in front."""
    content, markers = chat.messages[index].content, _MARKER.findall(chat.image_markers(index))
    if "[img-" in content:
        return content
    for _ in range(min(content.count("[img]"), len(markers))):
        content = content.replace("[img]", markers.pop(0), 1)
    space = " " if markers and content and not content[0].isspace() else ""
    return "".join(markers) + space + content


def _continues(chat: Chat) -> bool:
    """Whether the caller began the answer. Calls are no beginning: after them a new turn starts."""
    begun = chat.prefill
    return begun is not None and bool(begun.content or begun.thinking) and not begun.tool_calls


def _says_nothing(chat: Chat, index: int) -> bool:
    """An empty answer at the end is one that is yet to begin."""
    message = chat.messages[index]
    return _is_last(chat, index) and not (message.content or message.thinking or message.tool_calls)


def _is_last(chat: Chat, index: int) -> bool:
    return index == len(chat.messages) - 1


class _State(Enum):
    REASONING_BEGINS = auto()
    """In reasoning that the prompt has opened; some models open it once more."""
    BEGINNING = auto()
    """Where reasoning may be opened."""
    REASONING = auto()
    ANSWER = auto()
    CALL = auto()


class _Parser:
    """Reasoning until ``</think>``, then the answer with calls in it."""

    def __init__(self, chat: Chat, *, reasoning: bool) -> None:
        self._tools = chat.tools
        self._scanner = Scanner()
        self._state = _State.REASONING_BEGINS if reasoning else _State.BEGINNING
        self._in_gap = False
        """Whether white space that follows is dropped."""
        self._call = CallReader("", CALLED, self._spelled)

    def feed(self, text: str) -> Iterator[Found]:
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[Found]:
        while self._state is _State.CALL:
            yield from self._read(self._call.close(self._scanner))
            yield from self.feed("")
        rest = self._scanner.rest()
        if self._in_gap:
            rest = rest.lstrip()
        if rest:
            reasoning = self._state in {_State.REASONING_BEGINS, _State.REASONING}
            yield Thinking(rest) if reasoning else Text(rest)

    def _step(self) -> Generator[Found, None, bool]:
        """Read on; whether there may be more to read without more text."""
        if self._in_gap:
            self._in_gap = not self._scanner.skip_space()
            return not self._in_gap
        match self._state:
            case _State.REASONING_BEGINS | _State.BEGINNING:
                return self._begin()
            case _State.REASONING:
                text, tag = self._scanner.take(THOUGHT, trim=True)
                if text:
                    yield Thinking(text)
                if tag:
                    self._enter(_State.ANSWER)
                return bool(tag)
            case _State.ANSWER:
                arrived = self._scanner.pending
                text, tag = self._scanner.take(CALL, trim=True)
                if text:
                    yield Text(text)
                if tag:
                    opening = arrived[len(text) : len(arrived) - len(self._scanner.pending)]
                    self._call = CallReader(opening, CALLED, self._spelled)
                    self._state = _State.CALL
                return bool(tag)
            case _State.CALL:
                calls = self._call.read(self._scanner)
                if calls is None:
                    return False
                yield from self._read(calls)
                return True

    def _begin(self) -> bool:
        match self._scanner.take_prefix(THINK):
            case None:
                return False
            case "":
                self._state = _State.ANSWER if self._state is _State.BEGINNING else _State.REASONING
            case _:
                self._enter(_State.REASONING)
        return True

    def _enter(self, state: _State) -> None:
        self._state, self._in_gap = state, True

    def _read(self, calls: Sequence[ToolCall]) -> Iterator[Found]:
        if calls:
            yield from map(ToolCalled, calls)
            self._enter(_State.ANSWER)
        else:
            yield Text(self._call.opening)
            self._state = _State.ANSWER

    def _spelled(self, text: str) -> Sequence[ToolCall]:
        return arguments.read(text, self._tools)


_TOKENS: Final = (THINK, THOUGHT, *arguments.TOKENS)

RENDERERS: Final[Mapping[str, Renderer]] = {"glm-4.7": _render_47, "glm-ocr": _render_ocr}

PARSERS: Final[Mapping[str, Reading]] = {
    "glm-4.7": Reading(
        lambda chat, prompt: _Parser(chat, reasoning=reasons(chat.think, chat.prefill, prompt)), tokens=_TOKENS
    ),
    "glm-ocr": Reading(lambda chat, _prompt: _Parser(chat, reasoning=False), tokens=_TOKENS),
}
