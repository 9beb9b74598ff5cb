"""Gemma 4: turns, a channel for thoughts, and calls in braces.

Where a large model is not to think, its prompt ends with an empty thought.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from typing import Final, Literal

from puna.events import Text, Thinking, ToolCalled
from puna.families import Chat, Found, Reading, Renderer
from puna.scanner import Scanner
from puna.toolcalls.braces import Braces, OpenCall
from puna.toolcalls.declarations import Declarations
from puna.types import Message

_BRACES = Braces(quote='<|"|>', open="<|tool_call>", close="<tool_call|>")
_DECLARATIONS = Declarations(_BRACES, nested=True)
_CHANNEL = "<|channel>"
_CHANNEL_END = "<channel|>"
_CHANNEL_NAME = "thought\n"
_RESPONSE = "<|tool_response>"
_AFTER_CALL = (_BRACES.close, _RESPONSE)
"""What the model writes after a call, once or more often."""

_EMPTY_THOUGHT = f"{_CHANNEL}{_CHANNEL_NAME}{_CHANNEL_END}"
_THOUGHT = re.compile(rf"{re.escape(_CHANNEL)}.*?(?:{re.escape(_CHANNEL_END)}|\Z)", re.DOTALL)
_SYSTEM_ROLES = frozenset({"system", "developer"})

_SMALL_NAMES = ("e2b", "e4b")
_LARGE_NAMES = ("12b", "26b", "31b")
_LARGE_BILLIONS = 12


def renderer_for(model: str, billions: float) -> str:
    """The renderer of a model: what its name says goes before its size (in 10⁹ parameters, 0: not known)."""
    name = model.lower()
    if any(size in name for size in _SMALL_NAMES):
        return "gemma4-small"
    if any(size in name for size in _LARGE_NAMES) or billions >= _LARGE_BILLIONS:
        return "gemma4-large"
    return "gemma4-small"


def render(chat: Chat, *, large: bool) -> str:
    """The prompt for ``chat``; a beginning of the answer is left open."""
    return "".join(_Rendering(chat, large=large).parts())


class _Rendering:
    """The parts of one prompt, in their order."""

    def __init__(self, chat: Chat, *, large: bool) -> None:
        self._chat = chat
        self._messages = chat.messages
        self._empty_thought = _EMPTY_THOUGHT if large and not chat.think else ""
        users = [index for index, message in enumerate(self._messages) if message.role == "user"]
        self._last_user = max(users, default=-1)

    def parts(self) -> Iterator[str]:
        yield "<bos>"
        yield from self._system()
        turns = [
            index
            for index, message in enumerate(self._messages)
            if message.role != "tool" and not (index == 0 and message.role in _SYSTEM_ROLES)
        ]
        roles = [self._messages[index].role for index in turns]
        for number, index in enumerate(turns):
            before = roles[number - 1] if number else ""
            after = roles[number + 1] if number + 1 < len(roles) else ""
            yield from self._turn(index, before=before, after=after)
        yield from self._generation(turns[-1] if turns else -1)

    def _system(self) -> Iterator[str]:
        first = self._messages[0] if self._messages and self._messages[0].role in _SYSTEM_ROLES else None
        if first is None and not self._chat.tools and not self._chat.think:
            return
        yield "<|turn>system\n"
        if self._chat.think:
            yield "<|think|>\n"
        if first is not None:
            yield first.content.strip()
        for tool in self._chat.tools:
            yield f"<|tool>{_DECLARATIONS.declared(tool)}<tool|>"
        yield "<turn|>\n"

    def _turn(self, index: int, *, before: str, after: str) -> Iterator[str]:
        """Message ``index`` and the tool results that follow it; ``before`` and ``after`` are its neighbours' roles."""
        message = self._messages[index]
        is_model = message.role == "assistant"
        if not (is_model and before == "assistant"):
            yield f"<|turn>{'model' if is_model else message.role}\n"
        if is_model and message.thinking and index > self._last_user:
            yield f"{_CHANNEL}{_CHANNEL_NAME}{message.thinking}\n{_CHANNEL_END}"
        yield from map(_BRACES.call, message.tool_calls)
        if self._is_begun_answer(message):
            if not message.thinking and before != "assistant":
                yield self._empty_thought
            yield self._illustrated(index, message.content)
            return
        results = list(self._results(index))
        yield from results
        content = _THOUGHT.sub("", message.content) if is_model else message.content
        yield self._illustrated(index, content.strip())
        if message.tool_calls and not results:
            yield _RESPONSE
            return
        goes_on = is_model and after == "assistant"
        awaits_answer = bool(results) and not content.strip() and not message.images and not after
        if not goes_on and not awaits_answer:
            yield "<turn|>\n"

    def _results(self, index: int) -> Iterator[str]:
        """The results of the calls in message ``index``: all that follow it directly."""
        calls = self._messages[index].tool_calls
        if not calls:
            return
        for at in range(index + 1, len(self._messages)):
            result = self._messages[at]
            if result.role != "tool":
                return
            names = (call.name for call in calls if call.id and call.id == result.tool_call_id)
            name = next(names, result.tool_name or "unknown")
            value = _BRACES.quoted(self._illustrated(at, result.content))
            yield f"{_RESPONSE}response:{name}{{value:{value}}}<tool_response|>"

    def _generation(self, last: int) -> Iterator[str]:
        """What the answer comes after; ``last`` is the last message but results, -1 where there is none."""
        if last < 0 or not (self._messages[last].tool_calls or self._is_begun_answer(self._messages[last])):
            yield f"<|turn>model\n{self._empty_thought}"
        elif self._chat.think and last + 1 < len(self._messages):
            yield f"{_CHANNEL}{_CHANNEL_NAME}"

    def _is_begun_answer(self, message: Message) -> bool:
        return message is self._chat.prefill and not message.tool_calls

    def _illustrated(self, index: int, content: str) -> str:
        """``content`` with the markers of the images of message ``index``: where it says [img], the others in front."""
        front = ""
        for marker in re.findall(r"\[img-[0-9]+\]", self._chat.image_markers(index)):
            if "[img]" in content:
                content = content.replace("[img]", marker, 1)
            else:
                front += marker
        return f"{front} {content}" if front and content and not content[0].isspace() else front + content


_State = Literal["content", "channel", "thought", "after thought", "call", "after call"]


class _Parser:
    """Tells thoughts (dropped unless ``thinking``), content and calls apart; ``opened``: the prompt began a thought."""

    def __init__(self, chat: Chat, *, thinking: bool, opened: bool) -> None:
        self._tools = chat.tools
        self._thinking = thinking
        self._scanner = Scanner()
        self._call = OpenCall(_BRACES, chat.tools)
        self._state: _State = "thought" if opened else "content"

    def feed(self, text: str) -> Iterator[Found]:
        self._scanner.add(text)
        goes_on = True
        while goes_on:
            goes_on = yield from self._step()

    def close(self) -> Iterator[Found]:
        while self._state == "call":
            found, after = self._call.unfinished(self._scanner.rest())
            yield found
            self._state = "after call" if isinstance(found, ToolCalled) else "content"
            yield from self.feed(after)
        rest = self._scanner.rest()
        match self._state:
            case "after call" if any(tag.startswith(rest.strip()) for tag in _AFTER_CALL):
                pass
            case "channel" if _CHANNEL_NAME.startswith(rest.lstrip()):
                pass
            case "channel" | "thought":
                yield from self._thought(rest)
            case _:
                yield Text(rest)

    def _step(self) -> Generator[Found, None, bool]:
        """Read what there is for the state; whether there may be more to read in another one."""
        match self._state:
            case "content":
                text, tag = self._scanner.take(_CHANNEL, _BRACES.open, trim=True)
                yield Text(text)
                return self._enter(tag)
            case "channel":
                if self._scanner.take_prefix(_CHANNEL_NAME) is None:
                    return False
                self._state = "thought"
            case "thought":
                text, tag = self._scanner.take(_CHANNEL_END, _BRACES.open, trim=True)
                yield from self._thought(text)
                return self._enter(tag)
            case "after thought":
                if not self._scanner.skip_space():
                    return False
                self._state = "content"
            case "call":
                text, tag = self._scanner.take(_BRACES.open, *_AFTER_CALL)
                if not self._call.add(text, tag):
                    return bool(tag)
                yield from self._called(tag)
            case "after call":
                noise = self._scanner.take_prefix(*_AFTER_CALL)
                if noise is None:
                    return False
                if not noise:
                    self._state = "after thought"
        return True

    def _enter(self, tag: str) -> bool:
        """Go where ``tag`` leads; whether there was one."""
        match tag:
            case "":
                return False
            case _ if tag == _CHANNEL:
                self._state = "channel"
            case _ if tag == _CHANNEL_END:
                self._state = "after thought"
            case _:
                self._call = OpenCall(_BRACES, self._tools)
                self._state = "call"
        return True

    def _called(self, tag: str) -> Iterator[Found]:
        """The call that ``tag`` ended."""
        found, rest = self._call.found(tag)
        yield found
        yield Text(rest.strip())
        self._state = "after call" if isinstance(found, ToolCalled) else "content"
        if tag == _BRACES.open:
            self._enter(tag)

    def _thought(self, text: str) -> Iterator[Found]:
        if self._thinking:
            yield Thinking(text)


def _parser(chat: Chat, prompt: str) -> _Parser:
    opened = prompt.rstrip().endswith(f"{_CHANNEL}{_CHANNEL_NAME.rstrip()}")
    return _Parser(chat, thinking=bool(chat.think), opened=opened)


def _parser_without_thinking(chat: Chat, _prompt: str) -> _Parser:
    return _Parser(chat, thinking=False, opened=False)


_TOKENS = (_CHANNEL, _CHANNEL_END, _BRACES.open, _BRACES.close, _RESPONSE, _BRACES.quote)

RENDERERS: Final[Mapping[str, Renderer]] = {
    "gemma4-small": partial(render, large=False),
    "gemma4-large": partial(render, large=True),
}
PARSERS: Final[Mapping[str, Reading]] = {
    "gemma4": Reading(_parser, _TOKENS),
    "gemma4-no-thinking": Reading(_parser_without_thinking, _TOKENS),
}
RESOLVE: Final[Mapping[str, Callable[[str, float], str]]] = {"gemma4": renderer_for}
