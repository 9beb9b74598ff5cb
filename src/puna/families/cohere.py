"""Cohere's Command A and North."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from enum import Enum, auto
from itertools import count, groupby

from puna.events import Text, Thinking, ToolCalled
from puna.families import Chat, Found, Reading, Renderer
from puna.scanner import Scanner
from puna.template.tooljson import described
from puna.toolcalls.calls import unread
from puna.toolcalls.jsontext import decoded, spaced
from puna.toolcalls.quoting import JsonObject
from puna.types import Message, Tool, ToolCall

_THINK, _THOUGHT = "<|START_THINKING|>", "<|END_THINKING|>"
_TEXT, _TEXT_ENDS = "<|START_TEXT|>", "<|END_TEXT|>"
_ACTION, _ACTION_ENDS = "<|START_ACTION|>", "<|END_ACTION|>"
_RESPONSE, _RESPONSE_ENDS = "<|START_RESPONSE|>", "<|END_RESPONSE|>"
"""What older models write in place of the tags of a text."""
_TURN_ENDS = "<|END_OF_TURN_TOKEN|>"
_SYSTEM, _USER, _CHATBOT = (f"<|START_OF_TURN_TOKEN|><|{role}_TOKEN|>" for role in ("SYSTEM", "USER", "CHATBOT"))
_RESULT = """
    {{
        "tool_call_id": "{call}",
        "results": {{

            \n            "0": {content}

        }},
        "is_error": null
    }}"""
_BEFORE_ACTION = "\n            \n                "


def _render(chat: Chat) -> str:
    messages = chat.turns
    system = ""
    if messages and messages[0].role == "system":
        system, messages = messages[0].content, messages[1:]
    head = f"{system}\n\n\n\n" if system else ""
    return f"{_SYSTEM}{_TEXT}{head}{_tools(chat)}{_TEXT_ENDS}{_TURN_ENDS}" + "".join(_turns(messages)) + _start(chat)


def _tools(chat: Chat) -> str:
    entries = ",\n\n".join(f"\n    {_tool(tool)}" for tool in chat.tools)
    return f"# Available Tools\n```json\n[\n{entries}\n\n\n]\n```"


def _tool(tool: Tool) -> str:
    function = described(tool)["function"]
    entry = {
        "name": function["name"],
        "description": function.get("description", ""),
        "parameters": function["parameters"],
        "responses": None,
    }
    return spaced(entry)


def _turns(messages: tuple[Message, ...]) -> Iterator[str]:
    numbers = count()
    number_of: dict[str, int] = {}
    """The numbers that calls have in the prompt, by the ids that the client knows them by."""
    for role, turns in groupby(messages, key=lambda message: message.role):
        if role == "tool":
            results = ",".join(_result(message, number_of) for message in turns)
            yield f"{_SYSTEM}<|START_TOOL_RESULT|>[{results}\n\n]<|END_TOOL_RESULT|>{_TURN_ENDS}"
            continue
        for message in turns:
            calls = [(next(numbers), call) for call in message.tool_calls]
            for number, call in calls:
                number_of.setdefault(call.id, number)
            yield _turn(message, calls)


def _turn(message: Message, calls: Sequence[tuple[int, ToolCall]]) -> str:
    match message.role:
        case "system":
            return f"{_SYSTEM}{_TEXT}{message.content}{_TEXT_ENDS}{_TURN_ENDS}"
        case "user":
            return f"{_USER}{_TEXT}{message.content}{_TEXT_ENDS}{_TURN_ENDS}"
        case "assistant" if calls:
            actions = ",".join(_action(number, call) for number, call in calls)
            head = f"{_CHATBOT}{_BEFORE_ACTION}{_thought(message)}"
            return f"{head}{_ACTION}[{actions}\n\n]{_ACTION_ENDS}{_TURN_ENDS}"
        case "assistant":
            return f"{_CHATBOT}{_thought(message)}{_TEXT}{message.content}{_TEXT_ENDS}{_TURN_ENDS}"
        case _:
            return ""


def _thought(message: Message) -> str:
    return f"{_THINK}{message.thinking}{_THOUGHT}" if message.thinking else ""


def _action(number: int, call: ToolCall) -> str:
    action = {"tool_call_id": str(number), "tool_name": call.name, "parameters": dict(call.arguments)}
    return f"\n\n    {spaced(action)}"


def _result(message: Message, number_of: Mapping[str, int]) -> str:
    content = spaced({"content": message.content})
    call = number_of.get(message.tool_call_id, message.tool_call_id) if message.tool_call_id else ""
    return _RESULT.format(call=call, content=content)


def _start(chat: Chat) -> str:
    if begun := _begun(chat):
        return f"{_CHATBOT}{_thought(begun)}{_TEXT}{begun.content}"
    return f"{_CHATBOT}{_THINK}" + (_THOUGHT if chat.think is False else "")


def _begun(chat: Chat) -> Message | None:
    """The answer to go on with, if it says anything."""
    return chat.begun if chat.begun and (chat.begun.content or chat.begun.thinking) else None


class _State(Enum):
    REASONING = auto()
    BETWEEN = auto()
    """Where a text or a list of calls may begin."""
    TEXT = auto()
    ACTIONS = auto()
    """In a list of calls."""


_SEPARATORS = "[], \t\r\n"


class _Parser:
    """Reasoning, then texts and lists of calls, each between tags; a text may lack its opening tag."""

    def __init__(self, chat: Chat, _prompt: str) -> None:
        self._scanner = Scanner()
        self._state = _State.BETWEEN if chat.think is False else _State.REASONING
        if _begun(chat):
            self._state = _State.TEXT
        self._actions: Iterator[ToolCall | str | None] = iter(())

    def feed(self, text: str) -> Iterator[Found]:
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[Found]:
        self._scanner.ended = True
        yield from self.feed("")
        rest = self._scanner.rest()
        match self._state:
            case _State.REASONING if rest:
                yield Thinking(rest)
            case _State.TEXT if rest:
                yield Text(rest)
            case _State.BETWEEN if rest.strip():
                yield Text(rest.lstrip())

    def _step(self) -> Generator[Found, None, bool]:
        """Read on; whether there may be more to read without more text."""
        match self._state:
            case _State.REASONING:
                text, tag = self._scanner.take(_THOUGHT, trim=True)
                if text:
                    yield Thinking(text)
                if tag:
                    self._state = _State.BETWEEN
                return bool(tag)
            case _State.BETWEEN:
                return self._begin()
            case _State.TEXT:
                text, tag = self._scanner.take(_TEXT_ENDS, _RESPONSE_ENDS, _TURN_ENDS)
                if text:
                    yield Text(text)
                if tag:
                    self._state = _State.BETWEEN
                return bool(tag)
            case _State.ACTIONS:
                for found in self._actions:
                    if found is None:
                        return False
                    yield ToolCalled(found) if isinstance(found, ToolCall) else Text(found)
                self._state = _State.BETWEEN
                return True

    def _begin(self) -> bool:
        match self._scanner.take_prefix(_TEXT, _RESPONSE, _ACTION, _TURN_ENDS):
            case None:
                return False
            case "":
                self._scanner.skip_space()
                self._state = _State.TEXT
            case tag if tag == _ACTION:
                self._actions = _read(self._scanner)
                self._state = _State.ACTIONS
            case tag if tag != _TURN_ENDS:
                self._state = _State.TEXT
        return True


def _read(scanner: Scanner) -> Iterator[ToolCall | str | None]:
    """Reads a list of calls, as a ``CallReader`` does.

    Each is found as soon as its object is closed, so one that cannot be read costs none of the others.
    """
    passed = _ACTION  # what stands before the next call, and is text if there is more than separators in it
    while True:
        text, tag = scanner.take("{", _ACTION_ENDS)
        passed += text
        if not tag and not scanner.ended:
            yield None
        elif tag == "{":
            action = JsonObject(scanner)
            while not (closed := action.closed()) and not scanner.ended:
                yield None
            if call := _call(action.text):
                if passed.removeprefix(_ACTION).strip(_SEPARATORS):
                    yield passed
                passed = ""
                yield call
            elif closed or _ACTION_ENDS not in action.text:
                passed += action.text
            else:
                passed += unread(scanner, "{", action.text.removeprefix("{"))
        else:
            end = tag or scanner.rest()
            if (passed.removeprefix(_ACTION) if tag else passed).strip(_SEPARATORS):
                yield passed + end
            return


def _call(text: str) -> ToolCall | None:
    match decoded(text):
        case {"tool_name": str() as name, **rest} if name:
            parameters = rest.get("parameters") or {}
            return ToolCall(name, parameters) if isinstance(parameters, dict) else None
    return None


_TOKENS = (_THINK, _THOUGHT, _TEXT, _TEXT_ENDS, _ACTION, _ACTION_ENDS, _RESPONSE, _RESPONSE_ENDS)

RENDERERS: Mapping[str, Renderer] = {"cohere": _render}
PARSERS: Mapping[str, Reading] = {"cohere": Reading(_Parser, _TOKENS)}
