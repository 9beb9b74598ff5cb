"""What the cases and renderings of FunctionGemma cannot say."""

from __future__ import annotations

from puna import families


def test_the_engine_shows_every_token_that_is_read() -> None:
    """Without the quotes a comma in a string would end it."""
    expected = {"<start_function_call>", "<end_function_call>", "<escape>"}
    assert expected == set(families.parsers()["functiongemma"].tokens)
