"""ChatML: turns between ``<|im_start|>`` and ``<|im_end|>``, as Qwen's models and many others were trained on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

_END = "<|im_end|>\n"
_ANSWER = "<|im_start|>assistant\n"


def turn(role: str, content: str) -> str:
    """One turn."""
    return f"<|im_start|>{role}\n{content}{_END}"


def prompt(turns: Iterable[str], *, goes_on: bool, answer: str = "") -> str:
    """``turns``, then the beginning of an ``answer``; or the last left open, if the answer ``goes_on`` there."""
    text = "".join(turns)
    return text.removesuffix(_END) if goes_on else f"{text}{_ANSWER}{answer}"


def with_results(messages: Iterable[tuple[str, str]], *, after: str = "") -> Iterator[str]:
    """The turns of ``messages``, each a role and a content.

    The results of tools that follow one another are a turn of the user's, which ends with ``after``.
    """
    for is_result, group in groupby(messages, lambda message: message[0] == "tool"):
        if is_result:
            results = (f"<tool_response>\n{content}\n</tool_response>" for _, content in group)
            yield turn("user", "\n".join(results) + after)
        else:
            yield from (turn(role, content) for role, content in group)
