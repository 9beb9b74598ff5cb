"""The conversation a request stands for: what its model brings comes with what its caller says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from puna.service import conversation
from puna.types import GenerateRequest, Message

OWN = (Message("user", "q"), Message("assistant", "<think>hm</think>\n\na"))
SYSTEM = Message("system", "be kind")
HI = Message("user", "Hi")


def model(family: str = "llama", name: str = "m") -> Any:
    return SimpleNamespace(
        system="be kind", messages=OWN, details=SimpleNamespace(family=family), name=SimpleNamespace(model=name)
    )


def test_a_chat_begins_as_the_model_has_it() -> None:
    """With its system message and the examples it was made with."""
    assert (SYSTEM, *OWN, HI) == conversation.of_chat(model(), (HI,))


def test_the_callers_system_message_takes_the_place_of_the_models() -> None:
    """If it is the first thing the caller says; later ones are added."""
    other = Message("system", "be brief")
    assert (*OWN, other, HI) == conversation.of_chat(model(), (other, HI))
    assert (SYSTEM, *OWN, HI, other) == conversation.of_chat(model(), (HI, other))


def test_nothing_said_is_no_conversation() -> None:
    """It only loads the model."""
    assert () == conversation.of_chat(model(), ())


@pytest.mark.parametrize("forgetful", [model("qwen3"), model(name="deepseek-r1")])
def test_models_that_should_not_see_old_thoughts_do_not(forgetful: Any) -> None:
    """They were made so; what was thought since the user last spoke they see."""
    since = Message("assistant", "<think>now</think>b")
    shown = conversation.of_chat(forgetful, (HI, since))
    assert (SYSTEM, OWN[0], Message("assistant", "a"), HI, since) == shown


def test_a_prompt_is_what_the_user_says() -> None:
    """The request's system message takes the place of the model's."""
    assert (SYSTEM, *OWN, HI) == conversation.of_prompt(model(), GenerateRequest("m", prompt="Hi"))
    asked = GenerateRequest("m", prompt="Hi", system="be brief", context=(1,))
    assert (Message("system", "be brief"), HI) == conversation.of_prompt(model(), asked)


@pytest.mark.parametrize(
    "asked", [GenerateRequest("m", prompt="Hi", raw=True), GenerateRequest("m", prompt="Hi", suffix="!")]
)
def test_a_raw_prompt_and_one_to_fill_in_are_alone(asked: GenerateRequest) -> None:
    """Nothing is put before them."""
    assert (HI,) == conversation.of_prompt(model(), asked)
