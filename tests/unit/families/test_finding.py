"""Who speaks for a model: the renderer and the parser it names, its TEMPLATE, or the template in its GGUF."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from puna import families
from puna.errors import UnknownRenderer
from puna.events import Text, Thinking
from puna.families import Chat
from puna.families.finding import find
from puna.families.generic import Plain
from puna.names import ModelName
from puna.store.capabilities import _PARSERS, TemplateChoice
from puna.store.models import Model
from puna.types import Conversation, Details, Message, Prompt, ToolCall

CHAT = Chat((Message("system", "be kind"), Message("user", "Hi")))
TEMPLATE = "{{ .System }}|{{ .Prompt }}"
HARMONY = "{{ range .Messages }}<|start|>{{ .Role }}<|message|>{{ .Content }}<|end|>{{ end }}"


@dataclass(frozen=True)
class Header:
    parameter_count: int = 4_000_000_000
    chat_template: str = ""


@dataclass(frozen=True)
class FakeModel:
    """What is looked at."""

    template_choice: TemplateChoice
    template: str | None = None
    renderer: str = ""
    parser: str = ""
    details: Details = field(default_factory=Details)
    name: ModelName = field(default_factory=lambda: ModelName.parse("m"))
    gguf: Header = field(default_factory=Header)


def model(choice: TemplateChoice, **parts: Any) -> Model:
    return cast("Model", FakeModel(choice, **parts))


def test_a_template_makes_the_whole_prompt() -> None:
    """The engine gets text, and has nothing left to render."""
    assert Prompt("be kind|Hi") == find(model("go", template=TEMPLATE)).render(CHAT)


@pytest.mark.parametrize("choice", ["jinja", "none"])
def test_without_one_the_engine_renders(choice: TemplateChoice) -> None:
    """With the template in the GGUF, or with its own where that has none."""
    family = find(model(choice))
    assert isinstance(family.render(CHAT), Conversation)
    assert isinstance(family.parser(CHAT, ""), Plain)
    assert not family.reads_text


def test_a_renderer_that_is_named_makes_the_prompt() -> None:
    """Whatever templates there are beside it."""
    prompt = find(model("renderer", template=TEMPLATE, renderer="qwen3-coder")).render(CHAT)
    assert Prompt(families.renderers()["qwen3-coder"](CHAT)) == prompt


def test_a_renderer_may_stand_for_one_by_the_size_of_the_model() -> None:
    """Gemma 4's does: small and large models were trained on other prompts."""
    tiny = find(model("renderer", renderer="gemma4", name=ModelName.parse("gemma4:e2b")))
    assert Prompt(families.renderers()["gemma4-small"](CHAT)) == tiny.render(CHAT)


def test_an_unknown_renderer_is_an_error_that_names_it() -> None:
    """A prompt in another form than the model's would only look as if it worked."""
    with pytest.raises(UnknownRenderer, match='unknown renderer "x"'):
        find(model("renderer", renderer="x"))


def test_a_parser_that_is_named_reads_the_answer() -> None:
    """Of a TEMPLATE's model, and of one that the engine renders, which then has to render it to text."""
    for choice in ("go", "jinja"):
        family = find(model(cast("TemplateChoice", choice), template=TEMPLATE, parser="deepseek3"))
        parser = family.parser(Chat(CHAT.messages, think=True), "")
        assert [Thinking("hm"), Text("Hi")] == [*parser.feed("hm</think>Hi"), *parser.close()]
        assert family.reads_text
        assert "</think>" in family.tokens


def test_an_unknown_parser_is_none() -> None:
    """The text of the answer is all there is to know of it."""
    parser = find(model("jinja", parser="x")).parser(CHAT, "")
    assert [Text("<think>hm</think>")] == [*parser.feed("<think>hm</think>"), *parser.close()]


def test_harmony_is_known_by_its_family_and_its_template() -> None:
    """Its models do not name a parser."""
    speaks = Details(family="gptoss")
    family = find(model("go", template=HARMONY, details=speaks))
    parser = family.parser(CHAT, "")
    said = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hi"
    assert [Thinking("hm"), Text("Hi")] == [
        found for found in (*parser.feed(said), *parser.close()) if found != Text("")
    ]
    assert not find(model("go", template=TEMPLATE, details=speaks)).reads_text


def test_what_the_store_says_of_parsers_is_said_of_those_there_are() -> None:
    """A model's capabilities are told without loading its family."""
    assert set(_PARSERS) <= set(families.parsers())


def test_an_answer_to_text_is_split_by_the_usual_tags() -> None:
    """As generate's with a context is, which the engine's own chat does not see; a prompt may have opened them."""
    family = find(model("jinja"))
    asked = Chat(CHAT.messages, think=True)
    for prompt, said in (("Hi", "<think>hm</think>Hi"), ("Hi\n<think>\n", "hm</think>Hi")):
        parser = family.parser(asked, prompt)
        assert [Thinking("hm"), Text("Hi")] == [*parser.feed(said), *parser.close()]
    assert isinstance(family.parser(Chat(CHAT.messages, think=False), "Hi"), Plain)


@pytest.mark.parametrize(
    ("template", "tokens"),
    [
        (
            '{{ range .Messages }}{{ if .ToolCalls }}[TOOL_CALLS] [{"name"{{ end }}{{ end }}{{ .Tools }}',
            "[TOOL_CALLS] [",
        ),
        ("{{ range .Messages }}{{ if .Thinking }}<t>{{ .Thinking }}</t>{{ end }}{{ end }}", "<t> </t>"),
        (TEMPLATE, ""),
    ],
)
def test_what_a_template_shows_of_answers_is_asked_of_the_engine(template: str, tokens: str) -> None:
    """In many vocabularies the marks around a tool call are special tokens, which the engine else leaves out."""
    assert tuple(tokens.split()) == find(model("go", template=template)).tokens


def test_a_template_in_the_gguf_may_refuse_ids_of_calls() -> None:
    """Mistral's do, and get other ids."""
    strict = find(model("jinja", gguf=Header(chat_template="{% if call.id|length != 9 %}")))
    chat = Chat((Message("assistant", tool_calls=(ToolCall("f", {}, "call_abc"),)),))
    for family, expected in ((strict, "call00001"), (find(model("jinja")), "call_abc")):
        rendered = family.render(chat)
        assert isinstance(rendered, Conversation)
        assert expected == rendered.messages[0]["tool_calls"][0]["id"]
