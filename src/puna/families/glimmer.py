"""Glimmer: messages with a recipient (itself, the user, a tool) and calls in ``atem:`` elements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Literal

from puna.events import Text, Thinking, ToolCalled
from puna.families import Chat, Found, Reading, Renderer
from puna.scanner import Scanner
from puna.template.tooljson import described
from puna.toolcalls import atem
from puna.toolcalls.jsontext import spaced
from puna.types import Message, Tool, ToolCall

_START = "<|start|>"
_MESSAGE = "<|message|>"
_END_MESSAGE = "<|eom|>"
_END_TURN = "<|eot|>"
_ENDS = (_END_MESSAGE, _END_TURN)
_TOKENS = (_START, _MESSAGE, *_ENDS)
_ANSWER = f"{_START}assistant"
_SELF = "self"
_USER = "user"

_DEFAULT_SYSTEM = "You are a helpful AI assistant.\nKnowledge cutoff: 2026-01-04.\nCurrent date: {today}."


def render(chat: Chat, *, today: dt.date | None = None) -> str:
    """The prompt for ``chat``; a beginning of the answer is left open.

    Without a system message the model is told the date: ``today``, by default what the machine's clock says.
    """
    return "".join(_parts(chat, today or dt.datetime.now(dt.UTC).astimezone().date()))


def _parts(chat: Chat, today: dt.date) -> Iterator[str]:
    yield "<|begin_of_text|>"
    if all(message.role != "system" for message in chat.messages):
        yield from _system(chat, _DEFAULT_SYSTEM.format(today=today.isoformat()))
    for index, message in enumerate(chat.messages):
        content = chat.content(index)
        match message.role:
            case "system":
                yield from _system(chat, content)
            case "user":
                yield _message("user", content, _END_TURN)
            case "tool":
                name = _result_name(chat.messages, message)
                output = f'<tool_output name="{name}">\n{content}\n</tool_output>'
                yield _message(f"tool {name}", output, _END_TURN)
            case "assistant":
                more = index + 1 < len(chat.messages) and chat.messages[index + 1].role == "assistant"
                yield from _said(message, content, begun=_goes_on(chat, message), more=more)
    if not _goes_on(chat, chat.begun):
        yield _ANSWER


def _said(message: Message, content: str, *, begun: bool, more: bool) -> Iterator[str]:
    """A message of the model's; ``begun`` leaves it open, with ``more`` a call is not the end of the turn."""
    if message.thinking:
        yield _message(f"assistant to={_SELF}", message.thinking, _END_MESSAGE)
    for number, call in enumerate(message.tool_calls, start=1):
        last = number == len(message.tool_calls) and not more
        yield _message(f"assistant to={call.name}", atem.written(call), _END_TURN if last else _END_MESSAGE)
    if not message.tool_calls and (content or not message.thinking):
        yield _message(f"assistant to={_USER}", content, "" if begun else _END_TURN)


def _message(header: str, content: str, end: str) -> str:
    return f"{_START}{header}{_MESSAGE}{content}{end}"


def _goes_on(chat: Chat, message: Message | None) -> bool:
    """Whether ``message`` is the beginning of what the user is to be told. Thoughts alone are complete."""
    return message is not None and message is chat.begun and bool(message.content or not message.thinking)


def _system(chat: Chat, content: str) -> Iterator[str]:
    namespaces = list(dict.fromkeys(tool.name.partition(".")[0] for tool in chat.tools))
    strength = chat.think if isinstance(chat.think, str) else "none" if chat.think is False else "high"
    recipients = (_SELF, *(f"{namespace}.*" for namespace in namespaces), _USER)
    yield f"{_START}system{_MESSAGE}{content}\n\nReasoning strength: {strength}.\n\n"
    if chat.tools:
        yield from _tools(chat.tools, namespaces)
    yield f"# Valid recipients: {', '.join(map(_quoted, recipients))}.{_END_TURN}"


def _quoted(recipient: str) -> str:
    return f'"{recipient}"'


def _tools(tools: Sequence[Tool], namespaces: Sequence[str]) -> Iterator[str]:
    yield f"{atem.INSTRUCTIONS}\nHere are the functions available in JSONSchema format:\n// Tool metadata\n"
    for namespace in namespaces:
        yield f"{spaced({'name': namespace, 'description': ''})}\n"
    yield "// Function schemas"
    for tool in tools:
        function = described(tool)["function"]
        wanted = {"name": function["name"], "description": function.get("description", "")}
        yield f"\n{spaced({**wanted, 'parameters': function['parameters']})}"
    yield f"\n\n{atem.EXAMPLE}\n\n"


def _result_name(messages: Sequence[Message], result: Message) -> str:
    """The name of the tool that gave ``result``: as it says, else of the call it answers, else that call's ID."""
    if result.tool_name or not result.tool_call_id:
        return result.tool_name
    calls = (call for message in reversed(messages) for call in reversed(message.tool_calls))
    return next((call.name for call in calls if call.id == result.tool_call_id), result.tool_call_id)


_State = Literal["header", "text", "thinking", "perhaps a call", "call", "rest of the call", "after the call"]


class _Parser:
    """Reads message after message. A call is one as soon as its elements are closed.

    A message to the user that is nothing but a call is taken for one too: models forget to say whom it is for.
    """

    def __init__(self, chat: Chat, *, header: str | None) -> None:
        self._tools = chat.tools
        self._names = frozenset(tool.name for tool in chat.tools)
        self._thinking = chat.think is not False
        self._boundaries = {
            f"{_ANSWER}{f' to={recipient}' if recipient else ''}{_MESSAGE}": recipient
            for recipient in ("", _SELF, _USER, *self._names)
        }
        self._scanner = Scanner()
        self._state: _State = "header"
        self._recipient = ""
        self._held = ""
        if header is not None:
            self._begin(header)

    def feed(self, text: str) -> Iterator[Found]:
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[Found]:
        rest = self._held + self._scanner.rest()
        match self._state:
            case "header" if _is_header(rest):
                pass
            case "rest of the call":
                yield self._called(rest)
            case "thinking":
                yield from self._thought(rest)
            case _:
                yield Text(rest)

    def _step(self) -> Generator[Found, None, bool]:
        """Read what there is for the state; whether there may be more to read in another one."""
        match self._state:
            case "header":
                return self._read_header()
            case "perhaps a call":
                return self._look_for_call()
            case "call":
                text, tag = self._scanner.take(atem.CLOSE)
                self._held += text + tag
                if not tag:
                    return False
                self._state = "rest of the call"
                if self._resolved(self._recipient):
                    yield self._called(self._release())
                    self._state = "after the call"
            case "after the call":
                if not self._scanner.skip_space():
                    return False
                self._state = "text"
            case _:
                return (yield from self._read_body())
        return True

    def _read_body(self) -> Generator[Found, None, bool]:
        text, tag = self._scanner.take(*_ENDS, *self._boundaries)
        match self._state:
            case "thinking":
                yield from self._thought(text)
            case "rest of the call" if tag:
                yield self._called(self._release() + text)
            case "rest of the call":
                self._held += text
            case _:
                yield Text(text)
        if tag:
            self._end(tag)
        return bool(tag)

    def _read_header(self) -> bool:
        text, tag = self._scanner.take(_MESSAGE)
        self._held += text
        if tag:
            self._begin(self._release().removeprefix(_ANSWER))
        return bool(tag)

    def _look_for_call(self) -> bool:
        text = self._scanner.pending
        opening = self._scanner.take_prefix(atem.OPEN)
        if opening:
            self._held, self._state = text[: text.index(opening)] + opening, "call"
        elif opening is not None:
            self._state = "text"
        return opening is not None

    def _begin(self, header: str) -> None:
        """A message with that header begins."""
        self._recipient = header.strip().removeprefix("to=").strip()
        if self._recipient == _SELF:
            self._state = "thinking"
        elif self._tools:
            self._state = "perhaps a call"
        else:
            self._state = "text"

    def _end(self, tag: str) -> None:
        """The message ended with ``tag``, which may be the header of the next one."""
        if tag in self._boundaries:
            self._begin(self._boundaries[tag])
        else:
            self._state = "header"

    def _called(self, text: str) -> Found:
        """The call in ``text``, or ``text`` where it is none, or not only one, or one to another tool."""
        name = self._resolved(atem.name_of(text).replace(_MESSAGE, ""))
        wanted = self._resolved(self._recipient)
        arguments = atem.arguments_of(text, self._tools, name) if name and wanted in {"", name} else None
        return Text(text) if arguments is None else ToolCalled(ToolCall(name, arguments))

    def _resolved(self, name: str) -> str:
        """The tool on offer that is called ``name``, bare or in the namespace of its own first word; "" for none."""
        namespace, _, rest = name.partition(".")
        if name not in self._names and rest in self._names and rest.partition(".")[0] == namespace:
            return rest
        return name if name in self._names else ""

    def _thought(self, text: str) -> Iterator[Found]:
        if self._thinking:
            yield Thinking(text)

    def _release(self) -> str:
        held, self._held = self._held, ""
        return held


def _is_header(text: str) -> bool:
    """Whether ``text`` is a header that was cut off."""
    words = text.removeprefix(_ANSWER).split() or [""]
    return len(words) == 1 and (
        words[0].startswith("to=") or any(tag.startswith(words[0]) for tag in (_ANSWER, _MESSAGE))
    )


def _parser(chat: Chat, prompt: str) -> _Parser:
    if _goes_on(chat, chat.begun):
        return _Parser(chat, header=f"to={_USER}")
    if prompt.endswith(_MESSAGE) and _ANSWER in prompt:
        return _Parser(chat, header=prompt.removesuffix(_MESSAGE).rpartition(_ANSWER)[2])
    return _Parser(chat, header=None)


RENDERERS: Mapping[str, Renderer] = {"glimmer": render}
PARSERS: Mapping[str, Reading] = {"glimmer": Reading(_parser, _TOKENS)}
