"""What an engine says of itself."""

import sys

import pytest

from puna.engine.about import ask, built_for
from puna.errors import LoadFailed


def script(tmp_path, body):
    path = tmp_path / "llama-server"
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_engine_that_comes_with_puna():
    """It is named with its version, and tells what it was built for."""
    about = ask()
    assert about.name.startswith("llama.cpp, by xllamacpp 20")
    assert about.instructions


def test_a_binary_of_the_operators(tmp_path):
    """A llama-server is asked for its version."""
    about = ask(script(tmp_path, "import sys; sys.stderr.write('version: 8000 (abc)\\nbuilt with GCC\\n')"))
    assert "version: 8000 (abc) built with GCC" == about.name


def test_built_for():
    """Only what the build uses is listed."""
    assert ("SSE3", "AVX2") == built_for("CPU : SSE3 = 1 | AVX = 0 | AVX2 = 1 | ")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "instructions that this processor lacks"),
        ("import sys; print('first'); sys.exit('no CUDA here')", "no CUDA here"),
        ("import sys; sys.exit(3)", "exit status 3"),
    ],
)
def test_one_that_does_not_run(tmp_path, body, reason):
    """Why an engine does not run is said in its own last words, or by how it ended."""
    with pytest.raises(LoadFailed, match=reason):
        ask(script(tmp_path, body))


def test_one_that_is_not_there(tmp_path):
    """A path without a program is told with the path."""
    with pytest.raises(LoadFailed, match="no such file"):
        ask(str(tmp_path / "none"))
