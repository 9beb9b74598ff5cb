"""Models with a TEMPLATE layer of their own: the template renders, and the text of the answer is the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from puna.events import Event, Piece, Text
from puna.store.models import Model
from puna.template.prompt import PromptTemplate
from puna.types import Message, Prompt, Think, Tool


class PlainParser:
    """Every piece of text is a piece of the answer."""

    def feed(self, piece: Piece) -> Iterator[Event]:
        """Pass the text on."""
        if piece.text or piece.logprobs:
            yield Text(piece.text, piece.logprobs)

    def close(self) -> Iterator[Event]:
        """Nothing is ever held back."""
        return iter(())


class Generic:
    """The family of every model whose TEMPLATE is to be used."""

    rank = 90
    splits_thinking = False

    def matches(self, model: Model) -> bool:
        """Whether the model's TEMPLATE wins over the template in its GGUF."""
        return model.template_choice == "go"

    def render(self, model: Model, messages: Sequence[Message], *, tools: Sequence[Tool], think: Think) -> Prompt:
        """Execute the TEMPLATE."""
        return Prompt(PromptTemplate.parse(model.template or "").render(messages, tools=tools, think=think))

    def parser(self, model: Model, *, tools: Sequence[Tool], think: Think) -> PlainParser:  # noqa: ARG002 -- contract
        """A parser that changes nothing."""
        return PlainParser()


FAMILY = Generic()
