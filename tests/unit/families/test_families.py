"""How models are spoken to: the family is found, renders, and its parser tells what the pieces are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest

from puna import families
from puna.errors import TemplateError
from puna.events import Event, Piece, Text, Thinking
from puna.families import Family, Parser, generic, native
from puna.store.capabilities import TemplateChoice
from puna.store.models import Model
from puna.types import Conversation, Message, Prompt, Think, TokenLogprob, Tool

TEMPLATE = "{{ if .System }}<s>{{ .System }}</s>{{ end }}<u>{{ .Prompt }}</u>{{ .Response }}"
LOGPROBS = (TokenLogprob("a", -0.5),)
TALK = (Message("system", "be kind"), Message("user", "Hi"))


@dataclass(frozen=True)
class FakeModel:
    """What a family looks at."""

    template_choice: TemplateChoice
    template: str | None = None


def model(choice: TemplateChoice, template: str | None = None) -> Model:
    return cast("Model", FakeModel(choice, template))


WITH_TEMPLATE, WITHOUT = model("go", TEMPLATE), model("jinja")


def parsed(parser: Parser, *pieces: Piece) -> list[Event]:
    return [event for piece in pieces for event in parser.feed(piece)] + list(parser.close())


def test_a_model_is_spoken_to_by_its_template() -> None:
    """Its TEMPLATE where that was chosen, else what its GGUF brings, or the engine's own where that brings none."""
    assert families.find(WITH_TEMPLATE) is generic.FAMILY
    assert families.find(WITHOUT) is native.FAMILY
    assert families.find(model("none")) is native.FAMILY


def test_every_family_found_has_a_rank_of_its_own() -> None:
    """Which is asked first never depends on the names of files; the one that takes all is last."""
    found: Sequence[Family] = families._families()
    ranks = [family.rank for family in found]
    assert ranks == sorted(set(ranks))
    assert found[-1] is native.FAMILY


def test_a_template_makes_the_whole_prompt() -> None:
    """The engine gets text, and has nothing left to render."""
    assert Prompt("<s>be kind</s><u>Hi</u>") == generic.FAMILY.render(WITH_TEMPLATE, TALK, tools=(), think=None)


def test_a_template_that_is_none_is_told() -> None:
    """As the error that names it, for any caller."""
    with pytest.raises(TemplateError):
        generic.FAMILY.render(model("go", "{{ if }}"), TALK, tools=(), think=None)


def test_with_a_template_every_text_is_the_answer() -> None:
    """Nothing is held back or told apart; a token without text keeps its log-probability."""
    assert not generic.FAMILY.splits_thinking
    parser = generic.FAMILY.parser(WITH_TEMPLATE, tools=(), think=None)
    pieces = Piece("<think>"), Piece(""), Piece("a", logprobs=LOGPROBS), Piece("", logprobs=LOGPROBS)

    assert [Text("<think>"), Text("a", LOGPROBS), Text("", LOGPROBS)] == parsed(parser, *pieces)


def test_without_a_template_the_engine_gets_the_conversation() -> None:
    """Messages and tools as the chat API has them; reasoning goes along where there is some."""
    tool = Tool("now", {"type": "function", "function": {"name": "now"}})
    messages = (*TALK, Message("assistant", "Hello", thinking="Hm"))

    assert Conversation(
        messages=[
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello", "reasoning_content": "Hm"},
        ],
        tools=[{"type": "function", "function": {"name": "now"}}],
    ) == native.FAMILY.render(WITHOUT, messages, tools=(tool,), think=None)


@pytest.mark.parametrize(
    ("think", "kwargs"),
    [
        (None, {}),
        (True, {"enable_thinking": True}),
        (False, {"enable_thinking": False}),
        ("low", {"enable_thinking": True, "reasoning_effort": "low"}),
        ("high", {"enable_thinking": True, "reasoning_effort": "high"}),
    ],
)
def test_what_was_said_of_thinking_reaches_the_template(think: Think, kwargs: dict[str, Any]) -> None:
    """On, off, a level, or nothing at all."""
    conversation = native.FAMILY.render(WITHOUT, TALK, tools=(), think=think)
    assert kwargs == conversation.template_kwargs


def test_without_a_template_the_engine_tells_reasoning_from_answer() -> None:
    """Each piece is what it is; its log-probabilities are given once."""
    assert native.FAMILY.splits_thinking
    parser = native.FAMILY.parser(WITHOUT, tools=(), think=True)
    pieces = (
        Piece(thinking="Hm", logprobs=LOGPROBS),
        Piece("a", "b", LOGPROBS),
        Piece(),
        Piece("c", logprobs=LOGPROBS),
        Piece(logprobs=LOGPROBS),
    )

    assert [
        Thinking("Hm", LOGPROBS),
        Thinking("b", LOGPROBS),
        Text("a"),
        Text("c", LOGPROBS),
        Text("", LOGPROBS),
    ] == parsed(parser, *pieces)
