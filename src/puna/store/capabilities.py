"""What a model can do, and which of its templates speaks for it: told from its parts, without loading it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal, get_args

from puna.errors import TemplateError
from puna.gguf import Gguf
from puna.store.formats import Config
from puna.template import jinja
from puna.template.prompt import PromptTemplate
from puna.types import Capability

log = logging.getLogger(__name__)

TemplateChoice = Literal["renderer", "go", "jinja", "none"]
"""Who makes the prompt: the renderer that its config names, its TEMPLATE, the Jinja template in its GGUF, or nobody."""

_KNOWN: tuple[Capability, ...] = get_args(Capability)

_BOTH: tuple[Capability, ...] = ("tools", "thinking")
_PARSERS: Mapping[str, tuple[Capability, ...]] = {
    "qwen3": ("tools",),
    "qwen3-thinking": _BOTH,
    "qwen3.5": _BOTH,
    "ornith": _BOTH,
    "qwen3-coder": ("tools",),
    "qwen3-vl-instruct": ("tools",),
    "qwen3-vl-thinking": _BOTH,
    "harmony": _BOTH,
    "cogito": _BOTH,
    "deepseek3": _BOTH,
    "olmo3": ("tools",),
    "olmo3-think": ("thinking",),
    "nemotron-3-nano": _BOTH,
    "nemotron-3.5-nano": _BOTH,
    "glm-4.7": _BOTH,
    "glm-ocr": ("tools",),
    "gemma4": _BOTH,
    "gemma4-no-thinking": ("tools",),
    "functiongemma": ("tools",),
    "lfm2": ("tools",),
    "lfm2-thinking": _BOTH,
    "ministral": ("tools",),
    "laguna": _BOTH,
    "poolside-v1": _BOTH,
    "cohere": _BOTH,
    "glimmer": _BOTH,
}
"""The parsers a config may name, and what they find in an answer."""

_HARMONY = frozenset({"gptoss", "gpt-oss"})


def choose_template(config: Config, template: str | None, jinja_text: str, go_template: bool | None) -> TemplateChoice:
    """Which template speaks for a model: its TEMPLATE (None: it has none) or ``jinja_text`` of its GGUF ("": none).

    ``go_template`` is the operator's word: TEMPLATE always, never, or (None) the better one. In this order:

    1. It names a renderer.
    2. A model has one template, or none: that one, whatever the operator says.
    3. It names a parser, or speaks in channels: its answers are made for its TEMPLATE.
    4. The operator has a say.
    5. The one that can do more.
    """
    if config.renderer:
        return "renderer"
    if template is None or not jinja_text:
        return "go" if template is not None else "jinja" if jinja_text else "none"
    if config.parser or (config.model_family in _HARMONY and "<|start|>" in template and "<|end|>" in template):
        return "go"
    if go_template is not None:
        return "go" if go_template else "jinja"
    parsed = _parsed(template)
    return "jinja" if parsed is None or jinja.prefer_jinja(parsed, jinja_text) else "go"


def declared(config: Config) -> tuple[Capability, ...]:
    """What its config says a model can do, which is all there is to know of one that runs elsewhere."""
    return tuple(known for name in config.capabilities or () for known in _KNOWN if known == name)


def capabilities(
    config: Config, gguf: Gguf, projector: Gguf | None, template: str | None, choice: TemplateChoice
) -> tuple[Capability, ...]:
    """What a model can do, each thing once, in the order it was found."""
    found = list(declared(config))
    if choice == "jinja":
        found += _of_jinja(gguf.chat_template)
    found.append("completion" if gguf.of_architecture("pooling_type") is None else "embedding")
    if gguf.of_architecture("vision.block_count"):
        found.append("vision")
    if gguf.of_architecture("audio.block_count"):
        found.append("audio")
    if projector is not None:
        found += _of_projector(projector)
    if choice in {"go", "renderer"} and template is not None and (parsed := _parsed(template)) is not None:
        found += sorted(parsed.capabilities)
    found += _PARSERS.get(config.parser, ())
    if config.model_family in _HARMONY:
        found.append("thinking")
    muted = {"audio"} if gguf.architecture == "nemotron_h_omni" else set()
    return tuple(name for name in dict.fromkeys(found) if name not in muted)


def _of_jinja(text: str) -> list[Capability]:
    can: list[Capability] = []
    if jinja.tools(text):
        can.append("tools")
    if jinja.thinking(text):
        can.append("thinking")
    return can


def _of_projector(projector: Gguf) -> list[Capability]:
    hears = any(key.endswith("has_audio_encoder") and value for key, value in projector.metadata.items())
    unheard = projector.metadata.get("vision.projector_type", projector.metadata.get("clip.vision.projector_type"))
    return ["vision", "audio"] if hears and unheard != "gemma3nv" else ["vision"]


def _parsed(template: str) -> PromptTemplate | None:
    """None for a template that does not parse, which can do nothing and is no reason not to show its model."""
    try:
        return PromptTemplate.parse(template)
    except TemplateError as error:
        log.warning("a TEMPLATE in the store does not parse: %s", error)
        return None
