"""``puna serve`` starts as it was told, or not at all."""

from __future__ import annotations

import pytest

from puna.cli.main import main


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--drain", "soon"], 'invalid argument "soon" for "--drain" flag: time: invalid duration "soon"'),
        (["--drain=-1s"], 'invalid argument "-1s" for "--drain" flag: must have an end'),
        (["--log-format", "xml"], 'invalid argument "xml" for "--log-format" flag: must be one of text, json'),
    ],
)
def test_a_flag_that_cannot_be_meant_is_refused(
    capsys: pytest.CaptureFixture[str], flags: list[str], problem: str
) -> None:
    """A server does not start with what it was not told."""
    assert (1, f"Error: {problem}\n") == (main(["serve", *flags]), capsys.readouterr().err)
