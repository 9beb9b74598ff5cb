"""The transcripts of a genuine Ollama, if they are at hand: ``TRANSCRIPTS=/path/to/cli-transcripts.md``.

What their models and Modelfiles were is told by what was printed; ``MF`` has those Modelfiles.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command_line import World
from support.transcripts import Transcript, printed, read, told

PAGE = os.environ.get("TRANSCRIPTS", "")
CASES = [*read(Path(PAGE))] if PAGE else []
NOWHERE = "127.0.0.1:1"
ONLY_OLLAMAS = ("verifying conversion",)
"""Ollama writes the GGUF files it imports anew; puna keeps them as they are."""
CLEARER = {
    "Error: open /models/manifests/127.0.0.1:1/library/none/latest: no such file or directory": (
        "Error: model '127.0.0.1:1/library/none:latest' not found"
    )
}
"""What puna says in words that are not a file system's."""

TEMPLATE = """TEMPLATE \"\"\"{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
\"\"\"
"""
TOOLS = 'TEMPLATE """{{ .Tools }}{{ .Prompt }}"""\nPARAMETER stop <|im_start|>\nPARAMETER stop <|im_end|>\n'
MF = {
    "gguf": "FROM {gguf}\n",
    "badval": "FROM smol\nPARAMETER temperature hot\n",
    "badrole": "FROM smol\nMESSAGE nobody hi\n",
    "bogus": "FROM smol\nBOGUS x\n",
    "nofrom": "SYSTEM hi\n",
    "unterm": 'FROM smol\nSYSTEM """hi\n',
    "lower": f"from smol\n{TEMPLATE.lower().replace('.messages', '.Messages').replace('.role', '.Role')}"
    "system hi\nparameter num_ctx 2048\n",
    "run": "FROM smol\nPARAMETER temperature 0\nPARAMETER num_predict 12\n",
    "tools": f"FROM smol\n{TOOLS}",
    "cli1": 'FROM {gguf}\nTEMPLATE {{ .Prompt }}\nSYSTEM """You are\nmultiline."""\n'
    "PARAMETER stop a\nPARAMETER stop b\nPARAMETER temperature 0.5\n"
    "LICENSE L1\nMESSAGE user hi\nMESSAGE assistant hello\n",
}


@pytest.fixture(scope="module")
def ollamas(
    tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Any], smollm2: Path
) -> Iterator[World]:
    """A server with the models that the page tells of."""
    store, folder = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("folder")
    for name, text in MF.items():
        (folder / f"MF.{name}").write_text(text.replace("{gguf}", str(smollm2)).replace(".content", ".Content"))
    (folder / "Modelfile").write_text("FROM smol\n")
    with start_server(store) as running:
        world = World(running.url, folder, store)
        for name, modelfile in (("smol", "gguf"), ("smol-run", "run"), ("cli1", "cli1"), ("smol-tools", "tools")):
            assert 0 == world.puna("create", name, "-f", f"MF.{modelfile}").returncode
        assert 0 == world.puna("create", "cli4", "-f", "MF.lower").returncode
        assert 0 == world.puna("load", "smol-run", "--keepalive", "1m").returncode
        yield world


def named(text: str) -> str:
    """``text`` with puna's names for itself and for a release."""
    for ollamas, punas in (
        ("'ollama serve'", "'puna serve'"),
        ("ollama server", "puna server"),
        ('for "ollama"', 'for "puna"'),
        ("ollama version", "puna version"),
        ("Ollama instance", "Puna instance"),
    ):
        text = text.replace(ollamas, punas)
    return text


def steps(text: str) -> list[str]:
    """The lines on standard error; which layers were there before, and how long a load took, is another matter."""
    lines = [re.sub("(?:creating new|using existing) layer", "layer", line) for line in told(text)]
    return [line for line in dict.fromkeys(lines) if line not in ONLY_OLLAMAS and not line.startswith("loading the ")]


@pytest.mark.skipif(not CASES, reason="TRANSCRIPTS names no page")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_transcript(ollamas: World, case: Transcript) -> None:
    """What a script reads of Ollama's it reads of puna's."""
    if case.name.startswith("list") and case.name != "list-nomatch":
        pytest.skip("lists models that were made otherwise; the layout is compared in the unit tests")
    if case.args[0] == "rm":
        ollamas.puna("cp", "smol", case.args[1])
    environ = {"OLLAMA_HOST": NOWHERE} if case.name.startswith("noserver-") else {}
    # The page has lost the quotes around its only argument with a space.
    args = [*case.args[:1], "a b", *case.args[3:]] if case.name == "create-badname" else case.args
    done = ollamas.puna(*args, **environ)
    assert case.code == done.returncode
    assert [CLEARER.get(line, line) for line in steps(named(case.err))] == steps(done.stderr)
    assert printed(named(case.out)) == printed(done.stdout.replace(str(ollamas.store), "/models"))
