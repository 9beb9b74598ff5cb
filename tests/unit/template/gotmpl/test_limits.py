"""Limits: no template hangs or grows at will."""

from __future__ import annotations

import pytest

from puna.errors import TemplateError
from puna.template.gotmpl import MAX_CALLS, MAX_CHARACTERS, MAX_STEPS, limits, parse

DOUBLING = '{{ $x := "%d" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}'
STEPS = {
    "loops": "{{ range 1000000000 }}{{ end }}",
    "loops in loops": "{{ range 99999 }}{{ range 99999 }}x{{ end }}{{ end }}",
    "long pipelines": "{{ range 99999 }}{{ and 1 1 1 1 1 1 1 1 }}{{ end }}",
    "templates that call twice": (
        '{{ define "a" }}{{ template "b" }}{{ template "b" }}{{ end }}'
        '{{ define "b" }}{{ range 99 }}x{{ end }}{{ template "a" }}{{ end }}{{ template "a" }}'
    ),
}
TEXT = {
    "printed": "{{ range 99 }}{{ $.Long }}{{ end }}",
    "doubled": DOUBLING,
    "padded": '{{ range 99 }}{{ printf "%1000000d" 1 }}{{ end }}',
    "padded without printing": '{{ range 9999 }}{{ $x := printf "%1000000d" 1 }}{{ end }}',
    "padded in one go": "{{ printf `" + "%1000000[1]d" * 99 + "` 1 }}",
    "padded elements": '{{ printf "%1000000v" .Many }}',
    "compared": "{{ range 9999 }}{{ if eq $.Long $.Other }}{{ end }}{{ end }}",
    "measured": "{{ range 9999 }}{{ if len $.Long }}{{ end }}{{ end }}",
}
DATA = {"Long": "é" * 99_999, "Other": "é" * 99_999 + "x", "Many": [0] * 99}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less is allowed than usual, so that reaching the limits takes no time."""
    monkeypatch.setattr(limits, "MAX_STEPS", 10_000)
    monkeypatch.setattr(limits, "MAX_CHARACTERS", 1 << 20)
    monkeypatch.setattr("puna.template.gotmpl.printf.MAX_CHARACTERS", 1 << 20)


@pytest.mark.parametrize("text", STEPS.values(), ids=STEPS.keys())
def test_steps_are_limited(text: str) -> None:
    """A template that would take forever ends with a clear error."""
    with pytest.raises(TemplateError, match="the template takes more than 10000 steps"):
        parse(text).execute(DATA)


@pytest.mark.parametrize("text", TEXT.values(), ids=TEXT.keys())
def test_text_is_limited(text: str) -> None:
    """A template that would fill the memory, or handle text forever, ends with a clear error."""
    with pytest.raises(TemplateError, match="more than 1048576 characters of text"):
        parse(text).execute(DATA)


def test_templates_cannot_call_one_another_forever() -> None:
    """Recursion without end is an error that names the template."""
    with pytest.raises(TemplateError, match=rf'executing "a" at .*: exceeded maximum template depth \({MAX_CALLS}\)'):
        parse('{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}').execute(DATA)


def test_recursion_through_blocks_is_an_error_too() -> None:
    """Recursion that is deep in other ways is an error of the template, not of Python."""
    deep = "{{ if 1 }}" * 30 + '{{ template "a" }}' + "{{ end }}" * 30
    with pytest.raises(TemplateError, match=r"^template: n: the template is nested too deeply$"):
        parse(f'{{{{ define "a" }}}}{deep}{{{{ end }}}}{{{{ template "a" }}}}', name="n").execute(DATA)


def test_the_limits_leave_room_for_long_conversations() -> None:
    """Ordinary use stays far below the limits."""
    assert MAX_STEPS >= 1_000_000
    assert MAX_CHARACTERS >= 64 << 20
