"""The command ``create``: a Modelfile becomes uploaded files and one request."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from puna.cli import files
from puna.cli.command import Command, connected, exactly, model_name
from puna.cli.here import shared_blobs
from puna.cli.progress import Report, reporting
from puna.conversion import mixture
from puna.errors import InvalidParameter
from puna.events import Progress
from puna.modelfile import Modelfile, parse
from puna.names import Digest
from puna.store.sharing import share
from puna.types import CreateRequest

if TYPE_CHECKING:
    from puna.client import Client
    from puna.store.blobs import Blobs

_DEFAULT_FILE = "Modelfile"
_PIPE = "-"
_GATHERING = Progress("gathering model components")


@click.command("create", cls=Command, count=exactly(1))
@click.argument("args", nargs=-1, metavar="MODEL")
@click.option(
    "-f",
    "--file",
    "path",
    default="",
    metavar="FILE",
    help=f'the Modelfile, - for standard input (default "{_DEFAULT_FILE}")',
)
@click.option("-q", "--quantize", default="", metavar="TYPE", help="quantize the model to this type, such as q4_K_M")
@click.option("--draft-quantize", default="", metavar="TYPE", help="quantize the draft model to this type")
@click.option("--experimental", is_flag=True, help="taken for Ollama's sake: safetensors need no flag")
def create(args: tuple[str, ...], path: str, quantize: str, draft_quantize: str, experimental: bool) -> None:  # noqa: ARG001
    """Make a model from a Modelfile, or from the files in a folder."""
    with connected() as client, reporting(sys.stderr) as report:
        model_name(args[0])
        for wanted in filter(None, (quantize, draft_quantize)):
            _check_level(wanted)
        _create(client, CreateRequest(args[0], quantize=quantize, draft_quantize=draft_quantize), path, report)


def _check_level(wanted: str) -> None:
    """Refuse what no model can be quantized to, before anything large is sent. Raises ClickException."""
    if mixture.level(wanted) is None:
        usual = ("F32", "F16", "Q4_K_S", "Q4_K_M", "Q8_0")
        known = ", ".join((*usual, *(level for level in mixture.LEVELS if level not in usual)))
        raise click.ClickException(f"unsupported quantization type {wanted.upper()} - supported types are {known}")


def _create(client: Client, asked: CreateRequest, path: str, report: Report) -> None:
    said, folder = _read(path, report)
    report(_GATHERING)
    sources = {source: files.named(source, folder) for source in said.sources}
    for source, found in sources.items():
        if not found and files.looks_like_path(source):
            report(Progress(f"there is no file {source}, so it is taken as a model's name"))
    adapters = [files.named(adapter, folder) or _missing("adapter", adapter) for adapter in said.adapters]
    draft = (files.named(said.draft, folder) or _missing("draft model", said.draft)) if said.draft else {}
    if any(found == draft for found in sources.values() if found):
        raise click.ClickException(f"DRAFT must not reference the same local path as FROM: {said.draft}")
    if asked.draft_quantize and not draft:
        raise click.ClickException("--draft-quantize requires a DRAFT model")
    request = replace(
        asked,
        source=next((source for source, found in sources.items() if not found), ""),
        files=_upload(client, files.together([*sources.values()]), report),
        adapters=_upload(client, files.together(adapters), report),
        draft_files=_upload(client, draft, report),
        template=said.template,
        system=said.system,
        licenses=said.licenses,
        parameters=said.parameters or None,
        messages=said.messages or None,
        renderer=said.renderer,
        parser=said.parser,
        requires=said.requires,
    )
    with closing(client.create(request)) as steps:
        for step in steps:
            report(step)


def _read(path: str, report: Report) -> tuple[Modelfile, Path]:
    """The Modelfile and the folder its paths are relative to; without one, the model files of this folder."""
    file = Path(path or _DEFAULT_FILE)
    if path == _PIPE or file.exists():
        try:
            said = parse(sys.stdin.buffer.read() if path == _PIPE else file.read_bytes())
        except InvalidParameter:
            report(_GATHERING)
            raise
        for warning in said.warnings:
            report(Progress(warning))
        return said, file.parent
    if path:
        # A mistyped name must not make a model of whatever lies about here.
        report(Progress(f"there is no file {path}"))
        raise files.nothing_found()
    return parse("FROM ."), Path()


def _missing(what: str, path: str) -> dict[str, Path]:
    raise click.ClickException(f"there is no {what} file {path}")


def _upload(client: Client, found: Mapping[str, Path], report: Report) -> Mapping[str, str] | None:
    """Put the files where the server has them; return each one's name there and its digest."""
    shared = shared_blobs(client) if found else None
    return {name: str(_upload_one(client, shared, file, report)) for name, file in found.items()} or None


def _upload_one(client: Client, shared: Blobs | None, file: Path, report: Report) -> Digest:
    """Put one file where the server has it: into its store, without a copy, where that can be done; else over HTTP."""
    digest = None if shared is None else share(shared, file)
    if digest is None:
        with file.open("rb") as content:
            digest = Digest(hashlib.file_digest(content, "sha256").hexdigest())
    size = file.stat().st_size

    def sent(count: int) -> None:
        report(Progress(f"copying file {digest}", str(digest), size, count))

    if not client.has_blob(digest):
        client.upload_blob(file, digest, sent)
    sent(size)
    return digest
