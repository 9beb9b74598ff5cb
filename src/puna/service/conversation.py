"""The whole conversation that a request stands for: what the model brings, and what its caller says."""

from __future__ import annotations

from dataclasses import replace

from puna.store.models import Model
from puna.types import GenerateRequest, Message

_OLD_THOUGHTS = "qwen3", "deepseek-r1"
"""The architecture and the name of models whose earlier answers are shown to them without the reasoning."""


def of_chat(model: Model, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The whole conversation: the model's own messages, the caller's, and the model's system message if none leads."""
    if not messages:
        return ()
    system = (Message("system", model.system),) if model.system and messages[0].role != "system" else ()
    whole = (*system, *model.messages, *messages)
    family, name = _OLD_THOUGHTS
    forgets = model.details.family == family or model.name.model == name
    return _without_old_thoughts(whole) if forgets else whole


def of_prompt(model: Model, request: GenerateRequest) -> tuple[Message, ...]:
    """The conversation that a prompt of generate stands for."""
    user = Message("user", request.prompt, images=request.images)
    if request.raw or request.suffix:
        return (user,)
    system = request.system or model.system
    before = () if request.context else model.messages
    return (*((Message("system", system),) if system else ()), *before, user)


def _without_old_thoughts(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """``messages`` without what the model thought before the last thing the user said."""
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    return tuple(
        replace(message, content=_after_thoughts(message.content))
        if at < last and message.role == "assistant"
        else message
        for at, message in enumerate(messages)
    )


def _after_thoughts(content: str) -> str:
    before, opened, rest = content.partition("<think>")
    _, closed, after = rest.partition("</think>")
    return after.lstrip() if opened and closed and not before.strip() else content
