"""Writing GGUF files anew: nothing is lost but what is meant to go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter

from puna import gguf
from puna.errors import CorruptModel
from puna.gguf import writing

WriteGguf = Callable[..., Path]


def write_part(path: Path, number: int, count: int, tensors: dict[str, int], *, total: int) -> Path:
    """A part of a split model; each tensor is filled with its number."""
    writer = GGUFWriter(path, "llama")
    if number == 0:
        writer.add_block_count(2)
        writer.add_token_list(["a", "b"])
    writer.add_uint16("split.no", number)
    writer.add_uint16("split.count", count)
    writer.add_int32("split.tensors.count", total)
    for name, value in tensors.items():
        writer.add_tensor(name, np.full((3, 5), value, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_joined(tmp_path: Path) -> None:
    """Parts make one file, in whatever order they come, and their tensors are what they were."""
    parts = [
        write_part(tmp_path / "0", 0, 3, {"a.weight": 1}, total=4),
        write_part(tmp_path / "1", 1, 3, {"b.weight": 2, "c.weight": 3}, total=4),
        write_part(tmp_path / "2", 2, 3, {"d.weight": 4}, total=4),
    ]
    size, pieces = writing.joined([parts[2], parts[0], parts[1]])
    whole = tmp_path / "whole.gguf"
    whole.write_bytes(b"".join(pieces))
    assert 4 * 60 == size
    read = GGUFReader(whole)
    assert [("a.weight", 1), ("b.weight", 2), ("c.weight", 3), ("d.weight", 4)] == [
        (tensor.name, int(tensor.data.mean())) for tensor in read.tensors
    ]
    header = gguf.read(whole)
    assert not [key for key in header.metadata if key.startswith("split.")]
    assert (["a", "b"], 2) == (header.tokens(), header.block_count)


@pytest.mark.parametrize(
    ("numbers", "total", "text"),
    [
        ([0, 2], 3, "a model in 3 parts cannot be made of the parts 1, 3"),
        ([0, 1, 1], 3, "a model in 3 parts cannot be made of the parts 1, 2, 2"),
        ([0, 1, 2], 5, "the parts have 3 tensors, and the model has 5"),
    ],
)
def test_what_cannot_be_joined(tmp_path: Path, numbers: list[int], total: int, text: str) -> None:
    """A model with a part missing, or one too many, is not made."""
    files = [
        write_part(tmp_path / str(at), number, 3, {f"t{number}": 1}, total=total) for at, number in enumerate(numbers)
    ]
    with pytest.raises(CorruptModel) as caught:
        writing.joined(files)
    assert text == str(caught.value)


def test_a_count_that_cannot_be_true(tmp_path: Path) -> None:
    """A file that claims to be one of billions is an error at once, whatever the memory."""
    writer = GGUFWriter(tmp_path / "0", "llama")
    for key, value in {"split.no": 0, "split.count": 1 << 40, "split.tensors.count": 0}.items():
        writer.add_uint64(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(CorruptModel, match="a model in 1099511627776 parts cannot be made of the parts 1"):
        writing.joined([tmp_path / "0"])


def test_rewritten(tmp_path: Path, write_gguf: WriteGguf) -> None:
    """A file that is written anew without a change is the same to the byte."""
    values = {"a": 1, "b": 2.5, "c": "text", "d": True, "e": ["x", "yz"], "f": [1, 2, 3]}
    path = write_gguf(tmp_path / "a.gguf", values, tensors={"one.weight": (3, 5), "two.weight": (7,)})
    parts = writing.take_apart(path)
    pieces = writing.rewritten(parts, parts.values, {tensor.name: tensor for tensor in parts.tensors})
    # The writer of the tests fills up the last tensor too.
    assert path.read_bytes() == b"".join(pieces)


def test_values(tmp_path: Path, write_gguf: WriteGguf) -> None:
    """Values that are put into a file are read from it."""
    parts = writing.take_apart(write_gguf(tmp_path / "a.gguf", {"n": 1}))
    new = {"n": 7, "f": 0.5, "yes": True, "t": "ünï"}
    values = {**parts.values, **{key: writing.encode(value) for key, value in new.items()}}
    again = tmp_path / "b.gguf"
    again.write_bytes(b"".join(writing.rewritten(parts, values, {})))
    found = gguf.read(again).metadata
    assert new == {key: found[key] for key in new}
    assert "llama" == found["general.architecture"]


def test_an_alignment_of_its_own(tmp_path: Path, write_gguf: WriteGguf) -> None:
    """A file that says how its tensors are aligned is written so, and its tensors are found."""
    path = write_gguf(tmp_path / "a.gguf", {}, tensors={"one.weight": (4,), "two.weight": (4,)})
    parts = writing.take_apart(path)
    values = {**parts.values, "general.alignment": writing.encode(256)}
    again = tmp_path / "b.gguf"
    again.write_bytes(b"".join(writing.rewritten(parts, values, {tensor.name: tensor for tensor in parts.tensors})))
    starts = [tensor.start for tensor in writing.take_apart(again).tensors]
    assert [0, 0] == [start % 256 for start in starts]
    assert 256 == starts[1] - starts[0]
