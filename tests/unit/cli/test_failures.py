"""Whatever goes wrong is one line on standard error and an exit code, and never a traceback that nobody asked for."""

import errno

import click
import pytest

from puna.cli.failures import told
from puna.errors import LoadFailed, StoreError


def raised(error):
    """The exception as it is when it was raised somewhere."""
    try:
        raise error  # noqa: TRY301
    except BaseException as caught:  # noqa: BLE001
        return caught


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (click.UsageError("no such thing"), "no such thing"),
        (click.ClickException("the registry says \x1b[2Jgone\x07"), "the registry says [2Jgone"),
        (StoreError("the store is on fire"), "the store is on fire"),
        (LoadFailed("no\nmemory"), "no memory"),
        (PermissionError(errno.EACCES, "Permission denied", "/models/x"), "/models/x: permission denied"),
        (PermissionError(errno.EACCES, "Permission denied", "a\nb"), "a b: permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on device"),
        (OSError(), "oserror"),
        (MemoryError(), "out of memory"),
        (
            RecursionError("too\ndeep"),
            "RecursionError: too deep (a mistake of puna's: OLLAMA_DEBUG=1 tells where, please report it)",
        ),
    ],
)
def test_one_line(capsys, monkeypatch, error, line):
    """Every kind of error is one line that says what is wrong."""
    monkeypatch.delenv("OLLAMA_DEBUG", raising=False)
    assert 1 == told(raised(error))
    assert ("", f"Error: {line}\n") == capsys.readouterr()


@pytest.mark.parametrize("said", ["1", "2", "true", "'1'"])
def test_traceback_for_who_wants_it(capsys, monkeypatch, said):
    """With OLLAMA_DEBUG the traceback comes before the line."""
    monkeypatch.setenv("OLLAMA_DEBUG", said)
    assert 1 == told(raised(StoreError("the store is on fire")))
    lines = capsys.readouterr().err.splitlines()
    assert "Traceback (most recent call last):" == lines[0]
    assert "Error: the store is on fire" == lines[-1]


@pytest.mark.parametrize("said", ["", "0", "false"])
def test_no_traceback_for_who_does_not(capsys, monkeypatch, said):
    """OLLAMA_DEBUG may say no."""
    monkeypatch.setenv("OLLAMA_DEBUG", said)
    told(raised(StoreError("the store is on fire")))
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (click.Abort(), 130), (BrokenPipeError(errno.EPIPE, "x"), 141)]
)
def test_silent(capsys, error, code):
    """Ctrl+C and a reader that has left are nothing to complain of."""
    assert code == told(raised(error))
    assert ("", "") == capsys.readouterr()
