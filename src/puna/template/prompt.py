"""A model's TEMPLATE: what it is able to say, and the prompt it makes of a conversation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from puna.errors import InvalidRequest
from puna.template import data, inspection
from puna.template.gotmpl import Template
from puna.template.gotmpl import parse as parse_go
from puna.types import Message, Think, Tool

DEFAULT_TEMPLATE = "{{ .Prompt }}"
"""The template of a model that comes without one."""

TemplateCapability = Literal["tools", "insert", "thinking"]

_TOOL_RESULT_MARKS = ('eq .Role "tool"', "tool_response", "TOOL_RESULTS")


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A parsed template.

    ``text`` is as the model brings it, ``variables`` are the names used in it, in lower case, and ``capabilities``
    is what a model can do as far as its template tells.
    """

    text: str
    variables: frozenset[str]
    capabilities: frozenset[TemplateCapability]
    _thinking_tags: tuple[str, str] | None
    _tool_tag: str | None
    _whole: Template
    _open: Template
    """The template cut where the answer goes, for the last turn of a template that is executed turn by turn."""

    @classmethod
    def parse(cls, text: str) -> PromptTemplate:
        """Parse ``text``; a template that was parsed lately is not parsed again.

        Raises:
            TemplateError: the text is not a template.
        """
        return _parse(text)

    @property
    def tool_round_trip(self) -> bool:
        """Whether tool calls of the model and the results of tools have a place in the prompt."""
        return {"tools", "toolcalls"} <= self.variables and any(mark in self.text for mark in _TOOL_RESULT_MARKS)

    def thinking_tags(self) -> tuple[str, str] | None:
        """What the model writes before and after its reasoning, or None if the template does not tell."""
        return self._thinking_tags

    def tool_tag(self) -> str | None:
        """What a tool call of the model begins with, ``{`` if with nothing special; None if it knows no tools."""
        return self._tool_tag

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        think: Think = None,
        today: dt.date | None = None,
    ) -> str:
        """The prompt for ``messages``, after which the model's answer comes; ``today`` is the date it tells the model.

        Raises:
            InvalidRequest: tools or calls are nested too deeply.
            TemplateError: the template cannot be executed, or takes more than the limits allow.
        """
        merged = _merge(messages)
        if "messages" not in self.variables:
            return "".join(self._turns(merged, _thinking(think), today))
        try:
            values = {"Messages": data.messages(merged), "Tools": data.tools(tools)}
        except RecursionError:
            raise InvalidRequest("a tool, or the arguments of a call, are nested too deeply") from None
        system = "\n\n".join(message.content for message in messages if message.role == "system")
        return _execute(self._whole, {"System": system, **values, "Response": "", **_thinking(think)}, today)

    def render_infill(self, prompt: str, suffix: str, *, think: Think = None, today: dt.date | None = None) -> str:
        """The prompt for what belongs between ``prompt`` and ``suffix``.

        Raises:
            TemplateError: the template cannot be executed, or takes more than the limits allow.
        """
        values = {"Prompt": prompt, "Suffix": suffix, "Response": ""}
        return _execute(self._whole, {**values, **_thinking(think)}, today)

    def _turns(self, messages: Sequence[Message], thinking: Mapping[str, Any], today: dt.date | None) -> Iterator[str]:
        """Execute a template without messages once per turn: a system prompt, a prompt and its answer."""
        turn = _Turn()
        for message in messages:
            if turn.closed_by(message.role):
                yield _execute(self._whole, {**turn.values(), **thinking}, today)
                turn = _Turn()
            turn = turn.having(message)
        yield _execute(self._open, {**turn.values(), **thinking}, today)


@dataclass(frozen=True, slots=True)
class _Turn:
    system: str = ""
    prompt: str = ""
    response: str = ""

    def closed_by(self, role: str) -> bool:
        if role == "system":
            return bool(self.prompt or self.response)
        return role == "user" and bool(self.response)

    def having(self, message: Message) -> _Turn:
        match message.role:
            case "system":
                return replace(self, system=message.content)
            case "user":
                return replace(self, prompt=message.content)
            case "assistant":
                return replace(self, response=message.content)
            case _:
                return self

    def values(self) -> dict[str, Any]:
        return {"System": self.system, "Prompt": self.prompt, "Response": self.response}


@lru_cache(maxsize=64)
def _parse(text: str) -> PromptTemplate:
    whole = parse_go(text, functions=data.functions(_today()))
    names = inspection.variables(whole.trees.values())
    if not names & {"messages", "response"}:
        added = inspection.response_action(len(text))
        whole = whole.with_root(replace(whole.root, nodes=(*whole.root.nodes, added)))
        names |= {"response"}
    tags = inspection.thinking_tags(whole.root)
    able: dict[TemplateCapability, bool] = {
        "tools": "tools" in names,
        "insert": "suffix" in names,
        "thinking": tags is not None,
    }
    return PromptTemplate(
        text=text,
        variables=names,
        capabilities=frozenset(name for name, found in able.items() if found),
        _thinking_tags=tags,
        _tool_tag=inspection.tool_tag(whole.root) if able["tools"] else None,
        _whole=whole,
        _open=whole.with_root(inspection.cut_after_response(whole.root)),
    )


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).astimezone().date()


def _execute(template: Template, values: Mapping[str, Any], today: dt.date | None) -> str:
    return template.execute(values, functions=data.functions(today or _today()))


def _thinking(think: Think) -> dict[str, Any]:
    level = think if isinstance(think, str) else "medium" if think else ""
    return {"Think": bool(think), "ThinkLevel": level, "IsThinkSet": think is not None}


def _merge(messages: Sequence[Message]) -> list[Message]:
    """Join what one role says in a row to one message, except the results of tools.

    Thoughts, images and tool calls stay with the joined message.
    """
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role != "tool":
            before = merged[-1]
            merged[-1] = replace(
                before,
                content=f"{before.content}\n\n{message.content}",
                thinking="\n\n".join(filter(None, (before.thinking, message.thinking))),
                images=before.images + message.images,
                tool_calls=before.tool_calls + message.tool_calls,
            )
        else:
            merged.append(message)
    return merged
