"""However a command ends, there is one line at most, an exit code, and no traceback."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from support.command_line import World
from support.transcripts import told

PUNA = [sys.executable, "-m", "puna"]


@pytest.mark.parametrize("args", [["show", "-v", "smollm2"], ["export", "smollm2", "-"]])
def test_reader_that_leaves(world: World, args: list[str]) -> None:
    """`puna show -v m | head -1` is silent, and ends as programs do whose reader has left."""
    reading, writing = os.pipe()
    with subprocess.Popen([*PUNA, *args], env=world.environ(), stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        os.close(reading)
        assert b"Error" not in process.communicate(timeout=60)[1]
    assert 128 + signal.SIGPIPE == process.returncode


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("args", [["list"], ["--help"], ["completion", "bash"], ["show", "--license", "brief"]])
def test_full_disk(world: World, args: list[str]) -> None:
    """Output that cannot be written is an error that says why."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PUNA, *args], env=world.environ(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (1, f"Error: {os.strerror(errno.ENOSPC).lower()}\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("command", "code", "err"),
    [("list >&-", 0, b""), ("create x -f - <&-", 1, b"Error: no FROM line\n"), ("run smollm2 '' <&- >&- 2>&-", 0, b"")],
)
def test_streams_that_are_closed(world: World, command: str, code: int, err: bytes) -> None:
    """A command whose output nobody wants does its work, and what nobody sends is empty."""
    shell = f"exec {sys.executable} -m puna {command}"
    done = subprocess.run(["/bin/sh", "-c", shell], env=world.environ(), stderr=subprocess.PIPE, check=False)
    assert (code, err) == (done.returncode, done.stderr)


def test_interrupted_while_it_waits(world: World) -> None:
    """A command that waits for a server says so; Ctrl+C ends it, and leaves nothing behind but a line's end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with subprocess.Popen(
            [*PUNA, "list"], env=world.environ(OLLAMA_HOST=url), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                assert process.stderr is not None
                assert re.fullmatch(rb"waiting \d+s\n", process.stderr.readline())
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)
                assert (b"", []) == (out, told(err.decode()))
    assert 128 + signal.SIGINT == process.returncode


def test_interrupted_while_it_starts() -> None:
    """Ctrl+C is as quiet in the first instants, when the command is still being read from disk."""
    code = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'puna.cli.main': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from puna.__main__ import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (130, b"", b"") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("args", "environ", "words"),
    [
        (["show", "\udcff"], {}, "invalid model name"),
        (["show", "a\nb"], {}, "Error: "),
        (["list", "\udcff\udc80"], {"OLLAMA_HOST": "127.0.0.1:1"}, "could not connect"),
        (["list"], {"OLLAMA_HOST": "http://a b"}, "Error: "),
        (["list"], {"OLLAMA_HOST": "puna.invalid", "HTTP_PROXY": "http://127.0.0.1:1"}, "could not connect"),
        (["create", "x", "-f", "/"], {}, "Error: /: is a directory"),
        (["import", "nowhere.tar"], {}, "Error: nowhere.tar: no such file or directory"),
        (["tokenize", "nope", "\udcff"], {}, "not found"),
        (["load", "smollm2", "--keepalive=soon"], {}, 'Error: time: invalid duration "soon"'),
    ],
)
def test_one_line(world: World, args: list[str], environ: dict[str, str], words: str) -> None:
    """What goes wrong is one line that says what it was."""
    done = world.puna(*args, **environ)
    assert (1, "") == (done.returncode, done.stdout)
    assert words in done.stderr
    assert done.stderr.startswith("Error: ")
    assert 1 == done.stderr.count("\n")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_widths(world: World, columns: int) -> None:
    """On a terminal no line of a table or of a help page is wider than the terminal, and nothing is left out."""
    shown = {
        " ".join(args): on_terminal(world, columns, *args) for args in (["list"], ["rm", "-h"], ["run", "-h"], ["-h"])
    }
    for command, text in shown.items():
        assert all(len(line.rstrip()) <= columns for line in text.splitlines()), command
    assert {"smollm2:latest", "other:v1", "brief:latest"} <= set(shown["list"].split())
    if columns >= 80:
        assert world.puna("list").stdout.split()[:5] == shown["list"].split()[:5]


def on_terminal(world: World, columns: int, *args: str) -> str:
    """What the command prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = world.environ(TERM="xterm")
    environ.pop("COLUMNS", None)
    with subprocess.Popen([*PUNA, *args], env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:
                break  # the terminal has gone with the command
            if not piece:
                break
            said += piece
    os.close(ours)
    assert 0 == process.returncode
    return said.decode().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which there is a command `puna`."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "puna"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m puna "$@"\n')
    command.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("puna pu", "pull push"),
        ("puna run oth", "other:v1"),
        ("puna run other:", "v1"),
        ("puna run --think=m", "medium max"),
        ("puna create x -f low", "lower"),
        ("puna rm brief ", "smollm2 other:v1"),
        ('puna run "other:', "other:v1"),
        (r"puna create x -f two\ w", "two words"),
        ("puna create x -f 'two w", "two words"),
    ],
)
def test_bash(world: World, path: str, line: str, expected: str) -> None:
    """bash completes commands, models whose names have a colon, values and files, in quotes too."""
    (world.folder / "two words").touch()
    code = 'source <(puna completion bash); COMP_LINE="$1"; COMP_POINT=${#1}; _puna 2>/dev/null; echo "${COMPREPLY[*]}"'
    done = subprocess.run(
        ["bash", "-c", code, "bash", line],
        cwd=world.folder,
        env=world.environ(PATH=path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(expected.split()) == set(done.stdout.split())


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
def test_fish(world: World, path: str) -> None:
    """fish completes the same, and shows what each word means."""
    (world.folder / "two words").touch()
    code = "puna completion fish | source; complete -C 'puna run oth'; complete -C 'puna create x -f two\\\\ w'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", code],
        cwd=world.folder,
        env=world.environ(PATH=path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "other:v1\t134.52M\ntwo words\n" == done.stdout


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
def test_zsh(world: World, path: str) -> None:
    """zsh gets the same words; a colon in a name does not end it."""
    (world.folder / "two words").touch()
    code = (
        "autoload -Uz compinit; compinit -u -D; source <(puna completion zsh)\n"
        "_describe() { print -rl -- ${(P)2} }\n"
        "words=(puna create x -f 'two\\ w'); CURRENT=5 PREFIX='two\\ w'; _puna\n"
        'words=(puna run oth); CURRENT=3 PREFIX=oth; _puna; print -r -- "$_comps[puna]"'
    )
    done = subprocess.run(
        ["zsh", "-f", "-c", code],
        cwd=world.folder,
        env=world.environ(PATH=path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "two words:\nother\\:v1:134.52M\n_puna\n" == done.stdout
