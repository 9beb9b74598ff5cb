"""What a model can do and which template speaks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from puna.gguf import Gguf, read
from puna.store.capabilities import TemplateChoice, capabilities, choose_template
from puna.store.formats import Config
from puna.store.models import Store

PLAIN = "{{ .Prompt }}"
TOOLS = "{{ range .Tools }}{{ . }}{{ end }}{{ range .Messages }}{{ .Content }}{{ end }}"
ROUND_TRIP = (
    '{{ range .Tools }}{{ . }}{{ end }}{{ range .Messages }}{{ if eq .Role "tool" }}{{ .Content }}{{ end }}'
    "{{ range .ToolCalls }}{{ .Function.Name }}{{ end }}{{ end }}"
)
THINKS = "{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}{{ end }}"
INSERTS = "{{ .Prompt }}<fim>{{ .Suffix }}"
HARMONY = "<|start|>{{ .Prompt }}<|end|>"

JINJA = "{{ messages }}"
JINJA_TOOLS = "{{ messages }}{{ tools }}"
JINJA_ROUND_TRIP = "{{ tools }}{{ message.tool_calls }}<tool_response>"
JINJA_THINKS = "{{ messages }}<think></think>"


@pytest.mark.parametrize(
    ("template", "jinja", "go_template", "config", "choice"),
    [
        (None, "", None, {}, "none"),
        (None, "", True, {}, "none"),
        (None, JINJA, None, {}, "jinja"),
        (None, JINJA, True, {}, "jinja"),
        (PLAIN, "", None, {}, "go"),
        (PLAIN, "", False, {}, "go"),
        (PLAIN, JINJA, None, {}, "go"),
        (PLAIN, JINJA, True, {}, "go"),
        (PLAIN, JINJA, False, {}, "jinja"),
        (PLAIN, JINJA_TOOLS, None, {}, "jinja"),
        (PLAIN, JINJA_TOOLS, True, {}, "go"),
        (TOOLS, JINJA_TOOLS, None, {}, "go"),
        (TOOLS, JINJA_ROUND_TRIP, None, {}, "jinja"),
        (ROUND_TRIP, JINJA_ROUND_TRIP, None, {}, "go"),
        (ROUND_TRIP, JINJA_THINKS + JINJA_TOOLS, None, {}, "go"),
        ("{{ broken", JINJA, None, {}, "jinja"),
        (PLAIN, JINJA_TOOLS, False, {"parser": "qwen3"}, "go"),
        (PLAIN, JINJA_TOOLS, True, {"renderer": "qwen3-coder"}, "renderer"),
        (PLAIN, "", None, {"renderer": "qwen3-coder"}, "renderer"),
        (None, JINJA, None, {"renderer": "qwen3-coder"}, "renderer"),
        (HARMONY, JINJA_TOOLS, None, {"model_family": "gptoss"}, "go"),
        (HARMONY, JINJA_TOOLS, None, {"model_family": "llama"}, "jinja"),
        (PLAIN, JINJA_TOOLS, None, {"model_family": "gptoss"}, "jinja"),
    ],
)
def test_which_template(
    template: str | None, jinja: str, go_template: bool | None, config: dict[str, Any], choice: TemplateChoice
) -> None:
    """The better template speaks for a model, unless its config or its operator says otherwise."""
    assert choice == choose_template(Config(**config), template, jinja, go_template)


@pytest.fixture
def header(tmp_path: Path, write_gguf: Callable[..., Path]) -> Callable[..., Gguf]:
    return lambda **values: read(
        write_gguf(tmp_path / "m.gguf", {key.replace("__", "."): value for key, value in values.items()})
    )


@pytest.mark.parametrize(
    ("values", "config", "template", "expected"),
    [
        ({}, {}, None, ("completion",)),
        ({"llama__pooling_type": 1}, {}, None, ("embedding",)),
        ({"llama__vision__block_count": 2}, {}, None, ("completion", "vision")),
        ({"llama__audio__block_count": 2}, {}, None, ("completion", "audio")),
        (
            {"general__architecture": "nemotron_h_omni", "nemotron_h_omni__audio__block_count": 2},
            {},
            None,
            ("completion",),
        ),
        ({"tokenizer__chat_template": JINJA_TOOLS + JINJA_THINKS}, {}, None, ("tools", "thinking", "completion")),
        ({"tokenizer__chat_template": JINJA_THINKS}, {}, TOOLS, ("completion", "tools")),
        ({}, {}, TOOLS, ("completion", "tools")),
        ({}, {}, THINKS, ("completion", "thinking")),
        ({}, {}, INSERTS, ("completion", "insert")),
        ({}, {}, "{{ broken", ("completion",)),
        ({}, {"parser": "qwen3-thinking"}, PLAIN, ("completion", "tools", "thinking")),
        ({}, {"parser": "olmo3-think"}, PLAIN, ("completion", "thinking")),
        ({}, {"parser": "nobody knows"}, PLAIN, ("completion",)),
        ({}, {"model_family": "gptoss"}, PLAIN, ("completion", "thinking")),
        ({}, {"capabilities": ("tools", "flying")}, TOOLS, ("tools", "completion")),
    ],
)
def test_what_a_model_can_do(
    header: Callable[..., Gguf],
    values: dict[str, Any],
    config: dict[str, Any],
    template: str | None,
    expected: tuple[str, ...],
) -> None:
    """Config, weights, the template in use and the parser each tell something; nothing is told twice."""
    said, found = Config(**config), header(**values)
    choice = choose_template(said, template, found.chat_template, None)
    assert expected == capabilities(said, found, None, template, choice)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ("completion", "vision")),
        ({"clip__has_audio_encoder": True}, ("completion", "vision", "audio")),
        ({"clip__has_audio_encoder": False}, ("completion", "vision")),
        ({"clip__has_audio_encoder": True, "clip__vision__projector_type": "gemma3nv"}, ("completion", "vision")),
    ],
)
def test_projectors(header: Callable[..., Gguf], values: dict[str, Any], expected: tuple[str, ...]) -> None:
    """A projector lets a model see, and hear if it has an encoder for that."""
    model = header()
    projector = header(general__architecture="clip", **values)
    assert expected == capabilities(Config(), model, projector, None, "none")


def test_a_models_own_properties(tmp_path: Path, ollama: Any, write_gguf: Callable[..., Path]) -> None:
    """A model of the store answers for itself, by the operator's word."""
    weights = write_gguf(tmp_path / "m.gguf", {"tokenizer.chat_template": JINJA_TOOLS}).read_bytes()
    ollama.model("h/n/m/t", ollama.layer("model", weights), ollama.layer("template", PLAIN.encode()))
    ollama.model("h/n/stub/t", config={"remote_host": "https://x", "capabilities": ["vision"]})
    free, forced = Store(tmp_path), Store(tmp_path, go_template=True)
    assert ("jinja", ("tools", "completion")) == (
        free.model("h/n/m:t").template_choice,
        free.model("h/n/m:t").capabilities,
    )
    assert ("go", ("completion",)) == (forced.model("h/n/m:t").template_choice, forced.model("h/n/m:t").capabilities)
    assert ("vision",) == free.model("h/n/stub:t").capabilities
