"""Which files FROM, ADAPTER and DRAFT mean, and the names they get on the server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

_WEIGHTS = (
    ("model*.safetensors", "*/model*.safetensors"),
    ("consolidated*.safetensors",),
    ("adapter_model*.safetensors", "adapters.safetensors"),
    ("*.gguf",),
)
"""What the weights in a folder may be called; the first of these that is there is taken."""

_BESIDE = (
    "*.json",
    "*/*.json",
    "chat_template.jinja",
    "tokenizer.model",
    "*/tokenizer.model",
    "*.tiktoken",
    "merges.txt",
    "vocab.txt",
)
"""What belongs to weights in safetensors."""

_FIRST_PART = re.compile(r"(?P<stem>.+)-00001-of-(?P<count>\d{5})(?P<suffix>\.gguf)", re.IGNORECASE)

_UNSAFE = ("pytorch_model*.bin", "consolidated*.pth", "*.bin", "*.pth")


def named(source: str, folder: Path) -> dict[str, Path]:
    """The files that ``source`` means, relative to ``folder``, by the names they are sent by; none for a model's name.

    Raises:
        click.ClickException: it is a folder with nothing in it to make a model of, or with links that lead out of it.
    """
    try:
        path = folder / Path(source).expanduser()
    except RuntimeError:  # ~someone who is not there
        return {}
    if not path.is_dir():
        return {file.name: file for file in _with_parts(path)} if path.exists() else {}
    return {file.relative_to(path).as_posix(): _inside(file, path) for file in _chosen(path)}


def together(many: Sequence[dict[str, Path]]) -> dict[str, Path]:
    """The files of several sources; those that have the names of earlier ones are sent in the folder they come from."""
    found: dict[str, Path] = {}
    for number, source in enumerate(many, start=1):
        files = {name: path for name, path in source.items() if path not in found.values()}
        folder = next((path.absolute().parent.name for path in files.values()), "")
        for prefix in ("", f"{folder}/", f"{folder}-{number}/"):
            if not any(prefix + name in found for name in files):
                found |= {prefix + name: path for name, path in files.items()}
                break
    return found


def _with_parts(path: Path) -> Iterator[Path]:
    """``path``, and if it is the first part of a split file, the others that lie beside it."""
    yield path
    if first := _FIRST_PART.fullmatch(path.name):
        for number in range(2, int(first["count"]) + 1):
            other = path.with_name(f"{first['stem']}-{number:05}-of-{first['count']}{first['suffix']}")
            if other.exists():
                yield other


def looks_like_path(source: str) -> bool:
    """Whether ``source`` can hardly be meant as a model's name."""
    return source.startswith((".", "/", "~")) or source.lower().endswith((".gguf", ".safetensors"))


def nothing_found() -> click.ClickException:
    """That there is nothing to make a model of."""
    return click.ClickException("no Modelfile or safetensors files found")


def _chosen(folder: Path) -> Iterator[Path]:
    for patterns in _WEIGHTS:
        if weights := [file for pattern in patterns for file in sorted(folder.glob(pattern))]:
            yield from weights
            break
    else:
        unsafe = next((file for pattern in _UNSAFE for file in sorted(folder.glob(pattern))), None)
        if unsafe is None:
            raise nothing_found()
        raise click.ClickException(
            f"{unsafe.name} may run code when it is read, and is not imported: use safetensors or GGUF files"
        )
    if weights[0].suffix != ".gguf":
        for pattern in _BESIDE:
            yield from (file for file in sorted(folder.glob(pattern)) if file.is_file())


def _inside(file: Path, folder: Path) -> Path:
    if not file.resolve().is_relative_to(folder.resolve()):
        raise click.ClickException(
            f"insecure path: {file} leads out of the folder "
            "(a model in Hugging Face's cache is a folder of links: download it with --local-dir)"
        )
    return file
