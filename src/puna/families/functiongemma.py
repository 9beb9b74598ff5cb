"""FunctionGemma: Gemma 3 turns with a developer's, and calls in braces; it does not think."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from puna.families import Chat, Parser, Reading, Renderer
from puna.toolcalls.braces import Braces
from puna.toolcalls.declarations import Declarations
from puna.toolcalls.tagged import TaggedParser, Tags
from puna.types import Message

_BRACES = Braces(quote="<escape>", open="<start_function_call>", close="<end_function_call>")
_DECLARATIONS = Declarations(_BRACES, nested=False)
_TASK = "You can do function calling with the following functions:"
_SYSTEM_ROLES = frozenset({"system", "developer"})


def _render(chat: Chat) -> str:
    """The prompt for ``chat``; a beginning of the answer is left open."""
    return "".join(_parts(chat))


def _parts(chat: Chat) -> Iterator[str]:
    yield "<bos>"
    messages = chat.messages
    system = ""
    if messages and messages[0].role in _SYSTEM_ROLES:
        system, messages = messages[0].content, messages[1:]
    if system or chat.tools:
        yield f"<start_of_turn>developer\n{''.join(_instructions(chat, system))}<end_of_turn>\n"
    for index, message in enumerate(messages):
        before = messages[index - 1].role if index else ""
        after = messages[index + 1].role if index + 1 < len(messages) else ""
        if message.role == "tool":
            yield from _result(messages, index)
            continue
        if before != "tool" or message.role not in {"assistant", "user"}:
            yield f"<start_of_turn>{'model' if message.role == 'assistant' else message.role}\n"
        if message is chat.begun:
            yield message.content
            return
        yield message.content.strip()
        yield from map(_BRACES.call, message.tool_calls)
        if not (message.tool_calls and after == "tool"):
            yield "<end_of_turn>\n"
    if not messages or messages[-1].role != "tool":
        yield "<start_of_turn>model\n"


def _instructions(chat: Chat, system: str) -> Iterator[str]:
    yield system.strip()
    if chat.tools:
        if system:
            yield "\n"
        if system.strip() != _TASK:
            yield _TASK
    for tool in chat.tools:
        yield f"<start_function_declaration>{_DECLARATIONS.declared(tool)}<end_function_declaration>"


def _result(messages: tuple[Message, ...], index: int) -> Iterator[str]:
    value = _BRACES.quoted(messages[index].content)
    yield f"<start_function_response>response:{_called(messages, index)}{{{value}}}<end_function_response>"


def _called(messages: tuple[Message, ...], index: int) -> str:
    """The name of the tool whose result message ``index`` is: as it says, else by its place among the results."""
    result = messages[index]
    at = next((at for at in range(index - 1, -1, -1) if messages[at].tool_calls), None)
    calls = messages[at].tool_calls if at is not None else ()
    for call in calls:
        if call.id and call.id == result.tool_call_id:
            return call.name
    if result.tool_name or at is None:
        return result.tool_name
    place = sum(message.role == "tool" for message in messages[at + 1 : index])
    return calls[place].name if place < len(calls) else ""


_TAGS = Tags(keeps_space_before_calls=True)


def _parser(chat: Chat, _prompt: str) -> Parser:
    return TaggedParser({_BRACES.open: _BRACES.reader(chat.tools)}, _TAGS)


RENDERERS: Mapping[str, Renderer] = {"functiongemma": _render}
PARSERS: Mapping[str, Reading] = {"functiongemma": Reading(_parser, (_BRACES.open, _BRACES.close, _BRACES.quote))}
