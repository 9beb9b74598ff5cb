"""Which files of a repository are the model in the quantization that was asked for.

Repositories name their files as people please: ``Model-Q4_K_M.gguf``, ``Q4_K_M/Model-Q4_K_M-00001-of-00003.gguf``,
``UD-Q4_K_XL/model.gguf``. What they have in common is read here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_PART = re.compile(r"-(\d{5})-of-(\d{5})(?=\.gguf$)", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:^|[-._/])((?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|BF16|F16|FP16|F32))(?=$|[-._/])",
    re.IGNORECASE,
)
_PROJECTOR = re.compile(r"(?:^|[-._/])mmproj", re.IGNORECASE)
_OTHER = re.compile(r"(?:^|[-._/])imatrix", re.IGNORECASE)
_ANY = "latest"
_PREFERRED = ("Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS", "IQ4_NL", "UD-Q4_K_XL", "MXFP4", "Q5_K_M", "Q6_K", "Q8_0", "BF16")
"""What is taken when nobody says what, the first that is there; Hugging Face begins with the same."""

_PRECISE = ("F16", "BF16", "F32")
"""What is taken of projectors, which are small, the first that is there."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model in one file or in ``count`` parts, of which ``missing`` are not there.

    ``paths`` are its files in the order of their numbers, ``stem`` is what their names begin with.
    """

    stem: str
    paths: tuple[str, ...]
    count: int
    missing: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """Its quantization, or else its name."""
        folder, _, file = self.stem.rpartition("/")
        found = _label(file) or _label(folder)
        return found.upper() if found else file


def grouped(paths: Iterable[str]) -> list[Candidate]:
    """The models that the GGUF files at ``paths`` are."""
    groups: dict[tuple[str, int], dict[int, str]] = defaultdict(dict)
    for path in sorted(paths):
        if _PROJECTOR.search(path) or _OTHER.search(path):
            continue
        part = _PART.search(path)
        if part is None:
            groups[path[: -len(".gguf")], 1][1] = path
        else:
            groups[path[: part.start()], int(part.group(2))][int(part.group(1))] = path
    return [_candidate(stem, count, parts) for (stem, count), parts in groups.items()]


def choose(there: Sequence[Candidate], tag: str) -> Candidate | None:
    """The one of ``there`` that ``tag`` means: a quantization, the name of a file or a folder, or "latest".

    None if it means none of them.
    """
    if tag.lower() == _ANY:
        by_label = {one.label: one for one in reversed(there)}
        return next((by_label[label] for label in _PREFERRED if label in by_label), there[0])
    wanted = tag.lower().removesuffix(".gguf")
    wanted = _PART.sub("", f"{wanted}.gguf").removesuffix(".gguf")
    return next((one for one in there if one.label.lower() == wanted), None) or next(
        (one for one in there if wanted in one.stem.lower().split("/")),
        next((one for one in there if re.search(rf"(?:^|[-./]){re.escape(wanted)}$", one.stem.lower())), None),
    )


def projector(paths: Iterable[str], *, beside: Candidate) -> str | None:
    """The projector among the files at ``paths`` that goes with a model, the nearest and most precise; None: none."""
    folder = beside.stem.rpartition("/")[0]
    near = [one for one in paths if _PROJECTOR.search(one) and one.rpartition("/")[0] in (folder, "")]

    def rank(path: str) -> tuple[bool, int, str]:
        label = (_label(path.rpartition("/")[2][: -len(".gguf")]) or "").upper()
        return path.rpartition("/")[0] != folder, (*_PRECISE, label).index(label), path

    return min(near, key=rank, default=None)


def _candidate(stem: str, count: int, parts: dict[int, str]) -> Candidate:
    missing = tuple(number for number in range(1, count + 1) if number not in parts)
    return Candidate(stem, tuple(parts[number] for number in sorted(parts)), count, missing)


def _label(text: str) -> str | None:
    found = _LABEL.findall(text)
    return found[-1] if found else None
