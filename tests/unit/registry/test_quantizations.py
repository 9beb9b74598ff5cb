"""Which files of a repository a name means."""

from __future__ import annotations

import pytest

from puna.registry import quantizations
from puna.registry.quantizations import Candidate

REPOSITORY = [
    "BF16/Qwen3-30B-BF16-00002-of-00002.gguf",
    "BF16/Qwen3-30B-BF16-00001-of-00002.gguf",
    "Qwen3-30B-Q4_K_M.gguf",
    "Qwen3-30B-UD-Q4_K_XL.gguf",
    "UD-Q8_K_XL/Qwen3-30B-UD-Q8_K_XL-00001-of-00002.gguf",
    "UD-Q8_K_XL/Qwen3-30B-UD-Q8_K_XL-00002-of-00002.gguf",
    "q8_0/weights-00001-of-00002.gguf",
    "mmproj-F16.gguf",
    "mmproj-BF16.gguf",
    "imatrix_unsloth.gguf",
]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("Q4_K_M", ("Qwen3-30B-Q4_K_M.gguf",)),
        ("q4_k_m", ("Qwen3-30B-Q4_K_M.gguf",)),
        ("latest", ("Qwen3-30B-Q4_K_M.gguf",)),
        ("Q4_K_XL", ("Qwen3-30B-UD-Q4_K_XL.gguf",)),
        ("UD-Q4_K_XL", ("Qwen3-30B-UD-Q4_K_XL.gguf",)),
        ("BF16", ("BF16/Qwen3-30B-BF16-00001-of-00002.gguf", "BF16/Qwen3-30B-BF16-00002-of-00002.gguf")),
        (
            "Qwen3-30B-BF16-00001-of-00002.gguf",
            ("BF16/Qwen3-30B-BF16-00001-of-00002.gguf", "BF16/Qwen3-30B-BF16-00002-of-00002.gguf"),
        ),
        ("Q8_0", ("q8_0/weights-00001-of-00002.gguf",)),
        ("Qwen3-30B-Q4_K_M.gguf", ("Qwen3-30B-Q4_K_M.gguf",)),
    ],
)
def test_a_tag_means_files(tag: str, expected: tuple[str, ...]) -> None:
    """A quantization, a folder or a file's name finds the files, in order, however the repository is laid out."""
    chosen = quantizations.choose(quantizations.grouped(REPOSITORY), tag)
    assert chosen is not None
    assert expected == chosen.paths


@pytest.mark.parametrize("tag", ["Q2_K", "K_M", "30B", "4", "mmproj-F16", "Q4"])
def test_a_tag_that_means_nothing(tag: str) -> None:
    """Part of a quantization is none, and a projector is no model."""
    assert quantizations.choose(quantizations.grouped(REPOSITORY), tag) is None


def test_what_is_there_has_names() -> None:
    """What can be asked for is told by quantization, or by the file's name where that says none."""
    found = quantizations.grouped([*REPOSITORY, "tiny.gguf"])
    assert {"BF16", "Q4_K_M", "UD-Q4_K_XL", "UD-Q8_K_XL", "Q8_0", "tiny"} == {one.label for one in found}


def test_a_part_that_is_missing_is_known() -> None:
    """A model of which not all parts are there is told from one that is whole."""
    [found] = quantizations.grouped(["a/m-Q8_0-00001-of-00004.gguf", "a/m-Q8_0-00003-of-00004.gguf"])
    assert ("a/m-Q8_0", 4, (2, 4)) == (found.stem, found.count, found.missing)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["mmproj-BF16.gguf", "mmproj-F16.gguf", "Q8_0/m-Q8_0.gguf"], "mmproj-F16.gguf"),
        (["mmproj-F16.gguf", "Q8_0/mmproj-Q8_0.gguf"], "Q8_0/mmproj-Q8_0.gguf"),
        (["other/mmproj-F16.gguf", "model.mmproj-f32.gguf"], "model.mmproj-f32.gguf"),
        (["other/mmproj-F16.gguf", "m.gguf"], None),
    ],
)
def test_a_model_gets_its_projector(files: list[str], expected: str | None) -> None:
    """A model that sees gets the projector that lies beside it, as precise as there is one."""
    model = Candidate("Q8_0/m-Q8_0", ("Q8_0/m-Q8_0.gguf",), 1)
    assert expected == quantizations.projector(files, beside=model)
