"""Qwen3.5, Qwen3.8 and Ornith: see pictures, reason unless told not to, call tools as ``<function=…>``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from puna.families import Chat, Parser, Reading, Renderer
from puna.template import chatml
from puna.template.tooljson import described
from puna.toolcalls import xml
from puna.toolcalls.calls import CALL, CALLED, enclosed
from puna.toolcalls.jsontext import spaced
from puna.toolcalls.tagged import QWEN, THINK, THOUGHT, Start, TaggedParser
from puna.types import Message, Think, Tool

_MUCH = (
    "Reasoning effort is set to xhigh. Please think carefully through the task, validate key assumptions, consider "
    "plausible alternatives, and prioritize correctness, consistency, and clarity in the final answer."
)
_LITTLE = (
    "Reasoning effort is set to low. Keep your thinking brief and focused, moving directly to the conclusion without "
    "unnecessary elaboration."
)
_INSTRUCTING = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class _Renderer:
    """What the models differ in.

    ``remembers``: every earlier answer is told with its reasoning, not only those of the current turn. ``told_effort``:
    a line of the system message says how much to reason; there is only one system message then, and reasoning is never
    looked for in the text of an answer.
    """

    remembers: bool = False
    told_effort: bool = False

    def __call__(self, chat: Chat) -> str:
        """The prompt."""
        thinking = chat.think is not False
        turns = [*self._preamble(chat), *chatml.with_results(self._messages(chat, thinking=thinking))]
        answer = f"{THINK}\n" if thinking else f"{THINK}\n\n{THOUGHT}\n\n"
        return chatml.prompt(turns, goes_on=chat.prefill is not None, answer=answer)

    def _preamble(self, chat: Chat) -> Iterator[str]:
        instructions = [message for message in chat.messages if message.role in _INSTRUCTING]
        if not self.told_effort:
            instructions = [message for message in chat.messages[:1] if message.role == "system"]
        paragraphs = [
            _effort(chat.think) if self.told_effort else "",
            _offered(chat.tools) if chat.tools else "",
            *(message.content.strip() for message in instructions),
        ]
        text = "\n\n".join(filter(None, paragraphs))
        if text or (instructions and not self.told_effort):
            yield chatml.turn("system", text)

    def _messages(self, chat: Chat, *, thinking: bool) -> Iterator[tuple[str, str]]:
        question = _last_question(chat)
        for index, message in enumerate(chat.messages):
            match message.role:
                case "system" if index == 0:
                    pass
                case "system" | "developer" if self.told_effort:
                    pass
                case "assistant":
                    yield "assistant", self._answer(chat, index, now=thinking and index > question)
                case role:
                    yield role, chat.content(index).strip()

    def _answer(self, chat: Chat, index: int, *, now: bool) -> str:
        message, content = chat.messages[index], chat.content(index).strip()
        told = now or self.remembers
        thought = message.thinking.strip() if told else ""
        if not thought and not self.told_effort:
            thought, content = _split(content)
        calls = "\n".join(xml.written(call) for call in message.tool_calls)
        gap = "\n\n" if content.strip() and calls else ""
        return (f"{THINK}\n{thought}\n{THOUGHT}\n\n" if told else "") + content + gap + calls


def _effort(think: Think) -> str:
    match think:
        case None | "high" | "max":
            return _MUCH
        case "low":
            return _LITTLE
    return ""


def _offered(tools: tuple[Tool, ...]) -> str:
    return xml.offered("".join(f"\n{spaced(described(tool))}" for tool in tools))


def _split(content: str) -> tuple[str, str]:
    """The reasoning that a caller left in the text of an answer, and the answer."""
    before, end, after = content.partition(THOUGHT)
    if not end:
        return "", content
    return before.rpartition(THINK)[2].strip(), after.lstrip("\n")


def _last_question(chat: Chat) -> int:
    """The last message of the user that is no result of a tool written out by the caller."""
    return max(
        (index for index, message in enumerate(chat.messages) if message.role == "user" and not _is_result(message)),
        default=len(chat.messages) - 1,
    )


def _is_result(message: Message) -> bool:
    content = message.content.strip()
    return content.startswith("<tool_response>") and content.endswith("</tool_response>")


def _parser(chat: Chat, prompt: str) -> Parser:
    start = Start.after(prompt, chat.prefill, reasons=chat.think is not False)
    return TaggedParser({CALL: enclosed(xml.XmlSyntax(chat.tools))}, QWEN, start)


_READING = Reading(_parser, (THINK, THOUGHT, CALL, CALLED))

RENDERERS: Mapping[str, Renderer] = {
    "qwen3.5": _Renderer(),
    "qwen3.8": _Renderer(remembers=True, told_effort=True),
    "ornith": _Renderer(remembers=True),
}
PARSERS: Mapping[str, Reading] = {"qwen3.5": _READING, "ornith": _READING}
