"""The table of the template language: what it names as a proof is one, and nothing of the language is left out."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

from puna.template import data
from puna.template.gotmpl.functions import BUILTINS

TEST = re.compile(r"`([\w/]+\.py::[^`]+)`")
ROW = re.compile(r"^\| (.+?) \| .*\|$", re.MULTILINE)
WORD = re.compile(r"`\.?(\w+)`")
ACTIONS = {"if", "else", "with", "range", "break", "continue", "define", "template", "block"}
FIELDS = {
    "Messages",
    "System",
    "Prompt",
    "Response",
    "Suffix",
    "Tools",
    "ToolCalls",
    "Think",
    "ThinkLevel",
    "IsThinkSet",
}


def test_every_test_in_the_tables_is_there(pages: dict[str, str], root: Path) -> None:
    """Whoever doubts a line of the page can run its proof."""
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/unit/template"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    there = {line.removeprefix("tests/unit/template/") for line in collected.stdout.splitlines()}
    named = set(TEST.findall(pages["docs/templates.md"]))
    assert len(named) > 150
    assert set() == named - there


def test_every_line_has_a_proof(pages: dict[str, str]) -> None:
    """A promise without a test is not made."""
    lines = [line for line in pages["docs/templates.md"].splitlines() if line.startswith("| ")]
    assert [] == [line for line in lines if not TEST.search(line) and not line.endswith("| the test |")]


def test_all_of_the_language_is_on_the_page(pages: dict[str, str]) -> None:
    """Every action, every function and every name that Ollama gives to templates has a line."""
    told = {word for cell in ROW.findall(pages["docs/templates.md"]) for word in WORD.findall(cell)}
    functions = {*BUILTINS, *data.functions(dt.date(2026, 1, 1))}
    assert set() == (ACTIONS | FIELDS | functions) - told
