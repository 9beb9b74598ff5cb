"""Both READMEs are true: everything that one can type in them is done, in order, by someone with an empty home."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from puna.cli.main import main
from support.registry_peer import RegistryPeer, registry

PAGES = ("README.md", "README.zh-CN.md")
PULLED = "smollm2:135m"
PLACE = "localhost:11434"
SERVER = "server:11434"
KEY = "puna_..."


@dataclass
class Reader:
    """Someone who types what a page says. Only what is not to be had here is replaced by what is like it:

    the registry is one on this machine, a free port is the server's, the key is the one that was printed, and what
    puna needs is there already when it is installed.
    """

    root: Path
    home: Path
    peer: RegistryPeer
    start_server: Callable[..., AbstractContextManager[Any]]
    servers: ExitStack
    place: str = ""
    key: str = ""
    done: list[str] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OLLAMA_", "PUNA_"))}
        path = os.pathsep.join([str(self.home / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        packages = os.pathsep.join([str(self.home / "installed"), os.environ.get("PYTHONPATH", "")])
        own = {"HOME": str(self.home), "PATH": path, "PYTHONPATH": packages, "OLLAMA_HOST": self.place}
        return kept | own | {"PUNA_STATE": str(self.home / "state")}

    def shell(self, command: str, **environ: str) -> str:
        """What a command prints."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.home,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def type(self, command: str) -> str:
        """Do what a line of the page says."""
        self.done.append(command)
        if command == "pip install .":
            return self.install()
        if found := re.fullmatch(r"((?:\w+=\S+ )*)puna serve", command):
            return self.serve(dict(pair.split("=", 1) for pair in found.group(1).split()))
        if command == f"puna pull {PULLED}":
            self.shell(f"puna pull --insecure {self.peer.host}/library/{PULLED}")
            return self.shell(f"puna cp {self.peer.host}/library/{PULLED} {PULLED}")
        own = command.replace(PLACE, self.place).replace(SERVER, self.place).replace(KEY, self.key)
        printed = self.shell(own.replace("curl ", "curl --silent --show-error --fail-with-body ", 1))
        if command.startswith("puna keys add"):
            [self.key] = re.findall(r"puna_\S+", printed)
        return printed

    def install(self) -> str:
        """Install puna as the page says, into a folder."""
        target = self.home / "installed"
        self.shell(
            f"'{sys.executable}' -m pip install --quiet --no-index --no-deps --no-build-isolation"
            f" --target '{target}' '{self.root}'"
        )
        shutil.copytree(target / "bin", self.home / "bin")
        return ""

    def serve(self, environ: dict[str, str]) -> str:
        """Start a server as the page says, on a free port."""
        where = environ.get("OLLAMA_HOST", "127.0.0.1")
        given = self.environ | {"OLLAMA_HOST": f"{where}:0"}
        running = self.servers.enter_context(self.start_server(self.home / "models", **given))
        self.place = running.url.removeprefix("http://")
        assert f"Listening on {where}:" in "".join(running.log)
        return ""


@pytest.fixture
def reader(
    root: Path, start_server: Any, smollm2: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    """With a registry that has the model of the page, and a model's file."""
    (tmp_path / smollm2.name).symlink_to(smollm2)
    with registry(tmp_path_factory.mktemp("registry")) as peer, ExitStack() as servers:
        publish(start_server, tmp_path_factory.mktemp("publisher"), f"{peer.host}/library/{PULLED}", smollm2)
        yield Reader(root, tmp_path, peer, start_server, servers)


def publish(start_server: Any, store: Path, name: str, model: Path) -> None:
    """Put a model into a registry, one that does not talk for long."""
    with start_server(store) as running:
        running.create(name, model, parameters={"num_predict": 30})
        pushed = running.call("POST", "/api/push", {"model": name, "insecure": True, "stream": False})
        assert {"status": "success"} == pushed


def commands(code: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what is shown below it."""
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


@pytest.mark.real
def test_who_follows_the_readme_gets_all_it_promises(reader: Reader, blocks: Callable[[str], list[Any]]) -> None:
    """Every command of every block, from installing puna to a server for a network, in the order of the page."""
    typed = 0
    for block in blocks(PAGES[0]):
        match block.language:
            case "modelfile":
                (reader.home / "Modelfile").write_text(block.code)
            case "python":
                program = block.code.replace(PLACE, reader.place)
                (reader.home / "program.py").write_text(program)
                assert reader.shell(f"'{sys.executable}' program.py").strip(), str(block)
            case "console":
                for command, shown in commands(block.code):
                    printed = reader.type(command)
                    typed += 1
                    assert printed.strip() or not re.match(r"(puna run|puna list|puna keys|curl) ", f"{command} "), (
                        command
                    )
                    heads = [line.split()[:1] for line in shown.splitlines()]
                    assert heads == [line.split()[:1] for line in printed.splitlines()][: len(heads)], str(block)
            case _:
                pytest.fail(f"{block}: nothing says how to try what is in {block.language or 'this block'}")
    assert typed == len(reader.done) > 8
    installed = Path(reader.shell(f"'{sys.executable}' -c 'import puna; print(puna.__file__)'").strip())
    assert installed.is_relative_to(reader.home)


def test_both_readmes_say_the_same(blocks: Callable[[str], list[Any]], pages: dict[str, str]) -> None:
    """What is tried of one is tried of the other: the same blocks, inline commands and links."""
    english, chinese = ([(block.language, block.code) for block in blocks(page)] for page in PAGES)
    assert english == chinese
    for pattern in (r"`([^`\n]+)`", r"\]\(((?!README)[^)]+)\)"):
        one, other = (
            re.findall(pattern, re.sub(r"^```.*?^```$", "", pages[page], flags=re.MULTILINE | re.DOTALL))
            for page in PAGES
        )
        assert sorted(one) == sorted(other)
    assert "](README.zh-CN.md)" in pages[PAGES[0]]
    assert "](README.md)" in pages[PAGES[1]]
    assert len([letter for letter in pages[PAGES[1]] if "\u4e00" <= letter <= "\u9fff"]) > 500


def test_commands_named_in_passing_are_there(
    pages: dict[str, str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`puna …` and `make …` within a sentence are commands, with the flags that are named."""
    text = re.sub(r"^```.*?^```$", "", pages[PAGES[0]], flags=re.MULTILINE | re.DOTALL)
    named = re.findall(r"`puna (\w+)([^`]*)`", text)
    assert {"doctor", "bench", "fsck", "export"} <= {name for name, _ in named}
    named += [("serve", flag) for flag in re.findall(r"`(--[\w-]+)`", text)]
    for name, rest in named:
        assert main([name, "--help"]) == 0
        helped = capsys.readouterr().out
        assert all(flag in helped for flag in re.findall(r"--[\w-]+", rest)), name
    targets = re.findall(r"`make (\w+)`", text)
    assert ["run"] == targets
    planned = subprocess.run(["make", "--dry-run", *targets], cwd=root, capture_output=True, text=True, check=False)
    assert (0, True) == (planned.returncode, "scripts/run.sh" in planned.stdout), planned.stderr
