"""Conversations, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from puna.types.answers import ToolCall
from puna.types.inference import Inference


@dataclass(frozen=True, slots=True)
class Tool:
    """A function offered to the model; ``definition`` is its JSON as the caller gave it."""

    name: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which of the tools an answer calls: ``auto``, as the model likes; ``none``; ``required``, at least one.

    ``names`` are the only tools that may be called, () all of them; ``parallel`` allows several calls in one answer.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] = ()
    parallel: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. ``images`` are decoded bytes (pictures or sound)."""

    role: str
    content: str = ""
    thinking: str = ""
    images: tuple[bytes, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest(Inference):
    """Continue a conversation."""

    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
