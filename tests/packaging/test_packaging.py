"""The unit and the container file say what a server needs, and tools that read such files accept them."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from puna import config

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "packaging" / "puna.service"
CONTAINER = ROOT / "packaging" / "Containerfile"


def service() -> list[tuple[str, str]]:
    """The settings of the unit's service; a name may come several times."""
    section = UNIT.read_text().partition("[Service]\n")[2].partition("\n[")[0]
    pairs = [line.partition("=") for line in section.splitlines() if line and not line.startswith("#")]
    return [(name, value) for name, _, value in pairs]


def instructions() -> list[tuple[str, str]]:
    """The instructions of the container file."""
    text = re.sub(r"^#.*\n", "", CONTAINER.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = [line.partition(" ") for line in text.splitlines() if line.strip()]
    return [(name, value.strip()) for name, _, value in found]


def environment() -> dict[str, dict[str, str]]:
    """The variables that each of the files sets."""
    unit = dict(value.split("=", 1) for name, value in service() if name == "Environment")
    [env] = [value for name, value in instructions() if name == "ENV"]
    return {"unit": unit, "container": dict(pair.split("=", 1) for pair in env.split())}


@pytest.mark.parametrize("file", ["unit", "container"])
def test_every_setting_is_one(file: str) -> None:
    """No variable is misspelled, and each has a value that can be read."""
    known = {row.name: row for row in config.TABLE}
    given = {name: value for name, value in environment()[file].items() if name.startswith(("OLLAMA_", "PUNA_"))}
    assert {"OLLAMA_HOST", "OLLAMA_MODELS", "PUNA_STATE", "PUNA_DRAIN"} <= set(given)
    for name, value in given.items():
        known[name].parse(value)


def test_the_unit_waits_for_the_server_to_end() -> None:
    """systemd kills nothing while answers may still finish."""
    settings = dict(service())
    drain = config.read(environment()["unit"]).drain
    assert drain + 10 < float(settings["TimeoutStopSec"].removesuffix("s"))
    assert ("notify", "mixed") == (settings["Type"], settings["KillMode"])


def test_the_unit_can_write_where_it_is_told_to() -> None:
    """And nowhere else."""
    settings = dict(service())
    allowed = {f"/var/lib/{name}" for name in settings["StateDirectory"].split()}
    unit = environment()["unit"]
    assert {unit["OLLAMA_MODELS"], unit["PUNA_STATE"]} <= allowed
    assert ("strict", "yes") == (settings["ProtectSystem"], settings["ProtectHome"])


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """Each setting is one that it knows, with a value that it takes."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    assert {"Unit", "Service", "Install"} == set(parser.sections())
    if (analyze := shutil.which("systemd-analyze")) is None:
        return
    unit = tmp_path / UNIT.name
    # It wants the program to be there.
    unit.write_text(UNIT.read_text().replace("ExecStart=/opt/puna/bin/puna", f"ExecStart={sys.executable} -m puna"))
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (0, []) == (done.returncode, [line for line in done.stderr.splitlines() if "puna" in line])


def test_the_container_runs_the_server_itself_as_nobody_in_particular() -> None:
    """Signals reach it, and it is not root."""
    said = dict(instructions())
    assert ["puna", "serve"] == json.loads(said["ENTRYPOINT"]) + json.loads(said["CMD"])
    names = [name for name, _ in instructions()]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert said["USER"] not in ("root", "0")
    assert f"{config.read(environment()['container']).host.port}" == said["EXPOSE"]
    assert json.loads(said["HEALTHCHECK"].partition("CMD ")[2])[0] == "python"


def test_the_container_keeps_what_must_not_be_lost() -> None:
    """Models and keys are in its volume."""
    volume = Path(dict(instructions())["VOLUME"])
    container = environment()["container"]
    for name in ("OLLAMA_MODELS", "PUNA_STATE"):
        assert Path(container[name]).is_relative_to(volume)


def test_the_container_file_copies_what_is_there() -> None:
    """A build does not stop for a file that has another name now."""
    for name, value in instructions():
        if name == "COPY" and not value.startswith("--from"):
            *sources, _ = value.split()
            assert all((ROOT / source).exists() for source in sources)
