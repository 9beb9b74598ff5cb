"""The command, run in this process as a user runs it: arguments and standard input in, streams and exit code out."""

from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from puna.cli.main import main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def puna(api, monkeypatch, tmp_path):
    """Runs ``puna`` with these arguments in an empty folder, against the played server."""
    monkeypatch.setenv("OLLAMA_HOST", api.url)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*args: str, stdin: str = "") -> Result:
        with CliRunner().isolation(input=stdin) as (out, err, _):
            code = main(args)
            return Result(code, out.getvalue().decode(), err.getvalue().decode())

    return run
