"""The pages are whole: links lead somewhere, and what the code has is on the page that is about it."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from puna import config, modelfile
from puna.errors import ContextTooLong, QueueFull
from puna.options import Options

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NAMED = re.compile(r"`([a-z_]+(?:/[\w.-]+)*(?:/|\.(?:py|md)))`")


def anchors(text: str) -> set[str]:
    """What links to a page's headings may end in, as GitHub makes it of them."""
    headings = HEADING.findall(CODE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere(pages: dict[str, str], root: Path) -> None:
    """No link within the repository is dead, nor one to a heading."""
    dead = []
    for page, text in pages.items():
        for link in LINK.findall(CODE.sub("", text)):
            if "://" in link:
                continue
            path, _, anchor = link.partition("#")
            target = (root / page).parent / path if path else root / page
            if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
                dead.append(f"{page}: {link}")
    assert [] == dead


def test_what_is_made_from_the_code_is_up_to_date(root: Path) -> None:
    """cli.md shows the help of this version, and settings.md its settings."""
    check = subprocess.run(
        [sys.executable, root / "tests" / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (check.returncode, check.stdout + check.stderr)


def test_every_setting_is_on_its_page(pages: dict[str, str]) -> None:
    """What a variable means is found where settings are looked for; a variable that is named anywhere exists."""
    aiders = {"OLLAMA_API_BASE"}
    names = {row.name for row in config.TABLE} | set(config.CLIENT) | set(config.MEANINGLESS) | aiders
    for row in config.TABLE:
        assert f"| `{row.name}` |" in pages["docs/settings.md"]
    for page, text in pages.items():
        assert set(re.findall(r"\b(?:OLLAMA|PUNA)_[A-Z_]+\b", text)) <= names, page


def test_every_parameter_is_on_its_page(pages: dict[str, str]) -> None:
    """A model's parameters are documented with the defaults that hold, in the order of the code."""
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", pages["docs/models.md"], re.MULTILINE)
    shown: dict[object, str] = {None: "none", (): "none"}
    assert [(field.name, shown.get(field.default, str(field.default))) for field in dataclasses.fields(Options)] == rows


def test_every_instruction_is_on_its_page(pages: dict[str, str]) -> None:
    """Each instruction of a Modelfile is told of, and the example there is one."""
    page = pages["docs/models.md"]
    for instruction in modelfile._INSTRUCTIONS:
        assert f"`{instruction.upper()}`" in page
    [example] = re.findall(r"^```modelfile\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    said = modelfile.parse(example)
    assert ({"temperature": 0.3, "stop": ["User:"]}, ()) == (said.parameters, said.warnings)
    assert len(said.messages) == 2


def test_the_design_names_what_is_there(pages: dict[str, str], root: Path) -> None:
    """Whoever follows docs/design.md finds every file and package it names."""
    page = pages["docs/design.md"]
    [house] = re.findall(r"^## The house\n+```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    rooms = re.findall(r"[a-z]+", "\n".join(re.split(r"\s{2,}", line)[0] for line in house.splitlines()))
    assert "scheduler" in rooms
    named = set(rooms) | set(NAMED.findall(page))
    package = root / "src" / "puna"
    missing = [
        name
        for name in sorted(named)
        if not any(place.exists() for place in (package / name, package / f"{name}.py", root / name))
    ]
    assert [] == missing


def test_the_make_targets_are_there(pages: dict[str, str], root: Path) -> None:
    """Every `make …` that a page tells of can be made."""
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE))
    for page, text in pages.items():
        assert set(re.findall(r"(?:`|^\$ )make ([a-z]+)", text, re.MULTILINE)) <= targets, page


@pytest.mark.parametrize("error", [QueueFull(), ContextTooLong(5310, 4096)])
def test_errors_are_found_by_their_words(error: Exception, pages: dict[str, str]) -> None:
    """Who looks an error up finds it as it was printed."""
    assert f"**`{error}`**" in pages["docs/getting-started.md"]
