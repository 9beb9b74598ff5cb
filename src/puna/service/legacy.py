"""The older form of create, which many clients and guides still send: a Modelfile in the request instead of fields."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from puna import gguf, modelfile
from puna.errors import InvalidDigest, InvalidRequest
from puna.modelfile import Modelfile
from puna.names import Digest
from puna.service.requests import caller
from puna.store.blobs import Blobs
from puna.types import CreateRequest

_COPIED = 1 << 22


def translated(blobs: Blobs, request: CreateRequest) -> CreateRequest:
    """``request`` in today's form: what its Modelfile says, except where a field of its own says otherwise.

    FROM and ADAPTER may be a model's name, ``@sha256:…`` for a blob that was uploaded, or, if the caller may do
    everything, the path of a GGUF file on this machine, which is copied into the store. A request that says ``from`` or
    ``files`` has today's form already.

    Raises:
        ModelfileError: the Modelfile is none.
        InvalidRequest: a file it names is not there, or is not a GGUF file.
        ScopeMissing: it names a file of this machine, and the caller may not do everything.
        DiskFull, StoreError: a file cannot be copied.
    """
    if request.source or request.files is not None or not (request.modelfile or request.path):
        return request
    said, folder = _read(request)
    files: dict[str, str] = {}
    source = ""
    for one in said.sources:
        if found := _file(blobs, one, folder):
            files[found[0]] = found[1]
        elif _is_path(one):
            raise InvalidRequest(_missing("FROM", one, request))
        else:
            source = one
    adapters: dict[str, str] = {}
    for one in said.adapters:
        if not (found := _file(blobs, one, folder)):
            raise InvalidRequest(_missing("ADAPTER", one, request))
        adapters[found[0]] = found[1]
    return replace(
        request,
        source=source,
        files=files or None,
        adapters=request.adapters or adapters or None,
        template=request.template or said.template,
        system=request.system or said.system,
        licenses=request.licenses or said.licenses,
        parameters={**said.parameters, **(request.parameters or {})} or None,
        messages=request.messages or said.messages or None,
        renderer=request.renderer or said.renderer,
        parser=request.parser or said.parser,
        requires=request.requires or said.requires,
    )


def _read(request: CreateRequest) -> tuple[Modelfile, Path | None]:
    """The Modelfile, and the folder its paths are relative to, if any."""
    if request.modelfile:
        return modelfile.parse(request.modelfile), None
    caller().rights.require("admin")
    try:
        path = Path(request.path).expanduser()
        return modelfile.parse(path.read_bytes()), path.parent
    except (OSError, ValueError, RuntimeError) as error:  # the path may be none, or of a user that is none
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise InvalidRequest(
            f"the Modelfile {request.path} cannot be read on the server ({reason}): send its text as modelfile"
        ) from error


def _file(blobs: Blobs, text: str, folder: Path | None) -> tuple[str, str] | None:
    """The name and the digest of the blob that ``text`` means, which may be copied into the store for it."""
    try:
        digest = Digest.parse(text.removeprefix("@"))
    except InvalidDigest:
        return _copied(blobs, text, folder)
    return f"{digest.hex}.gguf", str(digest)


def _copied(blobs: Blobs, text: str, folder: Path | None) -> tuple[str, str] | None:
    try:
        path = (folder or Path()) / Path(text).expanduser()
    except RuntimeError:  # "~" and a user that is none
        return None
    if not path.is_absolute():
        return None
    caller().rights.require("admin")
    if not path.is_file():
        return None
    if not gguf.is_gguf(path):
        raise InvalidRequest(f"{text} is not a GGUF file")
    with path.open("rb") as content, blobs.open_writer() as writer:
        while chunk := content.read(_COPIED):
            writer.write(chunk)
        return path.name, str(writer.commit())


def _is_path(text: str) -> bool:
    return text.startswith((".", "/", "~", "@")) or text.lower().endswith(".gguf")


def _missing(instruction: str, text: str, request: CreateRequest) -> str:
    where = "" if request.path else "; a file of your own is uploaded to /api/blobs first and named in 'files'"
    return f"{instruction} {text}: there is no such file on the server{where}"
