"""What the command prints, on which stream, and how it ends, against a page of transcripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command_line import World
from support.transcripts import Transcript, printed, read, told

CASES = [*read(Path(__file__).with_name("transcripts.md"))]
NOWHERE = "127.0.0.1:1"
"""Where no server can be."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_transcript(world: World, case: Transcript) -> None:
    """What Ollama's users know is said in the same words, on the same stream, with the same exit code."""
    environ = {"OLLAMA_HOST": NOWHERE} if case.name.startswith("noserver-") else {}
    done = world.puna(*case.args, **environ)
    assert told(case.err) == told(done.stderr)
    assert printed(case.out) == printed(done.stdout.replace(str(world.store), "/models"))
    assert case.code == done.returncode


def test_models_come_and_go(world: World) -> None:
    """A model is made, copied, listed and removed; each command says what it did, and several are removed at once."""
    made = world.puna("create", "small", "-f=lower")
    assert (0, "") == (made.returncode, made.stdout)
    expected = ["gathering model components", "using existing layer DIGEST", "creating new layer DIGEST"]
    assert [*expected, "writing manifest", "success"] == told(made.stderr)
    copied = world.puna("cp", "small", "small:v2")
    assert (0, "copied 'small' to 'small:v2'\n", "") == (copied.returncode, copied.stdout, copied.stderr)
    listed = printed(world.puna("list", "small").stdout).splitlines()
    assert ["NAME", "small:v2", "small:latest"] == [line.split()[0] for line in listed]
    assert all(line.endswith("  ID  SIZE  TIME ago") for line in listed[1:])
    removed = world.puna("rm", "small", "small:v2", "small")
    assert (1, "deleted 'small'\ndeleted 'small:v2'\n") == (removed.returncode, removed.stdout)
    assert "Error: model 'small' not found\n" == removed.stderr


def test_loaded(world: World) -> None:
    """A model that was loaded is listed with what it takes and how long it stays, until it is stopped."""
    loaded = world.puna("load", "other:v1", "--keepalive", "1h")
    assert (0, "loaded 'other:v1'\n", []) == (loaded.returncode, loaded.stdout, told(loaded.stderr))
    header, row = printed(world.puna("ps", "OTHER").stdout).splitlines()
    assert "NAME  ID  SIZE  PROCESSOR  CONTEXT  UNTIL" == header
    assert row.startswith("other:v1  ID  SIZE  100% CPU  ")
    assert row.endswith("  TIME from now")
    stopped = world.puna("stop", "other:v1")
    assert (0, "", "") == (stopped.returncode, stopped.stdout, stopped.stderr)
    assert 1 == len(world.puna("ps", "other").stdout.splitlines())
