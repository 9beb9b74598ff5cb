"""Finds the named format that a GGUF's Jinja chat template amounts to, by rendering both and comparing.

Where there is one, a model gets a TEMPLATE of its own, which can be changed and inherited.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from puna.template.formats import FORMATS, Format
from puna.template.prompt import PromptTemplate
from puna.template.sandbox import SimpleTemplate
from puna.types import Message

log = logging.getLogger(__name__)

_RICHER = ("tool", "think", "reason")
"""Words of Jinja templates that can do more than any named format."""

_SYSTEM = "Say only what is true."
_TURNS = (Message("user", "What is red?"), Message("assistant", "Poppies are."), Message("user", "And blue?"))
_PROBES = (_TURNS[:1], _TURNS)


@dataclass(frozen=True, slots=True)
class Detected:
    """The format found: its name, its Go template, and the parameters that go with it."""

    name: str
    template: str
    parameters: Mapping[str, Any]


def detect(jinja_text: str, *, eos_token: str = "") -> Detected | None:
    """The named format that ``jinja_text`` amounts to, or None.

    ``eos_token`` is the text of the model's end-of-sequence token, which some templates print. A system prompt that
    the template adds of itself is not carried over. Templates that know of tools or reasoning fit no named format.
    """
    if any(word in jinja_text for word in _RICHER):
        return None
    try:
        template = SimpleTemplate(jinja_text)
        without = tuple(_render(template, probe, eos_token) for probe in _PROBES)
    except Exception as error:  # noqa: BLE001 - a template can fail in any way, and then has no known format
        log.debug("a chat template fits no named format: %s", error)
        return None
    with_system = _render_with_system(template, eos_token)
    for known in FORMATS:
        if _fits(known, without, with_system):
            return Detected(known.name, known.template, known.parameters)
    return None


def _render(template: SimpleTemplate, messages: tuple[Message, ...], eos_token: str) -> str:
    given = [{"role": message.role, "content": message.content} for message in messages]
    return template.render(given, eos_token=eos_token)


def _render_with_system(template: SimpleTemplate, eos_token: str) -> tuple[str, ...] | None:
    """What the template makes of the probes with a system message before them; None if it takes none."""
    try:
        return tuple(_render(template, (Message("system", _SYSTEM), *probe), eos_token) for probe in _PROBES)
    except Exception as error:  # noqa: BLE001 - as above, but many templates refuse only this
        log.debug("a chat template takes no system message: %s", error)
        return None


def _fits(known: Format, without: tuple[str, ...], with_system: tuple[str, ...] | None) -> bool:
    go = PromptTemplate.parse(known.template)
    if with_system is None and known.has_system:
        return False
    if with_system is not None and with_system != tuple(_with_system(go, probe) for probe in _PROBES):
        return False
    return without == tuple(map(go.render, _PROBES)) or _adds_system(go, without)


def _with_system(go: PromptTemplate, probe: tuple[Message, ...]) -> str:
    return go.render((Message("system", _SYSTEM), *probe))


def _adds_system(go: PromptTemplate, without: tuple[str, ...]) -> bool:
    """Whether the texts are what ``go`` gives with one and the same system message before each probe."""
    added = set()
    for probe, text in zip(_PROBES, without, strict=True):
        before, _, after = _with_system(go, probe).partition(_SYSTEM)
        if len(text) <= len(before) + len(after) or not (text.startswith(before) and text.endswith(after)):
            return False
        added.add(text[len(before) : len(text) - len(after)])
    return len(added) == 1
