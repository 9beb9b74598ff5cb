"""Gemma 4: turns, a channel for thoughts, and calls in braces.

Where a large model is not to think, its prompt ends with an empty thought.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from puna.families import Chat, Parser, Reading, Renderer
from puna.toolcalls.braces import Braces
from puna.toolcalls.declarations import Declarations
from puna.toolcalls.tagged import Start, TaggedParser, Tags

_BRACES = Braces(quote='<|"|>', open="<|tool_call>", close="<tool_call|>")
_DECLARATIONS = Declarations(_BRACES, nested=True)
_CHANNEL = "<|channel>"
_CHANNEL_END = "<channel|>"
_CHANNEL_NAME = "thought\n"
_RESPONSE = "<|tool_response>"

_EMPTY_THOUGHT = f"{_CHANNEL}{_CHANNEL_NAME}{_CHANNEL_END}"
_THOUGHT = re.compile(rf"{re.escape(_CHANNEL)}.*?(?:{re.escape(_CHANNEL_END)}|\Z)", re.DOTALL)
_SYSTEM_ROLES = frozenset({"system", "developer"})

_SMALL_NAMES = ("e2b", "e4b")
_LARGE_NAMES = ("12b", "26b", "31b")
_LARGE_BILLIONS = 11
"""The smallest of the large models is called 12B, and has 11.9."""


def _renderer_for(model: str, billions: float) -> str:
    """The renderer of a model: what its name says goes before its size (in 10⁹ parameters, 0: not known)."""
    name = model.lower()
    if any(size in name for size in _SMALL_NAMES):
        return "gemma4-small"
    if any(size in name for size in _LARGE_NAMES) or billions >= _LARGE_BILLIONS:
        return "gemma4-large"
    return "gemma4-small"


def _render(chat: Chat, *, large: bool) -> str:
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
        if message is self._chat.begun:
            if not message.thinking and before != "assistant":
                yield self._empty_thought
            yield self._chat.content(index)
            return
        results = list(self._results(index))
        yield from results
        content = _THOUGHT.sub("", message.content) if is_model else message.content
        yield self._chat.content(index, content.strip())
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
            value = _BRACES.quoted(self._chat.content(at))
            yield f"{_RESPONSE}response:{name}{{value:{value}}}<tool_response|>"

    def _generation(self, last: int) -> Iterator[str]:
        """What the answer comes after; ``last`` is the last message but results, -1 where there is none."""
        if last < 0 or not (self._messages[last].tool_calls or self._messages[last] is self._chat.begun):
            yield f"<|turn>model\n{self._empty_thought}"
        elif self._chat.think and last + 1 < len(self._messages):
            yield f"{_CHANNEL}{_CHANNEL_NAME}"


_TAGS = Tags(
    (f"{_CHANNEL}{_CHANNEL_NAME}", _CHANNEL),
    _CHANNEL_END,
    anywhere=True,
    noise=(_BRACES.close, _RESPONSE),
    in_reasoning=(_BRACES.open,),
    keeps_space_in_reasoning=True,
    drops_space_after_calls=True,
)


def _parser(chat: Chat, prompt: str, *, thinks: bool) -> Parser:
    opened = thinks and prompt.rstrip().endswith(f"{_CHANNEL}{_CHANNEL_NAME.rstrip()}")
    start = Start.REASONING if opened else Start.TEXT
    calls = {_BRACES.open: _BRACES.reader(chat.tools, _RESPONSE)}
    return TaggedParser(calls, _TAGS, start, shows_reasoning=thinks and bool(chat.think))


_TOKENS = (_CHANNEL, _CHANNEL_END, _BRACES.open, _BRACES.close, _RESPONSE, _BRACES.quote)

RENDERERS: Mapping[str, Renderer] = {
    "gemma4-small": partial(_render, large=False),
    "gemma4-large": partial(_render, large=True),
}
PARSERS: Mapping[str, Reading] = {
    "gemma4": Reading(partial(_parser, thinks=True), _TOKENS),
    "gemma4-no-thinking": Reading(partial(_parser, thinks=False), _TOKENS),
}
RESOLVE: Mapping[str, Callable[[str, float], str]] = {"gemma4": _renderer_for}
