"""Models out of files that must be made first: quantized, joined, converted. The converter is played by a script."""

from __future__ import annotations

import asyncio
import errno
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter

from puna.errors import ConversionFailed, DiskFull, InvalidRequest, ModelNotFound
from puna.events import Progress
from puna.service.create import create, making
from puna.store.disk import Disk
from puna.store.models import Store
from puna.types import CreateRequest

CONVERTER = """
import pathlib, shutil, sys, time, os

def main():
    folder, _, target, _, kind, *more = sys.argv[1:]
    names = sorted(path.relative_to(folder).as_posix() for path in pathlib.Path(folder).rglob("*") if path.is_file())
    print("LOG:", kind, more, names, os.environ["HF_HUB_OFFLINE"], file=sys.stderr)
    says = (pathlib.Path(folder) / "says.txt").read_text() if "says.txt" in names else ""
    if says == "refuse":
        sys.exit("the tokenizer is of a kind nobody knows")
    if says == "wait":
        pathlib.Path(target).write_bytes(b"half")
        time.sleep(600)
    shutil.copy(os.environ["PLAYED_PROJECTOR" if "--mmproj" in more else "PLAYED_MODEL"], target)
"""
MAPS = """
TEXT_MODEL_MAP = {"LlamaForCausalLM": "llama", "Gemma3ForConditionalGeneration": "gemma"}
MMPROJ_MODEL_MAP = {"Gemma3ForConditionalGeneration": "gemma"}
"""
_HEADER = json.dumps({"w": {"dtype": "F32", "shape": [100], "data_offsets": [0, 400]}}).encode()
SAFETENSORS = len(_HEADER).to_bytes(8, "little") + _HEADER + bytes(400)


def write_model(path: Path, kind: type = np.float16, architecture: str = "llama") -> Path:
    writer = GGUFWriter(path, architecture)
    if writer.arch == "clip":
        writer.add_type("mmproj")
    writer.add_block_count(1)
    writer.add_file_type(1 if kind is np.float16 else 0)
    for number in range(4):
        writer.add_tensor(f"blk.0.t{number}.weight", np.full((8, 256), number, dtype=kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def put(store: Store) -> Callable[[bytes | Path | dict[str, Any]], str]:
    """Store a file; give its digest."""

    def put(content: bytes | Path | dict[str, Any]) -> str:
        match content:
            case Path():
                content = content.read_bytes()
            case dict():
                content = json.dumps(content).encode()
        return str(store.blobs.put(content))

    return put


Put = Callable[[bytes | Path | dict[str, Any]], str]


@pytest.fixture
def converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A converter that copies files laid down before, for this process and its children."""
    folder = tmp_path / "played"
    (folder / "conversion").mkdir(parents=True)
    (folder / "convert_hf_to_gguf.py").write_text(CONVERTER)
    (folder / "conversion" / "__init__.py").write_text(MAPS)
    monkeypatch.syspath_prepend(str(folder))
    known = [str(folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, known)))
    monkeypatch.setenv("PLAYED_MODEL", str(write_model(tmp_path / "model.gguf")))
    projector = write_model(tmp_path / "projector.gguf", architecture="clip")
    monkeypatch.setenv("PLAYED_PROJECTOR", str(projector))
    yield
    for name in ("convert_hf_to_gguf", "conversion"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def made(store: Store, **fields: Any) -> list[Progress]:
    async def said() -> list[Progress]:
        return [step async for step in create(store, CreateRequest("m", **fields))]

    return asyncio.run(said())


def statuses(steps: list[Progress]) -> list[str]:
    """What was said, each once, with digests cut off."""
    return list(dict.fromkeys(step.status.partition(" sha256:")[0] for step in steps))


def test_quantized(store: Store, put: Put, tmp_path: Path) -> None:
    """A model is quantized on the way in, and says how far it is, without ever going back."""
    steps = made(store, files={"a.gguf": put(write_model(tmp_path / "a.gguf"))}, quantize="q8_0")
    assert [
        "parsing GGUF",
        "quantizing F16 model to Q8_0",
        "verifying conversion",
        "creating new layer",
        "writing manifest",
        "success",
    ] == statuses(steps)
    progress = [step for step in steps if step.total]
    assert {("0000000000000000000", 4 * 8 * 256 * 2)} == {(step.digest, step.total) for step in progress}
    done = [step.completed for step in progress]
    assert (sorted(done), 0, progress[0].total) == (done, done[0], done[-1])
    model = store.model("m")
    assert ("Q8_0", "Q8_0", "a.gguf") == (
        model.details.quantization_level,
        model.gguf.tensors[0].type,
        model.details.parent_model,
    )


def test_quantizing_leaves_threads_to_others(store: Store, tmp_path: Path) -> None:
    """However many models are quantized at once, what only waits for a disk goes on."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as few, store.blobs.open_writer() as writer:
            loop.set_default_executor(few)
            async with making._saving(writer) as output:
                os.write(output, b"GGUF")
                while writer.size < 4:
                    await asyncio.sleep(0)
                assert 3 == await asyncio.wait_for(asyncio.to_thread(max, 1, 3), 60)

    asyncio.run(play())


def test_quantized_from_a_model(store: Store, put: Put, tmp_path: Path) -> None:
    """A model that is there is quantized without its other parts changing."""
    made(store, files={"a.gguf": put(write_model(tmp_path / "a.gguf"))}, system="Be brief.")
    source = store.model("m").weights
    steps = made(store, source="m", quantize="Q4_K")
    assert ["quantizing F16 model to Q4_K_M", "verifying conversion"] == statuses(steps)[:2]
    assert ("Q4_K_M", "Be brief.") == (store.model("m").details.quantization_level, store.model("m").system)
    assert not source.exists()


def test_broken_weights(store: Store, put: Put, tmp_path: Path) -> None:
    """A model that cannot be quantized makes no model, and leaves nothing behind."""
    path = tmp_path / "a.gguf"
    content = write_model(path, np.float32).read_bytes()
    broken = content[:-4] + np.array([np.nan], np.float32).tobytes()
    before = put(broken)
    with pytest.raises(ConversionFailed, match="not numbers"):
        made(store, files={"a.gguf": before}, quantize="q4_0")
    with pytest.raises(ModelNotFound):
        store.model("m")
    assert [before.replace(":", "-")] == [file.name for file in store.blobs.directory.iterdir()]


def test_a_full_disk(put: Put, store: Store, tmp_path: Path) -> None:
    """A disk that fills up while a model is quantized ends the work at once, with that as the reason."""

    class Filling(Disk):
        def write(self, descriptor: int, data: memoryview) -> int:
            if os.fstat(descriptor).st_size > 1 << 20:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(descriptor, data)

    writer = GGUFWriter(tmp_path / "large.gguf", "llama")
    writer.add_block_count(1)
    writer.add_file_type(1)
    writer.add_tensor("t.weight", np.zeros((8192, 1024), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    weights = put(tmp_path / "large.gguf")
    with pytest.raises(DiskFull):
        made(Store(store.root, disk=Filling()), files={"a.gguf": weights}, quantize="q8_0")
    assert [weights.replace(":", "-")] == [file.name for file in store.blobs.directory.iterdir()]


def test_a_draft(store: Store, put: Put, tmp_path: Path) -> None:
    """A draft model is a layer of its own, quantized if so wished, and is shown."""
    weights = put(write_model(tmp_path / "a.gguf"))
    draft = put(write_model(tmp_path / "d.gguf", np.float32))
    made(store, files={"a.gguf": weights}, draft_files={"d.gguf": draft}, draft_quantize="f16")
    model = store.model("m")
    assert model.draft is not None
    assert {"model_format": "gguf", "architecture": "llama"} == model.config.draft
    assert ["model", "draft"] == [layer.media_type.rpartition(".")[2] for layer in model.manifest.layers or ()]
    made(store, source="m", draft_files={"d.gguf": draft})
    assert 1 == len(store.model("m").manifest.of("draft"))


def test_several_adapters(store: Store, put: Put, write_gguf: Callable[..., Path], tmp_path: Path) -> None:
    """Adapters add up, those of the model it is made from first."""
    adapters = [put(write_gguf(tmp_path / "l", {"general.type": "adapter", "x": number})) for number in range(3)]
    made(store, files={"a.gguf": put(write_model(tmp_path / "a.gguf"))}, adapters={"0.gguf": adapters[0]})
    made(store, source="m", adapters={"1.gguf": adapters[1], "2": adapters[2]})
    assert adapters == [layer.digest for layer in store.model("m").manifest.of("adapter")]


def test_an_adapter_in_safetensors(store: Store, put: Put, tmp_path: Path) -> None:
    """Adapters as they are trained become adapters of the engine, several of one name beside each other."""
    name = "base_model.model.model.layers.0.mlp.up_proj.lora_{}.weight"
    header = {
        name.format("A"): {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]},
        name.format("B"): {"dtype": "F32", "shape": [4, 2], "data_offsets": [32, 64]},
    }
    text = json.dumps(header).encode()
    weights = put(len(text).to_bytes(8, "little") + text + bytes(64))
    config = {"r": 2, "lora_alpha": 4, "peft_type": "LORA"}
    files = {
        "adapter_model.safetensors": weights,
        "adapter_config.json": put(config),
        "README.md": put(b"about it"),
        "two/adapter_model.safetensors": weights,
        "two/adapter_config.json": put({**config, "lora_alpha": 8}),
    }
    steps = made(store, files={"a.gguf": put(write_model(tmp_path / "a.gguf"))}, adapters=files)
    assert "converting adapter" in statuses(steps)
    assert 2 == len(store.model("m").adapters)


def test_split_files(store: Store, put: Put, tmp_path: Path) -> None:
    """The parts of a split model become one file, with all that the first says of it."""
    files = {}
    for number in range(3):
        writer = GGUFWriter(tmp_path / "part", "llama")
        if number == 0:
            writer.add_block_count(1)
            writer.add_file_type(1)
        for key, value in (("no", number), ("count", 3), ("tensors.count", 3)):
            writer.add_uint16(f"split.{key}", value)
        writer.add_tensor(f"t{number}.weight", np.full((4, 32), number, dtype=np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        files[f"m-0000{number + 1}-of-00003.gguf"] = put(tmp_path / "part")
    steps = made(store, files=files)
    assert ["parsing GGUF", "joining 3 files", "creating new layer"] == statuses(steps)[:3]
    model = store.model("m")
    assert (1, 3, 3 * 4 * 32) == (
        len(model.manifest.of("model")),
        len(model.gguf.tensors),
        model.gguf.parameter_count,
    )
    del files["m-00002-of-00003.gguf"]
    with pytest.raises(InvalidRequest, match="3 parts cannot be made of the parts 1, 3"):
        made(store, files=files)


def test_ollamas_layout(store: Store, put: Put, write_gguf: Callable[..., Path], tmp_path: Path) -> None:
    """A model in Ollama's own layout is written anew where that is all it takes."""
    values = {"general.architecture": "gptoss", "gptoss.block_count": 1}
    weights = put(write_gguf(tmp_path / "a.gguf", values, tensors={"blk.0.attn_sinks": (32,)}))
    steps = made(store, files={"a.gguf": weights})
    assert ["parsing GGUF", "rewriting model for llama.cpp"] == statuses(steps)[:2]
    assert ("gpt-oss", "blk.0.attn_sinks.weight") == (
        store.model("m").gguf.architecture,
        store.model("m").gguf.tensors[0].name,
    )


def model_files(put: Put, architecture: str = "LlamaForCausalLM", **files: Any) -> dict[str, str]:
    config = {"architectures": [architecture], "vision_config": {"hidden_size": 1}}
    return {
        "model.safetensors": put(SAFETENSORS),
        "config.json": put(config),
        "1_Pooling/config.json": put(b"{}"),
        "evil.py": put(b"import os"),
        **{name.replace("_", "."): put(content) for name, content in files.items()},
    }


def test_converted(store: Store, put: Put, converter: None) -> None:
    """A model in safetensors becomes GGUF of 16 bits; code that lies beside it is not so much as shown to anyone."""
    steps = made(store, files=model_files(put))
    assert ["converting model", "creating new layer", "writing manifest", "success"] == statuses(steps)
    assert {200} == {step.total for step in steps if step.total}
    assert ("F16", ("llama",)) == (store.model("m").details.quantization_level, store.model("m").details.families)
    assert [] == list(store.root.glob("converting-*"))


@pytest.mark.parametrize(("level", "expected"), [("", "Q8_0"), ("f16", "F16"), ("q4_K_M", "Q4_K_M")])
def test_weights_of_8_bits(store: Store, put: Put, converter: None, level: str, expected: str) -> None:
    """A model published in FP8 becomes Q8_0, which keeps its size, unless something else was asked for."""
    wide, narrow = b'"dtype": "F32", "shape": [100], ', b'"dtype":"F8_E4M3","shape":[100],'
    files = model_files(put, model_safetensors=SAFETENSORS.replace(wide, narrow))
    made(store, files=files, quantize=level)
    assert expected == store.model("m").details.quantization_level


def test_converted_and_quantized(store: Store, put: Put, converter: None) -> None:
    """What is converted to be quantized is stored as it is wanted, and only so."""
    files = model_files(put)
    before = set(store.blobs.directory.iterdir())
    steps = made(store, files=files, quantize="q4_K_M")
    assert ["converting model", "quantizing F16 model to Q4_K_M", "verifying conversion"] == statuses(steps)[:3]
    model = store.model("m")
    assert "Q4_K_M" == model.details.quantization_level
    assert {model.weights, store.blobs.path(model.manifest.config.blob)} == {*store.blobs.directory.iterdir()} - before


def test_a_model_that_sees(store: Store, put: Put, converter: None) -> None:
    """A model that can see gets its projector as a layer of its own."""
    made(store, files=model_files(put, "Gemma3ForConditionalGeneration"))
    assert ["model", "projector"] == [
        layer.media_type.rpartition(".")[2] for layer in store.model("m").manifest.layers or ()
    ]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"architecture": "FrobForCausalLM"}, 'unsupported architecture "FrobForCausalLM"'),
        ({"says_txt": b"refuse"}, "the tokenizer is of a kind nobody knows"),
    ],
)
def test_what_cannot_be_converted(store: Store, put: Put, converter: None, files: dict[str, Any], text: str) -> None:
    """The converter's own reason is given, and nothing stays behind."""
    with pytest.raises(ConversionFailed) as caught:
        made(store, files=model_files(put, **files))
    assert text == str(caught.value)
    assert [] == list(store.root.glob("converting-*"))


def test_nobody_waits(store: Store, put: Put, converter: None) -> None:
    """A client that leaves ends the converter, and what it had written is gone."""
    files = model_files(put, says_txt=b"wait")

    async def leave() -> None:
        async with aclosing(create(store, CreateRequest("m", files=files))) as steps:
            async for step in steps:
                if step.completed:
                    break

    asyncio.run(asyncio.wait_for(leave(), 30))
    assert [] == list(store.root.glob("converting-*"))
    with pytest.raises(ModelNotFound):
        store.model("m")


def test_no_config(store: Store, put: Put, converter: None) -> None:
    """Weights without their configuration are not a model."""
    with pytest.raises(InvalidRequest, match=r"config\.json"):
        made(store, files={"model.safetensors": put(SAFETENSORS)})
