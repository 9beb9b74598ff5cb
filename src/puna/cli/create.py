"""The command ``create``: a Modelfile becomes uploaded files and one request."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from puna.cli.command import Command, connected, exactly
from puna.cli.progress import Report, reporting
from puna.errors import InvalidName
from puna.events import Progress
from puna.modelfile import Modelfile, parse
from puna.names import Digest, ModelName
from puna.types import CreateRequest

if TYPE_CHECKING:
    from puna.client import Client

_DEFAULT_FILE = "Modelfile"
_READ_CHUNK = 1 << 20


@click.command("create", cls=Command, count=exactly(1))
@click.argument("args", nargs=-1, metavar="MODEL")
@click.option("-f", "--file", "path", default="", metavar="FILE", help=f'the Modelfile (default "{_DEFAULT_FILE}")')
@click.option("-q", "--quantize", default="", metavar="TYPE", help="quantize the model to this type, such as q4_K_M")
def create(args: tuple[str, ...], path: str, quantize: str) -> None:
    """Make a model from a Modelfile."""
    with connected() as client, reporting(sys.stderr) as report:
        try:
            ModelName.parse(args[0])
        except InvalidName as error:
            raise click.UsageError(f"invalid model name: {args[0]}") from error
        try:
            _create(client, args[0], path, quantize, report)
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error


def _create(client: Client, name: str, path: str, quantize: str, report: Report) -> None:
    said, folder = _read(path, report)
    report(Progress("gathering model components"))
    sources = {source: _files(source, folder) for source in said.sources}
    for source, files in sources.items():
        if not files and _looks_like_path(source):
            report(Progress(f"there is no file {source}, so it is taken as a model's name"))
    adapters = [file for adapter in said.adapters for file in _files(adapter, folder) or [_missing(adapter)]]
    request = CreateRequest(
        model=name,
        source=next((source for source, files in sources.items() if not files), ""),
        files=_upload(client, [file for files in sources.values() for file in files], report),
        adapters=_upload(client, adapters, report),
        template=said.template,
        system=said.system,
        licenses=said.licenses,
        parameters=said.parameters or None,
        messages=said.messages or None,
        renderer=said.renderer,
        parser=said.parser,
        requires=said.requires,
        quantize=quantize,
    )
    with closing(client.create(request)) as steps:
        for step in steps:
            report(step)


def _read(path: str, report: Report) -> tuple[Modelfile, Path]:
    """The Modelfile and the folder its paths are relative to; without one, the model files of this folder."""
    file = Path(path or _DEFAULT_FILE)
    if file.exists():
        said = parse(file.read_bytes())
        unused = ["warning: DRAFT is not used by puna"] if said.draft else []
        for warning in [*said.warnings, *unused]:
            report(Progress(warning))
        return said, file.parent
    if path:
        # A mistyped name must not make a model of whatever lies about here.
        report(Progress(f"there is no file {path}"))
        raise _no_files()
    return parse("FROM ."), Path()


def _files(source: str, folder: Path) -> list[Path]:
    """The files that FROM or ADAPTER means, none when it is a model's name."""
    try:
        path = folder / Path(source).expanduser()
    except RuntimeError:  # ~someone who is not there
        return []
    if not path.is_dir():
        return [path] if path.exists() else []
    files = sorted(path.glob("*.gguf"))
    if not files:
        raise _no_files()
    return files


def _no_files() -> click.ClickException:
    return click.ClickException("no Modelfile or safetensors files found")


def _missing(adapter: str) -> Path:
    raise click.ClickException(f"there is no adapter file {adapter}")


def _looks_like_path(source: str) -> bool:
    return source.startswith((".", "/", "~")) or source.lower().endswith((".gguf", ".safetensors"))


def _upload(client: Client, files: Sequence[Path], report: Report) -> Mapping[str, str] | None:
    """Put ``files`` where the server has them; return each one's name there and its digest."""
    uploaded: dict[str, str] = {}
    for file in files:
        name = file.name if file.name not in uploaded else f"{file.absolute().parent.name}/{file.name}"
        uploaded[name] = str(_upload_one(client, file, report))
    return uploaded or None


def _upload_one(client: Client, file: Path, report: Report) -> Digest:
    with file.open("rb") as content:
        digest = Digest(hashlib.file_digest(content, "sha256").hexdigest())
    size = file.stat().st_size

    def sent(count: int) -> None:
        report(Progress(f"copying file {digest}", str(digest), size, count))

    if not client.has_blob(digest):
        client.upload_blob(file, digest, sent)
    sent(size)
    return digest
