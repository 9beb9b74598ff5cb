"""Models in parts at Hugging Face become one model here, over a line and by servers that have a bad day."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter

from support.fault_proxy import Cut, FaultProxy, Flip, fault_proxy
from support.hugging_face import Hub, hugging_face, split
from support.transfers import Home, ask

NAME = "hf.co/user/repo:Q4_1"
TOKEN = "hf_secret"
TWO_HOURS = 7200


def parts(path: Path, count: int = 2) -> dict[str, bytes]:
    """The files of a repository that has the model at ``path`` in parts."""
    folder = "model-Q4_1/model-Q4_1"
    return {f"{folder}-{at:05}-of-{count:05}.gguf": data for at, data in enumerate(split(path, count), 1)}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A model of noise that no engine would run, 3 MB, in two parts."""
    path = tmp_path_factory.mktemp("small") / "model.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_file_type(1)
    for name in ("p", "q"):
        noise = np.random.default_rng(ord(name)).random((768, 1024)).astype(np.float16)
        writer.add_tensor(f"{name}.weight", noise)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return parts(path)


@dataclass(frozen=True)
class Place:
    """A server that takes its models from ``hub``, whose files come through ``line``."""

    hub: Hub
    line: FaultProxy
    home: Home
    running: Any = None

    @property
    def environ(self) -> dict[str, str]:
        return self.home.environ | {"HF_ENDPOINT": f"http://{self.hub.host}", "HF_TOKEN": TOKEN}

    def pull(self, name: str = NAME) -> Any:
        return ask(self.running, "/api/pull", model=name, insecure=True)

    def names(self) -> list[str]:
        return [model["name"] for model in self.running.call("GET", "/api/tags")["models"]]

    def puna(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, which asks Hugging Face itself where it must."""
        environ = os.environ | self.environ | {"OLLAMA_HOST": self.running.url}
        environ["OLLAMA_MODELS"] = str(self.home.folder / "store")
        command = [sys.executable, "-m", "puna", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Any]) -> Iterator[Place]:
    home = Home(tmp_path_factory.mktemp("home"))
    with hugging_face("user/repo", token=TOKEN) as hub, fault_proxy(hub.host) as line:
        place = Place(hub, line, home)
        with start_server(home.folder / "store", **place.environ) as running:
            yield Place(hub, line, home, running)


@pytest.fixture
def place(served: Place, small: dict[str, bytes]) -> Place:
    """Hugging Face has the small model, and the store nothing."""
    for name in served.names():
        served.running.call("DELETE", "/api/delete", {"model": name})
    served.hub.files, served.hub.wrong, served.hub.cdn = (
        dict(small),
        "",
        served.line.host.replace("127.0.0.1", "localhost"),
    )
    served.hub.asked.clear()
    served.hub.fetched.clear()
    served.line.clear()
    return served


@pytest.mark.real
def test_a_model_in_parts_runs(place: Place, smollm2: Path) -> None:
    """A model that is only there in parts is pulled by its quantization, answers, and takes no more room."""
    place.hub.files = parts(smollm2)
    told = place.pull()
    assert "success" == told.statuses[-1], told.error
    assert 2 == len({step["digest"] for step in told.steps if "digest" in step and step["status"] != "joining 2 files"})
    assert "joining 2 files" in told.statuses
    request = {"model": NAME, "prompt": "2+2=", "raw": True, "stream": False, "options": {"num_predict": 4}}
    assert place.running.call("POST", "/api/generate", request)["response"]
    weights = place.home.store.model(NAME).weights
    assert weights.stat().st_size < 1.001 * smollm2.stat().st_size
    assert [weights] == [file.path for file in place.home.store.blobs.files() if file.size > 1_000_000]


def test_what_is_there_is_not_fetched_again(place: Place) -> None:
    """A second pull transfers nothing, and the model is not outdated until a part of it is another one."""
    assert "success" == place.pull().statuses[-1]
    place.hub.fetched.clear()
    assert ["success"] == place.pull().statuses[-1:]
    assert f"'{NAME}' is up to date\n" == place.puna("update", "--insecure", NAME).stdout
    assert [] == place.hub.fetched
    path, content = list(place.hub.files.items())[1]
    place.hub.files[path] = content[:-1] + bytes([content[-1] ^ 1])
    told = json.loads(place.puna("outdated", "--insecure", "--json").stdout)
    assert [NAME] == [each["name"] for each in told["outdated"]]
    assert f"updated '{NAME}'\n" == place.puna("update", "--insecure", "--all").stdout
    assert [] == json.loads(place.puna("outdated", "--insecure", "--json").stdout)["outdated"]


def test_a_damaged_model_is_made_again(place: Place) -> None:
    """``fsck --repair`` fetches the parts and joins them, since the file itself is nowhere."""
    assert "success" == place.pull().statuses[-1]
    weights = place.home.store.model(NAME).weights
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"?")
    mended = place.puna("fsck", "--repair", "--insecure")
    assert (0, True) == (mended.returncode, "    fetched again\n" in mended.stdout), mended.stdout + mended.stderr
    assert content == weights.read_bytes()


def test_no_token_goes_to_another_host(place: Place) -> None:
    """HF_TOKEN is shown to Hugging Face, and not to the host that has the files."""
    assert "success" == place.pull().statuses[-1]
    assert {f"Bearer {TOKEN}"} == {shown for _, _, shown in place.hub.asked}
    assert {""} == {shown for _, _, shown in place.hub.fetched}
    assert place.hub.fetched


@pytest.mark.parametrize("fault", [Cut(100_000), Cut(None), Flip(1000)], ids=["cut", "cut at once", "a wrong byte"])
def test_a_fault_that_passes_is_survived(fault: Any, place: Place, small: dict[str, bytes]) -> None:
    """A line that breaks costs time, not the model."""
    place.line.on("GET", "00002-of-00002", fault)
    told = place.pull()
    assert "success" == told.statuses[-1], told.error


def test_a_part_with_another_digest_is_never_used(place: Place) -> None:
    """A part that is not what the list says makes no model."""
    place.hub.wrong = next(reversed(place.hub.files))
    assert place.pull().error.startswith("digest mismatch, file must be downloaded again: want sha256:")
    assert [] == place.names()


def test_a_part_that_lacks_is_an_error(place: Place) -> None:
    """A model that is not there whole is not fetched at all."""
    del place.hub.files[next(iter(place.hub.files))]
    told = place.pull()
    assert "pull model manifest: model-Q4_1/model-Q4_1 is not whole in the repository: of 2 parts, 1 lack" == told.error
    assert [] == place.hub.fetched


def test_a_pull_goes_on_after_a_kill(tmp_path: Path, start_server: Callable[..., Any], small: dict[str, bytes]) -> None:
    """A server killed in the second part does not fetch the first one again, even days later."""
    home = Home(tmp_path)
    with hugging_face("user/repo", token=TOKEN, files=dict(small)) as hub, fault_proxy(hub.host) as line:
        hub.cdn, line.rate = line.host.replace("127.0.0.1", "localhost"), 3_000_000
        place = Place(hub, line, home)
        second = f"sha256:{hub.entry(next(reversed(hub.files)))['lfs']['oid']}"
        with start_server(home.folder / "store", **place.environ) as running:
            body = json.dumps({"model": NAME, "insecure": True}).encode()
            with urllib.request.urlopen(f"{running.url}/api/pull", body, timeout=60) as reply:
                while (step := json.loads(reply.readline())).get("digest") != second or step.get(
                    "completed", 0
                ) < 500_000:
                    assert "error" not in step, step
                running.process.send_signal(signal.SIGKILL)
                running.process.wait()
        for file in (home.folder / "store" / "blobs").iterdir():
            os.utime(file, (time.time() - TWO_HOURS, time.time() - TWO_HOURS))
        line.rate = None
        with start_server(home.folder / "store", **place.environ) as running:
            told = Place(hub, line, home, running).pull()
            assert "success" == told.statuses[-1], told.error
        assert not list((home.folder / "store" / "pulling").iterdir())
        assert sum(seen.sent for seen in line.seen) < 1.2 * sum(map(len, small.values()))
