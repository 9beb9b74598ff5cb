"""Detection: which Jinja chat templates amount to a format known by name."""

from __future__ import annotations

import time

import pytest

from puna.template.detect import detect
from puna.template.formats import FORMATS
from puna.template.prompt import PromptTemplate

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DEFAULT_SYSTEM = (
    "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}"
)
LAID_OUT = """{{ bos_token }}
{%- for m in messages %}
    {%- if (m.role == 'user') or (m.role in ['assistant', 'system']) %}
        {{- '<|im_start|>' ~ m.role ~ '\n' ~ m.content | trim ~ '<|im_end|>\n' }}
    {%- else %}
        {{- raise_exception('Unknown role: ' + m.role) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}"""
LLAMA3 = (
    "{% set turns = messages %}{% for m in turns %}{% set content = '<|start_header_id|>' + m['role'] + "
    "'<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Alternate!') }}{% endif %}"
    "{% if m['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = m['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{{ '<start_of_turn>model\n' }}"
)
GEMMA3 = """{{ bos_token }}
{%- if messages[0].role == 'system' -%}
    {%- set prefix = messages[0].content + '\n\n' -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set prefix = '' -%}
    {%- set turns = messages -%}
{%- endif -%}
{%- for m in turns -%}
    {%- set role = 'model' if m.role == 'assistant' else m.role -%}
    {{ '<start_of_turn>' + role + '\n' + (prefix if loop.first else '') }}
    {%- if m.content is string -%}{{ m.content | trim }}{%- else -%}{{ raise_exception('?') }}{%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"""
PHI3 = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}{{ '<|assistant|>\n' }}"
)
ZEPHYR = """{% for m in messages %}
{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token }}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""
MISTRAL = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ m.content + eos_token }}{% else %}{{ raise_exception('?') }}{% endif %}"
    "{% endfor %}"
)
VICUNA = (
    "{% if messages[0].role == 'system' %}{{ messages[0].content + ' ' }}{% endif %}{% for m in messages %}"
    "{% if m.role == 'user' %}{{ 'USER: ' + m.content + ' ' }}{% elif m.role == 'assistant' %}"
    "{{ 'ASSISTANT: ' + m.content + eos_token }}{% endif %}{% endfor %}{{ 'ASSISTANT:' }}"
)
ALPACA = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}"
    "{{ '### Instruction:\n' + m.content }}{% else %}{{ '### Response:\n' + m.content }}{% endif %}{{ '\n\n' }}"
    "{% endfor %}{{ '### Response:\n' }}"
)
OPENCHAT = (
    "{% for m in messages %}{{ 'GPT4 Correct ' + m.role.title() + ': ' + m.content + '<|end_of_turn|>' }}{% endfor %}"
    "{{ 'GPT4 Correct Assistant:' }}"
)

KNOWN = {
    "chatml": ("chatml", CHATML),
    "chatml with a system prompt of its own": ("chatml", DEFAULT_SYSTEM),
    "chatml laid out over lines": ("chatml", LAID_OUT),
    "llama3": ("llama3-instruct", LLAMA3),
    "gemma": ("gemma-instruct", GEMMA),
    "gemma3": ("gemma3-instruct", GEMMA3),
    "phi-3": ("phi-3", PHI3),
    "zephyr": ("zephyr", ZEPHYR),
    "mistral": ("mistral-instruct", MISTRAL),
    "mistral with spaces": (
        "mistral-instruct",
        MISTRAL.replace("'[INST]", "' [INST]").replace("m.content + eos", "' ' + m.content + eos"),
    ),
    "vicuna": ("vicuna", VICUNA),
    "alpaca": ("alpaca", ALPACA),
    "openchat": ("openchat", OPENCHAT),
}

UNKNOWN = {
    "another format": CHATML.replace("im_start", "begin"),
    "a space more": CHATML.replace("'\n' +", "' \n' +"),
    "tools": CHATML + "{% if tools %}{% endif %}",
    "reasoning": CHATML + "{% if enable_thinking %}{% endif %}",
    "no Jinja": "{% for",
    "no system message where the format has one": CHATML.replace(
        "{{ '<|im_start|>' +", "{% if m.role == 'system' %}{{ 'x' }}{% endif %}{{ '<|im_start|>' +"
    ),
    "nothing": "",
    "refuses everything": "{{ raise_exception('no') }}",
    "wrong types": "{{ messages + 1 }}",
    "Python's insides": "{{ messages.__class__.__mro__ }}",
    "a macro": "{% macro x() %}{{ x() }}{% endmacro %}{{ x() }}",
    "an include": "{% include 'x' %}",
}

LOOPS = "{% for a in messages[0].content %}" * 12 + "{% endfor %}" * 12
HOSTILE = {
    "loops": LOOPS,
    "a long text": "{{ 'x' * 1000000000 }}",
    "a long power": "{{ 9 ** 9 ** 9 }}",
    "a padded text": "{{ '%1000000000d' % 1 }}",
    "a centred text": "{{ 'x'.center(1000000000) }}",
    "a centred text by filter": "{{ 'x' | center(1000000000) }}",
    "a centred text by another name": "{% set namespace = 'x'.center %}{{ namespace(1000000000) }}",
    "a centred text by an attribute": "{% set n = namespace() %}{% set n.title = 'x'.center %}{{ n.title(10000000) }}",
    "a replaced text": "{{ 'x'.replace('', 'y' + 'z') }}",
    "doubled text": "{% set x = 'x' %}" + "{% set x = x + x %}" * 200 + "{{ x }}",
    "doubled text, joined": "{% set x = 'x' %}" + "{% set x = x ~ x %}" * 200 + "{{ x }}",
    "doubled text, captured": "{% set x = 'x' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 200 + "{{ x }}",
    "doubled lists": "{% set x = ['x'] %}" + "{% set x = [x, x] %}" * 200 + "{{ x }}",
    "added lists": "{% set x = ['x'] %}" + "{% set x = x + x %}" * 200 + "{{ x }}",
    "ranges": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "uncounted loops": "{% set puna_count_turn = namespace %}" + LOOPS,
    "recursive loops": "{% for a in messages recursive %}{{ loop(messages) }}{% endfor %}",
    "much text": "{{ messages[0].content }}" * 600 + "{% for a in messages[0].content %}" + "x" * 5000 + "{% endfor %}",
    "a long template": CHATML + " " * 20_000,
    "deep nesting": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
}


@pytest.mark.parametrize(("name", "text"), KNOWN.values(), ids=KNOWN.keys())
def test_a_known_format_is_found(name: str, text: str) -> None:
    """A chat template that prints what a named format prints is that format, however it is written."""
    found = detect(text, eos_token="</s>")
    assert found is not None
    assert name == found.name
    assert found.parameters["stop"]


@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_any_other_is_not(text: str) -> None:
    """A chat template that prints something else, can do more, or fails is left to the engine."""
    assert detect(text) is None


def test_the_end_token_matters_where_it_is_printed() -> None:
    """A template that prints the model's own end token is a named format only if that is the format's."""
    assert detect(ZEPHYR, eos_token="<|endoftext|>") is None


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_template_does_no_harm(text: str) -> None:
    """A chat template that would take forever or fill the memory is refused in no time."""
    began = time.perf_counter()
    assert detect(text) is None
    assert time.perf_counter() - began < 10


def test_every_format_is_a_template() -> None:
    """The templates of all named formats parse and take a whole conversation."""
    assert all(PromptTemplate.parse(known.template).variables >= {"messages"} for known in FORMATS)


def test_chatml_is_exact() -> None:
    """The most common format is word for word what models come with elsewhere."""
    found = detect(CHATML)
    assert found is not None
    assert (
        "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
        == found.template
    )
    assert {"stop": ["<|im_start|>", "<|im_end|>"]} == found.parameters
