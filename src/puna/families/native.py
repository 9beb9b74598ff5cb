"""Models that bring their template in their GGUF: the engine renders and parses with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from puna.events import Event, Piece, Text, Thinking
from puna.store.models import Model
from puna.types import Conversation, Message, Think, Tool


class NativeParser:
    """The engine has already told reasoning from answer."""

    def feed(self, piece: Piece) -> Iterator[Event]:
        """Pass both on, each as what it is."""
        if piece.thinking:
            yield Thinking(piece.thinking, piece.logprobs)
        if piece.text or (piece.logprobs and not piece.thinking):
            yield Text(piece.text, () if piece.thinking else piece.logprobs)

    def close(self) -> Iterator[Event]:
        """Nothing is ever held back."""
        return iter(())


class Native:
    """The family of every model that no other family claims."""

    rank = 100
    splits_thinking = True

    def matches(self, model: Model) -> bool:  # noqa: ARG002 -- the contract's signature
        """Always: this family is asked last."""
        return True

    def render(self, model: Model, messages: Sequence[Message], *, tools: Sequence[Tool], think: Think) -> Conversation:  # noqa: ARG002 -- the contract's signature
        """Hand the messages over as they are."""
        return Conversation(
            messages=[_message(message) for message in messages],
            tools=[tool.definition for tool in tools],
            template_kwargs=_template_kwargs(think),
        )

    def parser(self, model: Model, *, tools: Sequence[Tool], think: Think) -> NativeParser:  # noqa: ARG002 -- contract
        """A parser that only names what it is given."""
        return NativeParser()


def _message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.thinking:
        wire["reasoning_content"] = message.thinking
    return wire


def _template_kwargs(think: Think) -> dict[str, Any]:
    if think is None:
        return {}
    kwargs: dict[str, Any] = {"enable_thinking": think is not False}
    if isinstance(think, str):
        kwargs["reasoning_effort"] = think
    return kwargs


FAMILY = Native()
