"""The frameworks that people build with, in an environment of their own: what each does is in its file beside this."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FRAMEWORKS = Path(__file__).with_name("frameworks")
PYTHON = Path(sys.prefix) / "clients" / "bin" / "python"
SETTINGS = ("LANGCHAIN_", "LANGSMITH_", "LITELLM_", "OLLAMA_", "OPENAI_")


@pytest.fixture(scope="session")
def environ(server: Any, scripted: Any, tooled: str, eyes: str, photo: Path) -> dict[str, str]:
    """The environment of a framework's programs: the servers, and nothing to do with the one who runs the tests."""
    assert {"tooled", "eyes"} == {tooled, eyes}
    servers = {"PUNA_TEST_REAL": server.url, "PUNA_TEST_SCRIPTED": scripted.url}
    files = {"PUNA_TEST_LOG": str(scripted.log), "PUNA_TEST_PICTURE": str(photo)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    return kept | servers | files | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # which it else fetches, at every start


@pytest.mark.parametrize("name", ["langchain_ollama", "langchain_openai", "litellm", "llama_index"])
def test_programs_run_as_they_are(environ: dict[str, str], name: str) -> None:
    """Its users change the address and nothing else; every test in its file passes."""
    assert PYTHON.exists(), "the client libraries for Python are missing: run the tests with `make test`"
    command = [PYTHON, "-m", "pytest", FRAMEWORKS / f"with_{name}.py"]
    done = subprocess.run(command, env=environ, cwd=FRAMEWORKS, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
