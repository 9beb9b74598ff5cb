"""Laguna by Poolside, and ``poolside-v1``, the same model with tighter prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from puna.families import Chat, Parser, Reading, Renderer
from puna.scanner import Scanner
from puna.template.tooljson import described
from puna.toolcalls import arguments
from puna.toolcalls.arguments import ArgumentsSyntax
from puna.toolcalls.calls import CALL, CALLED, CallReader, enclosed, unread
from puna.toolcalls.jsontext import spaced
from puna.toolcalls.quoting import JsonObject
from puna.toolcalls.tagged import THINK, THOUGHT, Start, TaggedParser, Tags
from puna.types import Message, ToolCall

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
    head = f"<system>\n{header}\n</system>\n" if header else ""
    return _BEGIN + head + "".join(_turns(messages, _answer, line="\n")) + _start(chat, _beginning, line="\n")


def _render_poolside(chat: Chat) -> str:
    system, messages = _headed(chat)
    header = "\n\n".join(part for part in (system, _tools(chat) if chat.tools else "") if part)
    answer = partial(_answer_poolside, thinks=bool(chat.think))
    head = f"<system>{header}</system>\n" if header or chat.think else ""
    return _BEGIN + head + "".join(_turns(messages, answer, line="")) + _start(chat, answer, line="")


def _turns(messages: Sequence[Message], answer: Callable[[Message], str], *, line: str) -> Iterator[str]:
    """``messages`` in their tags, after which a new ``line`` begins or not."""
    for message in messages:
        match message.role:
            case "user" | "system":
                yield f"<{message.role}>{line}{message.content}{line}</{message.role}>\n"
            case "assistant":
                yield f"<assistant>{line}{answer(message)}</assistant>\n"
            case "tool":
                yield f"<tool_response>{line}{message.content}{line}</tool_response>\n"


def _start(chat: Chat, beginning: Callable[[Message], str], *, line: str) -> str:
    begun = _begun(chat)
    return f"<assistant>{line}{beginning(begun) if begun else THINK if chat.think else THOUGHT}"


def _answer(message: Message) -> str:
    thinking, content = _apart(message)
    said = f"{content.strip()}\n" if content.strip() else ""
    calls = ((call.name, arguments.written(call.arguments, spaced, after_tag="\n")) for call in message.tool_calls)
    return _thought(thinking) + said + "".join(f"{CALL}{name}\n{pairs}{CALLED}\n" for name, pairs in calls)


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


def _answer_poolside(message: Message, *, thinks: bool) -> str:
    """What it thought earlier is in sight only while it is to think."""
    thinking = f"{THINK}{message.thinking}{THOUGHT}" if thinks else THOUGHT
    calls = (f"{CALL}{call.name}{arguments.written(call.arguments, spaced)}{CALLED}" for call in message.tool_calls)
    return thinking + message.content + "".join(calls)


def _headed(chat: Chat) -> tuple[str, Sequence[Message]]:
    """The system message, and the turns after it."""
    if chat.turns and chat.turns[0].role == "system":
        return chat.turns[0].content.rstrip(), chat.turns[1:]
    return _SYSTEM, chat.turns


def _begun(chat: Chat) -> Message | None:
    """The answer to go on with, if it says anything."""
    return chat.begun if chat.begun and (chat.begun.content or chat.begun.thinking) else None


def _tools(chat: Chat) -> str:
    return _TOOLS.format(tools="".join(f"{spaced(described(tool))}\n" for tool in chat.tools))


_ALIASES = {"read_file": "read", "write_file": "write", "edit_file": "edit", "web_fetch": "webfetch"}
"""Names of tools in the model's training, and what the agents that it is used with call them."""

_USER, _USER_ENDS = "<user>", "</user>"
"""Tags that the model at times takes for those of a call."""

_KEYS = ('"name"', '"arguments"')
"""What a call without tags begins with."""

_TAGS = Tags(reopens=True, noise=(THOUGHT,), in_reasoning=(CALL,), trims_start=True)


def _parser(chat: Chat, prompt: str) -> Parser:
    """Reasoning that was not wanted is left out."""
    calls = {CALL: enclosed(ArgumentsSyntax(chat.tools, aliases=_ALIASES))}
    if chat.tools:
        offered = ArgumentsSyntax(chat.tools, aliases=_ALIASES, only_offered=True)
        calls |= {_USER: enclosed(offered, _USER_ENDS, again=_USER), "{": _bare(offered)}
    wanted = bool(chat.think)
    start = Start.after(prompt, _begun(chat), reasons=wanted, otherwise=Start.EITHER)
    return TaggedParser(calls, _TAGS, start, shows_reasoning=wanted)


def _bare(syntax: ArgumentsSyntax) -> CallReader:
    """A reader of calls that are JSON without tags."""

    def read(scanner: Scanner, opening: str, _ends: Sequence[str]) -> Iterator[ToolCall | str | None]:
        while (key := scanner.take_prefix(*_KEYS)) is None and not scanner.ended:
            yield None
        if key:
            call = JsonObject(scanner, "{" + scanner.dropped + key)
            while not call.closed() and not scanner.ended:
                yield None
            if calls := syntax.read(call.text):
                yield from calls
                return
            yield unread(scanner, opening, call.text.removeprefix("{"))
        else:
            yield opening

    return read


_TOKENS = (THINK, THOUGHT, _USER, _USER_ENDS, *arguments.TOKENS)
_READING = Reading(_parser, _TOKENS)

RENDERERS: Mapping[str, Renderer] = {"laguna": _render, "poolside-v1": _render_poolside}

PARSERS: Mapping[str, Reading] = {"laguna": _READING, "poolside-v1": _READING}
