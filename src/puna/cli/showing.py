"""What ``show`` prints of a model: sections of rows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from puna.cli.tables import count, section
from puna.cli.terminal import harmless
from puna.cli.wrapping import breaks, width
from puna.types import ModelDetails, Tensor

_PROSE_COLUMNS = 100
_INDENT = 4
_BLOCK = re.compile(r"blk\.(\d+)\.")
_PROSE_LINES = 2
_ARRAY_COLUMNS = 10


def describe(model: ModelDetails, *, verbose: bool = False, columns: int | None = None) -> str:
    """The sections of ``model``: what it is and can do, its parameters, the beginnings of system prompt and license.

    ``verbose`` adds all metadata and tensors of its GGUF file. ``columns`` are those of the terminal; None: enough.
    """
    prose = _PROSE_COLUMNS if columns is None else max(min(_PROSE_COLUMNS, columns - _INDENT), 1)
    sections: list[tuple[str, Iterable[Sequence[str]]]] = [
        ("Model", _model(model)),
        ("Capabilities", [[capability] for capability in model.capabilities]),
        ("Projector", _projector(model.projector_info)),
        ("Parameters", [_parameter(line) for line in model.parameters.splitlines() if line.strip()]),
    ]
    if verbose:
        metadata = sorted(model.model_info.items())
        sections += [
            ("Metadata", [[key, _value(value)] for key, value in metadata]),
            ("Tensors", [[t.name, t.type, _go(t.shape)] for t in sorted(model.tensors, key=_in_order)]),
        ]
    sections += [("System", _prose(model.system, prose)), ("License", _prose(model.license, prose))]
    return "".join(section(title, rows, columns) for title, rows in sections)


def _model(model: ModelDetails) -> Iterator[list[str]]:
    info, details = model.model_info, model.details
    arch = info.get("general.architecture") or details.family
    parameters = details.parameter_size or count(int(info.get("general.parameter_count") or 0))
    rows = {
        "Remote model": model.remote_model,
        "Remote URL": model.remote_host,
        "architecture": arch,
        "parameters": parameters if parameters != "0" else "",
        "context length": _whole(info.get(f"{arch}.context_length") or details.context_length),
        "embedding length": _whole(info.get(f"{arch}.embedding_length") or details.embedding_length),
        "quantization": details.quantization_level,
        "requires": model.requires,
    }
    return ([name, value] for name, value in rows.items() if value)


def _projector(info: Mapping[str, Any] | None) -> Iterator[list[str]]:
    info = info or {}
    arch = info.get("general.architecture") or ""
    rows = {
        "architecture": arch,
        "parameters": count(int(info["general.parameter_count"])) if info.get("general.parameter_count") else "",
        "embedding length": _whole(_of_senses(info, arch, "embedding_length")),
        "dimensions": _whole(_of_senses(info, arch, "projection_dim")),
    }
    return ([name, value] for name, value in rows.items() if value)


def _of_senses(info: Mapping[str, Any], arch: str, name: str) -> float | None:
    """What a projector's metadata say of seeing, or else of hearing."""
    return info.get(f"{arch}.vision.{name}") or info.get(f"{arch}.audio.{name}")


def _in_order(tensor: Tensor) -> tuple[int, str]:
    """Those of no block first, then block by block, by name."""
    found = _BLOCK.match(tensor.name)
    return int(found.group(1)) if found else -1, tensor.name


def _parameter(line: str) -> list[str]:
    name, _, value = line.strip().partition(" ")
    return [name, value.strip()]


def _whole(number: float | None) -> str:
    return f"{int(number)}" if number else ""


def _prose(text: str, columns: int) -> list[list[str]]:
    lines = [harmless(line) for line in text.splitlines() if line.strip()]
    shown = [[part] for line in lines[:_PROSE_LINES] for part in _wrapped(" ".join(line.split()), columns)]
    return shown + ([["..."]] if len(lines) > _PROSE_LINES else [])


def _wrapped(line: str, columns: int) -> Iterator[str]:
    cuts = [0, *breaks(line, columns), len(line)]
    return (line[begin:end].rstrip() for begin, end in pairwise(cuts))


def _value(value: object) -> str:
    """A metadata value; of an array as many items as fit a narrow column, and how many more there are."""
    if not isinstance(value, list):
        return _go(value)
    shown, columns = 0, 1
    for item in value:
        columns += width(_go(item)) + (2 if shown else 0)
        if shown and columns > _ARRAY_COLUMNS:
            break
        shown += 1
    text = _go(value[:shown])
    return text if shown == len(value) else f"{text[:-1]} ...+{len(value) - shown} more]"


def _go(value: object) -> str:
    """A JSON value as Go prints it, which is what programs that read this output know."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _go_number(value)
        case list() | tuple():
            return f"[{' '.join(map(_go, value))}]"
        case Mapping():
            return f"map[{' '.join(f'{key}:{_go(item)}' for key, item in sorted(value.items()))}]"
    return harmless(str(value).replace("\n", " "))


def _go_number(number: float) -> str:
    """The fewest digits that read back as the same number, with an exponent from 1e6 up and below 1e-4."""
    number = float(number)
    if number == 0 or 1e-4 <= abs(number) < 1e6:
        return repr(number).removesuffix(".0")
    texts = (f"{number:.{digits}e}" for digits in range(17))
    return next(text for text in texts if float(text) == number)
