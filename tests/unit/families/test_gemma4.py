"""What the cases and renderings of Gemma 4 cannot say."""

from __future__ import annotations

import pytest

from puna import families


@pytest.mark.parametrize(
    ("model", "billions", "renderer"),
    [
        ("gemma4:e2b", 0, "gemma4-small"),
        ("gemma4:E4B-it-q4_K_M", 40, "gemma4-small"),
        ("gemma4:12b", 0, "gemma4-large"),
        ("someone/gemma4-26b:latest", 4, "gemma4-large"),
        ("gemma4:31b-it", 0, "gemma4-large"),
        ("assistant", 0, "gemma4-small"),
        ("assistant", 8, "gemma4-small"),
        ("assistant", 11.9, "gemma4-large"),
    ],
)
def test_a_model_of_the_family_gets_the_prompt_of_its_size(model: str, billions: float, renderer: str) -> None:
    """By the size in its name, else by its parameters; a model of which nothing is known counts as small."""
    assert renderer == families.resolved("gemma4", model, billions)


def test_the_engine_shows_every_token_that_is_read() -> None:
    """A tag that the engine leaves out of the text could not be found."""
    expected = {"<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", '<|"|>'}
    assert expected == set(families.parsers()["gemma4"].tokens) == set(families.parsers()["gemma4-no-thinking"].tokens)
