"""What the small files of the store hold, and the very bytes Ollama would write for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from puna.errors import CorruptManifest, InvalidDigest
from puna.names import Digest
from puna.template import gojson
from puna.types import Message, ToolCall

_T = TypeVar("_T")

Part = Literal[
    "model", "projector", "adapter", "draft", "template", "prompt", "system", "params", "messages", "license"
]

CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_LAYER_TYPE = "application/vnd.ollama.image."


def versioned(origin: str, version: Digest) -> str:
    """What a layer notes as its parent that was made here of files at ``origin``: where they were, and which."""
    return f"{origin}@{version}"


def noted_version(parent: str, origin: str) -> Digest | None:
    """Which of the files at ``origin`` a layer was made of, by what it notes as its parent; None: of something else."""
    where, _, version = parent.rpartition("@")
    try:
        return Digest.parse(version) if where.lower() == origin.lower() else None
    except InvalidDigest:
        return None


def layer_type(part: Part) -> str:
    """The media type of a layer that holds ``part``."""
    return _LAYER_TYPE + part


class Layer(Struct, frozen=True, omit_defaults=True, rename={"media_type": "mediaType", "parent": "from"}):
    """A blob and its role. ``parent`` is the model or file it came from; ``name`` tells apart layers of one role."""

    media_type: str
    digest: str
    size: int
    parent: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        Digest.parse(self.digest)

    @property
    def blob(self) -> Digest:
        """The digest, typed."""
        return Digest.parse(self.digest)

    def holds(self, *parts: Part) -> bool:
        """Whether it holds one of ``parts``, or, without any named, some part of a model."""
        kind = self.media_type.removeprefix(_LAYER_TYPE)
        return kind != self.media_type and (not parts or kind in parts)


class Manifest(Struct, frozen=True, rename="camel"):
    """What a model is made of."""

    config: Layer
    layers: tuple[Layer, ...] | None = ()
    schema_version: int = 2
    media_type: str = _MANIFEST_TYPE

    @property
    def blobs(self) -> frozenset[Digest]:
        """All blobs it needs."""
        return frozenset(layer.blob for layer in (self.config, *(self.layers or ())))

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(layer.size for layer in (self.config, *(self.layers or ())))

    def of(self, *parts: Part) -> list[Layer]:
        """The layers that hold one of ``parts``, in order."""
        return [layer for layer in self.layers or () if layer.holds(*parts)]


class Config(Struct, frozen=True):
    """What is known of a model without opening it."""

    model_format: str = ""
    model_family: str = ""
    model_families: tuple[str, ...] | None = None
    model_type: str = ""
    file_type: str = ""
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    remote_host: str = ""
    remote_model: str = ""
    capabilities: tuple[str, ...] | None = None
    context_length: int = 0
    embedding_length: int = 0
    base_name: str = ""
    draft: Mapping[str, Any] | None = None
    architecture: str = "amd64"
    os: str = "linux"


_ALWAYS = {"model_format", "model_family", "model_families", "model_type", "file_type", "architecture", "os"}


def read_manifest(content: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        CorruptManifest: it is not one.
    """
    return _decode(content, Manifest, "manifest")


def write_manifest(manifest: Manifest) -> bytes:
    """The file of a manifest."""
    return _encode(
        {
            "schemaVersion": manifest.schema_version,
            "mediaType": manifest.media_type,
            "config": msgspec.to_builtins(manifest.config),
            "layers": msgspec.to_builtins(manifest.layers or ()),
        }
    )


def read_config(content: bytes) -> Config:
    """Read a config.

    Raises:
        CorruptManifest: it is not one.
    """
    return _decode(content, Config, "config")


def write_config(config: Config) -> bytes:
    """The blob of a config."""
    fields = msgspec.structs.asdict(config)
    return _encode({name: value for name, value in fields.items() if value or name in _ALWAYS})


def read_parameters(content: bytes) -> dict[str, Any]:
    """Read the parameters of a model.

    Raises:
        CorruptManifest: they are not a JSON object.
    """
    return _decode(content, dict[str, Any], "params layer")


def write_parameters(parameters: Mapping[str, Any]) -> bytes:
    """The blob of parameters."""
    return _encode(dict(sorted(parameters.items())))


class _Function(Struct):
    name: str = ""
    arguments: dict[str, Any] | None = None


class _Call(Struct):
    function: _Function
    id: str = ""


class _Message(Struct):
    role: str = ""
    content: str = ""
    thinking: str = ""
    images: tuple[bytes, ...] | None = None
    tool_calls: tuple[_Call, ...] | None = None
    tool_name: str = ""
    tool_call_id: str = ""


def read_messages(content: bytes) -> tuple[Message, ...]:
    """Read the messages of a model.

    Raises:
        CorruptManifest: they are not a JSON list of messages.
    """
    return tuple(
        Message(
            role=raw.role,
            content=raw.content,
            thinking=raw.thinking,
            images=raw.images or (),
            tool_calls=tuple(
                ToolCall(call.function.name, call.function.arguments or {}, call.id, index)
                for index, call in enumerate(raw.tool_calls or ())
            ),
            tool_name=raw.tool_name,
            tool_call_id=raw.tool_call_id,
        )
        for raw in _decode(content, tuple[_Message, ...], "messages layer")
    )


def write_messages(messages: Sequence[Message]) -> bytes:
    """The blob of messages."""
    return _encode([_message(message) for message in messages])


def _message(message: Message) -> dict[str, Any]:
    optional = {
        "thinking": message.thinking,
        "images": message.images,
        "tool_calls": [_call(call) for call in message.tool_calls],
        "tool_name": message.tool_name,
        "tool_call_id": message.tool_call_id,
    }
    given = {name: value for name, value in optional.items() if value}
    return {"role": message.role, "content": message.content, **given}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"index": call.index, "name": call.name, "arguments": call.arguments}
    return {"id": call.id, "function": function} if call.id else {"function": function}


def _decode(content: bytes, kind: type[_T], what: str) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, InvalidDigest) as error:
        raise CorruptManifest(f"a {what} in the store is damaged: {error}") from error


def _encode(value: Any) -> bytes:
    """JSON as Go's encoder writes it, with the newline it ends with; keys stay in their order."""
    return gojson.encode(_ordered(value)).encode() + b"\n"


def _ordered(value: Any) -> Any:
    match value:
        case Mapping():
            return gojson.Ordered((key, _ordered(item)) for key, item in value.items())
        case list() | tuple():
            return [_ordered(item) for item in value]
        case _:
            return value
