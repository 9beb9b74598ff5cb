"""Which family speaks for a model, as its config, its TEMPLATE and the template in its GGUF have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from puna import families
from puna.errors import UnknownRenderer
from puna.families import Chat, Parser, generic, native
from puna.store.models import Model
from puna.template.prompt import DEFAULT_TEMPLATE, PromptTemplate
from puna.types import Conversation, Prompt

_HARMONY_FAMILIES = frozenset({"gptoss", "gpt-oss"})


@dataclass(frozen=True, slots=True)
class Family:
    """How one model is spoken to.

    ``render`` makes what the engine is given; it raises TemplateError where the template cannot render the chat.
    ``parser`` makes a parser for one answer to a chat, given the text of its prompt. Where ``reads_text`` is set that
    parser reads the model's own text, so a conversation that the engine renders has to be rendered to text first.
    """

    render: Callable[[Chat], Prompt | Conversation]
    parser: Callable[[Chat, str], Parser]
    prepare: Callable[[Chat], Chat]
    reads_text: bool = False
    tokens: tuple[str, ...] = ()


def find(model: Model) -> Family:
    """How ``model`` is spoken to; there always is a way.

    Raises:
        UnknownRenderer: its config names a renderer that puna does not have.
    """
    render = _rendering(model)
    # Most models name none; only those that do wait for all families to be loaded, once.
    reading = families.parsers().get(name) if (name := _parser_name(model)) else None
    if reading is not None:
        return Family(render, reading.parser, reading.prepare, reads_text=True, tokens=reading.tokens)
    if model.template_choice == "go":
        template = _template(model)
        return Family(
            render,
            lambda chat, prompt: generic.reader(template, chat, prompt),
            _unchanged,
            tokens=(*(template.thinking_tags() or ()), *(template.tool_tag() or "").split()),
        )
    return Family(render, _reader, _unchanged, tokens=generic.USUAL_TAGS)


def _reader(chat: Chat, prompt: str) -> Parser:
    """The engine tells apart what it renders itself; an answer to text of ours, it leaves as it is."""
    return generic.usual_reader(chat, prompt) if prompt else generic.Plain()


def _parser_name(model: Model) -> str:
    template = model.template or ""
    speaks_harmony = (
        model.details.family in _HARMONY_FAMILIES
        and model.template_choice == "go"
        and "<|start|>" in template
        and "<|end|>" in template
    )
    return model.parser or ("harmony" if speaks_harmony else "")


def _rendering(model: Model) -> Callable[[Chat], Prompt | Conversation]:
    if model.renderer:
        name = families.resolved(model.renderer, model.name.short, model.gguf.parameter_count / 1e9)
        renderer = families.renderers().get(name)
        if renderer is None:
            raise UnknownRenderer(model.renderer)
        return lambda chat: Prompt(renderer(chat))
    if model.template_choice == "go":
        template = _template(model)
        return lambda chat: Prompt(template.render(chat.messages, tools=chat.tools, think=chat.think))
    return partial(native.conversation, template=model.gguf.chat_template)


def _template(model: Model) -> PromptTemplate:
    return PromptTemplate.parse(model.template or DEFAULT_TEMPLATE)


def _unchanged(chat: Chat) -> Chat:
    return chat
