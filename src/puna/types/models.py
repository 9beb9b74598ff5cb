"""Models on disk, in memory and on their way between the two and a registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from puna.types.conversation import Message

Capability = Literal["completion", "tools", "insert", "vision", "audio", "embedding", "thinking", "image generation"]


@dataclass(frozen=True, slots=True)
class Details:
    """What kind of model it is, in Ollama's words. The last two are 0 where they are not known."""

    parent_model: str = ""
    format: str = ""
    family: str = ""
    families: tuple[str, ...] = ()
    parameter_size: str = ""
    quantization_level: str = ""
    context_length: int = 0
    embedding_length: int = 0


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where a model store is on its machine. ``device`` and ``inode`` are those of the directory of its blobs."""

    path: str
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One line of the list of models.

    ``digest`` is bare hex, ``size`` in bytes, ``modified`` an RFC 3339 text with nanoseconds and the local offset, such
    as ``2026-11-21T20:41:05.742011893+01:00``.
    """

    name: str
    modified: str
    size: int
    digest: str
    details: Details
    capabilities: tuple[Capability, ...] = ()
    remote_model: str = ""
    remote_host: str = ""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a GGUF file: ``type`` as llama.cpp names it, ``shape`` in GGUF order."""

    name: str
    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """Everything there is to show of a model. ``model_info`` holds the GGUF's metadata by its own keys."""

    modelfile: str
    details: Details
    model_info: Mapping[str, Any]
    capabilities: tuple[Capability, ...]
    modified: str
    license: str = ""
    parameters: str = ""
    template: str = ""
    system: str = ""
    messages: tuple[Message, ...] = ()
    projector_info: Mapping[str, Any] | None = None
    tensors: tuple[Tensor, ...] = ()
    requires: str = ""
    remote_model: str = ""
    remote_host: str = ""


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model in memory. ``size`` and ``size_vram`` in bytes; ``expires`` as ``ModelSummary.modified``."""

    name: str
    size: int
    size_vram: int
    digest: str
    details: Details
    expires: str
    context_length: int


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """Make a model from another (``source``) or from uploaded files (path -> digest). None means "not said".

    ``quantize`` is the level its weights are to have, ``draft_quantize`` that of the draft model in ``draft_files``.
    ``info`` says what is to be told of it in the place of what its weights tell, such as ``context_length``.
    ``remote_host`` is where ``source`` runs, when that is not here: then the model only says so.
    ``modelfile`` is the text of a Modelfile and ``path`` the path of one on the server, as older clients send them.
    """

    model: str
    source: str = ""
    files: Mapping[str, str] | None = None
    adapters: Mapping[str, str] | None = None
    template: str | None = None
    system: str | None = None
    licenses: tuple[str, ...] = ()
    parameters: Mapping[str, Any] | None = None
    messages: tuple[Message, ...] | None = None
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    quantize: str = ""
    draft_files: Mapping[str, str] | None = None
    draft_quantize: str = ""
    info: Mapping[str, Any] | None = None
    remote_host: str = ""
    modelfile: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """Fetch a model by its name, or a file by its URL.

    ``insecure`` allows HTTP, and HTTPS without a trusted certificate. ``limit_rate`` is in bytes per second,
    0 for no limit.
    """

    model: str
    insecure: bool = False
    limit_rate: int = 0


@dataclass(frozen=True, slots=True)
class PushRequest:
    """Send a model to the registry its name says; the rest is as in ``PullRequest``."""

    model: str
    insecure: bool = False
    limit_rate: int = 0
