"""Texts that a JSON Schema allows, drawn at random as a model that knows nothing would write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from llguidance import LLMatcher, LLTokenizer

_TOKENIZER = LLTokenizer("byte")
_ENDING = frozenset(b'"]},0123456789')
_LONGEST = 600


def draw(schema: Mapping[str, Any], random: Random) -> str | None:
    """A text that ``schema``, made ready for the engine, allows; None if it got too long.

    Bytes that end something are drawn the more often, the longer the text is.
    """
    matcher = LLMatcher(_TOKENIZER, "%llguidance {}\nstart: %json " + json.dumps(schema))
    assert not matcher.is_error(), matcher.get_error()
    text = bytearray()
    while not matcher.is_stopped() and len(text) < _LONGEST:
        if matcher.is_accepting() and random.random() < 0.5:
            break
        mask = matcher.compute_bitmask()
        allowed = [byte for byte in range(256) if mask[byte // 8] >> byte % 8 & 1]
        allowed = [byte for byte in allowed if 32 <= byte < 127 and byte != ord("\\")] or allowed
        ending = [byte for byte in allowed if byte in _ENDING]
        byte = random.choice(ending if ending and random.random() < 0.3 + len(text) / 100 else allowed)
        assert matcher.consume_token(byte)
        text.append(byte)
    return text.decode("utf-8", "replace") if matcher.is_accepting() else None
