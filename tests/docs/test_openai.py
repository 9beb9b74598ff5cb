"""docs/openai.md is true: its programs run, one after the other, and print what is shown there."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

PAGE = "docs/openai.md"
BASE = "http://localhost:11434"

TOOLED = """\
{{- range .Tools }}{{ . }}
{{ end }}
{{- range .Messages }}<|im_start|>{{ .Role }}
{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""


@pytest.fixture
def url(server: Any) -> Iterator[str]:
    """A server with the page's models; what it calls `qwen3` here has but the tools and the reasoning of one."""
    server.call("POST", "/api/create", {"model": "qwen3", "from": "smollm2", "template": TOOLED, "stream": False})
    yield server.url
    server.call("DELETE", "/api/delete", {"model": "qwen3"})


@pytest.mark.real
def test_every_program_on_the_page_runs(url: str, blocks: Callable[[str], list[Any]]) -> None:
    """Who tries them gets what is shown; the refusal names the keyword that cannot be followed."""
    names: dict[str, Any] = {}
    programs = [(one, following) for one, following in pairwise([*blocks(PAGE), None]) if one.language == "python"]
    for block, following in programs:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code.replace(BASE, url), str(block), "exec", dont_inherit=True), names)
        if following is not None and following.language == "text":
            assert following.code == printed.getvalue(), str(block)
        assert printed.getvalue().strip(), f"{block} prints nothing"
    names["client"].close()
    assert 5 == len(programs)
    assert "/properties/tags/uniqueItems: " in names["refusal"]
