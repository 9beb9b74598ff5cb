"""Pictures and sound in a request: may the model have them, can they be read, where do they stand in its prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from puna import media
from puna.errors import InvalidRequest, NotCapable
from puna.store.models import Model
from puna.types import Capability, Message

_PLACEHOLDER = "[img]"
"""Where a caller wants the next image of a message."""

_ONE_IMAGE = "mllama"
"""The family whose models take one image in a message."""

_SEE_FOR_THEMSELVES = frozenset(
    {
        "deepseekocr",
        "gemma3",
        "gemma4",
        "glmocr",
        "llama4",
        "mistral3",
        "nemotron_h_omni",
        "qwen25vl",
        "qwen35",
        "qwen35moe",
        "qwen3vl",
        "qwen3vlmoe",
    }
)
"""Architectures that Ollama publishes as one file, which is model and projector."""


def projector(model: Model) -> Path | None:
    """The GGUF file that makes embeddings of pictures or sound for ``model``, None if it takes none.

    Raises:
        CorruptManifest, CorruptModel, StoreError: its files cannot be read.
    """
    if model.projectors:
        return model.projectors[0]
    header = model.gguf
    sees = header.architecture in _SEE_FOR_THEMSELVES and any(one.name.startswith("v.") for one in header.tensors)
    return header.path if sees else None


def check(model: Model, messages: Sequence[Message]) -> None:
    """Do nothing if ``model`` can be given the images of ``messages``.

    Raises:
        NotCapable: it cannot see, or not hear.
        InvalidRequest: there are several in a message, and it takes one.
    """
    needed: list[Capability] = [
        "audio" if media.kind(image).startswith("audio/") else "vision" for image in images(messages)
    ]
    missing = [one for one in dict.fromkeys(needed) if one not in model.capabilities]
    if missing:
        raise NotCapable(f"{model.name.full} does not support " + "\n".join(missing))
    families = {model.details.family, *(model.details.families or ())}
    if _ONE_IMAGE in families and any(len(message.images) > 1 for message in messages):
        raise InvalidRequest("this model only supports one image while more than one image requested")


def readable(messages: Sequence[Message]) -> tuple[Message, ...]:
    """``messages`` with images as the engine can read them. It decodes them all, so call it in a thread.

    Raises:
        InvalidRequest: one cannot be read; the text says why, and which, counted from 1 through all messages.
    """
    numbers = count(1)
    return tuple(
        replace(message, images=tuple(media.for_engine(image, f"image {next(numbers)}") for image in message.images))
        if message.images
        else message
        for message in messages
    )


def images(messages: Sequence[Message]) -> tuple[bytes, ...]:
    """The images of all ``messages``, in their order; a marker's number is a place in it."""
    return tuple(image for message in messages for image in message.images)


def marked(model: Model, messages: Sequence[Message]) -> tuple[Message, ...]:
    """``messages`` as the one who renders for ``model`` needs them.

    A TEMPLATE knows nothing of images, so their markers are put into the contents; a renderer puts them where it wants
    them; for the engine, images are parts of their messages.
    """
    if model.renderer:
        return _shielded(messages)
    return placed(messages) if model.template_choice == "go" else tuple(messages)


def placed(messages: Sequence[Message]) -> tuple[Message, ...]:
    """``messages`` with the markers of their images in their contents, for a template in Go's language.

    In each message the first ``[img]`` becomes the marker of its first image, and so on; the images that are left come
    first. Numbers go on from message to message.
    """
    number, done = 0, []
    for message in _shielded(messages):
        content = _placed(message.content, range(number, number + len(message.images)))
        done.append(replace(message, content=content) if message.images else message)
        number += len(message.images)
    return tuple(done)


def raw(text: str, number: int) -> str:
    """The text of a raw prompt with that ``number`` of images.

    Markers that the caller wrote into it are meant; without any, the images are placed as in a message.
    """
    written = any(isinstance(part, int) and part < number for part in media.parts(text))
    return text if written else _placed(text, range(number))


def _placed(content: str, numbers: Sequence[int]) -> str:
    first, *rest = content.split(_PLACEHOLDER, len(numbers))
    inside = [marker + text for marker, text in zip(map(media.marker, numbers), rest, strict=False)]
    left = [media.marker(number) for number in numbers[len(rest) :]]
    return "".join([*left, first, *inside])


def _shielded(messages: Sequence[Message]) -> tuple[Message, ...]:
    """``messages`` whose own texts hold no markers; only where there are images could they be taken for some."""
    return tuple(_shielded_one(message) for message in messages) if images(messages) else tuple(messages)


def _shielded_one(message: Message) -> Message:
    calls = tuple(replace(call, arguments=_shielded_value(call.arguments)) for call in message.tool_calls)
    return replace(
        message,
        content=media.shielded(message.content),
        thinking=media.shielded(message.thinking),
        tool_calls=calls,
    )


def _shielded_value(value: Any) -> Any:
    match value:
        case str():
            return media.shielded(value)
        case Mapping():
            return {name: _shielded_value(item) for name, item in value.items()}
        case list():
            return [_shielded_value(item) for item in value]
        case _:
            return value
