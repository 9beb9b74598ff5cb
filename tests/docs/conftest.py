"""The pages of the documentation, as the tests read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code: its language, what is in it, and the text between it and the next block or heading."""

    page: str
    line: int
    language: str
    code: str
    after: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def _blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text()
    found = list(_BLOCK.finditer(text))
    ends = [*(block.start() for block in found[1:]), len(text)]
    return [
        Block(
            page=page,
            line=text.count("\n", 0, block.start()) + 1,
            language=block.group(1),
            code=block.group(2),
            after=re.split(r"^#", text[block.end() : end], maxsplit=1, flags=re.MULTILINE)[0],
        )
        for block, end in zip(found, ends, strict=True)
    ]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def blocks() -> Callable[[str], list[Block]]:
    """The blocks of code of a page, in order: ``blocks("docs/api.md")``."""
    return _blocks


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """Every page written for people, by its path in the repository."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "packaging").glob("*.md")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted(paths)}
