"""Laguna by Poolside, and ``poolside-v1``, the same model with tighter prompts."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from typing import Final

from puna.events import Text, Thinking, ToolCalled
from puna.families import Chat, Found, Reading, Renderer
from puna.scanner import Scanner
from puna.template.tooljson import described
from puna.toolcalls import arguments
from puna.toolcalls.arguments import CALL, CALLED, CallReader
from puna.toolcalls.tagged import THINK, THOUGHT, reasons
from puna.types import Message, Tool, ToolCall

_BEGIN = "〈|EOS|〉"
_SYSTEM = (
    "You are a helpful, conversationally-fluent assistant made by Poolside. "
    "You are here to be helpful to users through natural language conversations."
)
_TOOLS = """\
### Tools

You may call functions to assist with the user query.
All available function signatures are listed below:
<available_tools>
{tools}</available_tools>"""
_OBJECT_WAY = (
    "return an unescaped XML-like object with function name and arguments "
    "within '<tool_call>' and '</tool_call>' tags, like here:\n"
)
_EXAMPLE = """\
<tool_call>function-name
<arg_key>argument-key</arg_key>
<arg_value>value-of-argument-key</arg_value>
</tool_call>"""
_WAYS = {
    False: f"For each function call, {_OBJECT_WAY}{_EXAMPLE}",
    True: (
        f"Wrap your thinking in '<think>', '</think>' tags, followed by a function call. For each function call, "
        f"{_OBJECT_WAY}<think> your thoughts here </think>\n{_EXAMPLE}"
    ),
}


def _render(chat: Chat) -> str:
    system, messages = _headed(chat)
    header = f"\n{system}" if system else ""
    if chat.tools:
        header += f"\n\n{_tools(chat)}\n\n{_WAYS[bool(chat.think)]}"
    parts = [_BEGIN, f"<system>\n{header}\n</system>\n" if header else ""]
    for message in messages:
        match message.role:
            case "user" | "system":
                parts.append(f"<{message.role}>\n{message.content}\n</{message.role}>\n")
            case "assistant":
                parts.append(f"<assistant>\n{_answer(message)}</assistant>\n")
            case "tool":
                parts.append(f"<tool_response>\n{message.content}\n</tool_response>\n")
    if begun := _begun(chat):
        return "".join(parts) + f"<assistant>\n{_beginning(begun)}"
    return "".join(parts) + f"<assistant>\n{THINK if chat.think else THOUGHT}"


def _answer(message: Message) -> str:
    thinking, content = _apart(message)
    said = f"{content.strip()}\n" if content.strip() else ""
    calls = (f"{CALL}{call.name}\n{_lines(call.arguments)}{CALLED}\n" for call in message.tool_calls)
    return _thought(thinking) + said + "".join(calls)


_lines = partial(arguments.written, after_tag="\n")


def _beginning(message: Message) -> str:
    """As an answer, but left where the caller left it."""
    thinking, content = _apart(message)
    return _thought(thinking) + content.lstrip()


def _thought(thinking: str) -> str:
    return f"{THINK}\n{thinking.strip()}\n{THOUGHT}\n" if thinking.strip() else f"{THOUGHT}\n"


def _apart(message: Message) -> tuple[str, str]:
    """Reasoning and content of an answer whose client left the reasoning in its content."""
    thinking, content = message.thinking, message.content
    if THOUGHT in content:
        thinking = thinking or content.partition(THOUGHT)[0].rstrip("\n").rpartition(THINK)[2].lstrip("\n")
        content = content.rpartition(THOUGHT)[2].lstrip("\n")
    return thinking, content


def _render_poolside(chat: Chat) -> str:
    system, messages = _headed(chat)
    header = "\n\n".join(part for part in (system, _tools(chat) if chat.tools else "") if part)
    parts = [_BEGIN, f"<system>{header}</system>\n" if header or chat.think else ""]
    for message in messages:
        match message.role:
            case "user" | "system":
                parts.append(f"<{message.role}>{message.content}</{message.role}>\n")
            case "assistant":
                parts.append(f"<assistant>{_answer_poolside(chat, message)}</assistant>\n")
            case "tool":
                parts.append(f"<tool_response>{message.content}</tool_response>\n")
    if begun := _begun(chat):
        return "".join(parts) + f"<assistant>{_answer_poolside(chat, begun)}"
    return "".join(parts) + f"<assistant>{THINK if chat.think else THOUGHT}"


def _answer_poolside(chat: Chat, message: Message) -> str:
    """What it thought earlier is in sight only while it is to think."""
    thinking = f"{THINK}{message.thinking}{THOUGHT}" if chat.think else THOUGHT
    calls = (f"{CALL}{call.name}{arguments.written(call.arguments)}{CALLED}" for call in message.tool_calls)
    return thinking + message.content + "".join(calls)


def _headed(chat: Chat) -> tuple[str, Sequence[Message]]:
    """The system message, and the turns: without an answer at the end that is begun, or yet to begin."""
    messages = chat.messages
    if (last := chat.prefill) is not None and not last.tool_calls:
        messages = messages[:-1]
    if messages and messages[0].role == "system":
        return messages[0].content.rstrip(), messages[1:]
    return _SYSTEM, messages


def _begun(chat: Chat) -> Message | None:
    """The answer that the caller began. Calls are no beginning: after them a new turn starts."""
    last = chat.prefill
    return last if last is not None and (last.content or last.thinking) and not last.tool_calls else None


def _tools(chat: Chat) -> str:
    return _TOOLS.format(tools="".join(map(_tool, chat.tools)))


def _tool(tool: Tool) -> str:
    return json.dumps(described(tool), ensure_ascii=False) + "\n"


_ALIASES = {"read_file": "read", "write_file": "write", "edit_file": "edit", "web_fetch": "webfetch"}
"""Names of tools in the model's training, and what the agents that it is used with call them."""

_USER, _USER_ENDS = "<user>", "</user>"
"""Tags that the model at times takes for those of a call."""

_KEYS = ('"name"', '"arguments"')


class _State(Enum):
    REASONING_BEGINS = auto()
    """In reasoning that the prompt has opened; some answers open it once more."""
    BEFORE_REASONING = auto()
    """In white space that is dropped."""
    REASONING = auto()
    BLOCK = auto()
    """Where the answer, or reasoning, may begin."""
    ANSWER = auto()
    CALL = auto()
    OBJECT = auto()
    """In JSON that may be a call without tags."""


class _Parser:
    """Reasoning until ``</think>`` or a call, then the answer. Reasoning that was not wanted is left out."""

    def __init__(self, chat: Chat, prompt: str) -> None:
        self._tools = chat.tools
        self._shows_reasoning = bool(chat.think)
        self._scanner = Scanner()
        self._state = _State.BLOCK
        if reasons(self._shows_reasoning, _begun(chat), prompt):
            self._state = _State.REASONING_BEGINS
        elif (begun := _begun(chat)) and begun.content:
            self._state = _State.ANSWER
        self._openings = (CALL, _USER, "{") if self._tools else (CALL,)
        self._opening = ""
        self._opened_in = _State.ANSWER
        self._call = CallReader("", CALLED, self._spelled)

    def feed(self, text: str) -> Iterator[Found]:
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[Found]:
        while self._state in {_State.CALL, _State.OBJECT}:
            calls = self._call.close(self._scanner) if self._state is _State.CALL else ()
            yield from self._read(calls)
            yield from self.feed("")
        if self._state in {_State.REASONING_BEGINS, _State.BEFORE_REASONING, _State.BLOCK}:
            self._scanner.skip_space()
        yield from self._said(self._scanner.rest())

    def _step(self) -> Generator[Found, None, bool]:
        """Read on; whether there may be more to read without more text."""
        match self._state:
            case _State.REASONING_BEGINS:
                return self._enter(_State.BEFORE_REASONING, once=self._scanner.take_prefix(THINK) is not None)
            case _State.BEFORE_REASONING:
                return self._enter(_State.REASONING, once=self._scanner.skip_space())
            case _State.REASONING:
                return (yield from self._pass_on(THOUGHT, CALL))
            case _State.BLOCK:
                return self._begin_block()
            case _State.ANSWER:
                return (yield from self._pass_on(*self._openings))
            case _State.CALL:
                calls = self._call.read(self._scanner)
            case _State.OBJECT:
                calls = self._read_object()
        if calls is not None:
            yield from self._read(calls)
        return calls is not None

    def _pass_on(self, *tags: str) -> Generator[Found, None, bool]:
        arrived = self._scanner.pending
        text, tag = self._scanner.take(*tags, trim=True)
        yield from self._said(text)
        if tag == THOUGHT:
            self._state = _State.BLOCK
        elif tag:
            self._open(tag, arrived[len(text) : len(arrived) - len(self._scanner.pending)])
        return bool(tag)

    def _enter(self, state: _State, *, once: bool) -> bool:
        if once:
            self._state = state
        return once

    def _begin_block(self) -> bool:
        match self._scanner.take_prefix(THINK, THOUGHT):
            case None:
                return False
            case "":
                self._scanner.skip_space()
                self._state = _State.ANSWER
            case tag if tag == THINK:
                self._state = _State.BEFORE_REASONING
        return True

    def _said(self, text: str) -> Iterator[Found]:
        if not text:
            return
        if self._state not in {_State.REASONING_BEGINS, _State.BEFORE_REASONING, _State.REASONING}:
            yield Text(text)
        elif self._shows_reasoning:
            yield Thinking(text)

    def _open(self, tag: str, opening: str) -> None:
        self._opening, self._opened_in = opening, self._state
        if tag == "{":
            self._state = _State.OBJECT
            return
        self._state = _State.CALL
        self._call = (
            CallReader(opening, CALLED, self._spelled)
            if tag == CALL
            else CallReader(opening, _USER_ENDS, self._spelled_by_known_name)
        )

    def _read(self, calls: Sequence[ToolCall]) -> Iterator[Found]:
        if calls:
            yield from map(ToolCalled, calls)
            self._state = _State.BLOCK
        else:
            self._state = self._opened_in
            yield from self._said(self._opening)

    def _spelled(self, text: str) -> Sequence[ToolCall]:
        return arguments.read(text, self._tools, aliases=_ALIASES)

    def _spelled_by_known_name(self, text: str) -> Sequence[ToolCall]:
        known = {tool.name for tool in self._tools}
        calls = self._spelled(text)
        return calls if all(call.name in known for call in calls) else ()

    def _read_object(self) -> Sequence[ToolCall] | None:
        """The call that the JSON is; none when it is another object; None while that is open."""
        after = self._scanner.pending
        key = after.lstrip()
        if not any(key.startswith(known) or known.startswith(key) for known in _KEYS):
            return ()
        try:
            _, end = json.JSONDecoder().raw_decode("{" + after)
        except RecursionError:
            return ()
        except ValueError:
            return None
        calls = self._spelled_by_known_name("{" + after[: end - 1])
        if calls:
            self._scanner.rest()
            self._scanner.add(after[end - 1 :])
        return calls


_TOKENS: Final = (THINK, THOUGHT, _USER, _USER_ENDS, *arguments.TOKENS)
_READING: Final = Reading(_Parser, tokens=_TOKENS)

RENDERERS: Final[Mapping[str, Renderer]] = {"laguna": _render, "poolside-v1": _render_poolside}

PARSERS: Final[Mapping[str, Reading]] = {"laguna": _READING, "poolside-v1": _READING}
