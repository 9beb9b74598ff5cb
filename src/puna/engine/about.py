"""What the engine says of itself, asked in a child process: one that cannot run on this processor must not end ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from puna.engine import openmp
from puna.errors import LoadFailed

_PATIENCE_SECONDS = 60
_ASK = "import json, xllamacpp; print(json.dumps(xllamacpp.get_system_info()))"


@dataclass(frozen=True, slots=True)
class EngineAbout:
    """An engine: its ``name`` with its version, and the ``instructions`` it was built for, in its own words."""

    name: str
    instructions: tuple[str, ...] = ()


def ask(binary: str = "") -> EngineAbout:
    """What the llama-server ``binary`` says of itself, or, "" for it, the engine that comes with puna.

    Raises:
        LoadFailed: it does not run on this machine; the error says why.
    """
    if binary:
        return EngineAbout(" ".join(_run(binary, "--version").split()) or binary)
    info = json.loads(_run(sys.executable, "-c", _ASK).splitlines()[-1])
    return EngineAbout(f"llama.cpp, by xllamacpp {_version('xllamacpp')}", built_for(info))


def built_for(info: str) -> tuple[str, ...]:
    """The instructions in ``info``, llama.cpp's line about its build: ``CPU : AVX = 1 | AVX2 = 1 | …``."""
    pairs = (part.split(":")[-1].partition("=") for part in info.split("|"))
    return tuple(name.strip() for name, _, value in pairs if value.strip() == "1")


def _run(*command: str) -> str:
    # llama-server writes its version to standard error.
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=openmp.environment(os.environ),
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except OSError as error:
        raise LoadFailed(f"{command[0]}: {(error.strerror or str(error)).lower()}") from error
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"{command[0]}: no answer in {_PATIENCE_SECONDS} seconds") from error
    text = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode == -signal.SIGILL:
        raise LoadFailed("it uses instructions that this processor lacks")
    if done.returncode != 0:
        last = text.splitlines()[-1] if text else f"it ended with exit status {done.returncode}"
        raise LoadFailed(last)
    return text


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of an unknown version"
