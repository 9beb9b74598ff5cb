"""Conversations in, prompts out: every entry of ``renderings``, to the byte.

An entry is an object: ``name``, ``renderer`` (its name), ``messages``, ``tools`` and ``think`` as a caller of the API
writes them (images as plain texts that stand for their bytes), and ``prompt``, what the renderer makes of them.
"""

from __future__ import annotations

from typing import Any

import pytest
from reading import chat_of, entries

from puna import families

ENTRIES = list(entries("renderings"))


@pytest.mark.parametrize("entry", [entry for _, entry in ENTRIES], ids=[name for name, _ in ENTRIES])
def test_a_conversation_becomes_the_prompt_the_model_was_trained_on(entry: dict[str, Any]) -> None:
    """To the byte: a space too many makes a model worse."""
    assert entry["prompt"] == families.renderers()[entry["renderer"]](chat_of(entry))


def test_every_renderer_has_renderings() -> None:
    """A renderer without one is a renderer nobody looked at."""
    assert set(families.renderers()) == {entry["renderer"] for _, entry in ENTRIES}
