"""Pictures and sound in requests: what kind they are, what of them the engine can read, where they stand in a prompt.

In the text of a prompt that has images, ``[img-N]`` stands for the image number N, counted from 0. Where a caller's own
text says so, and only means the words, it is shielded: ``shielded`` and ``unshielded`` are each other's inverse.

This is the one module that knows Pillow, which is loaded with the first picture.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

from puna.errors import InvalidRequest, PunaError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 8192 * 8192
"""A picture with more is refused. It is decoded twice, here and in the engine, at 3 to 4 bytes a pixel."""

_PICTURES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/bmp": "BMP",
}
"""The MIME types of pictures, and Pillow's names for them."""

_ENGINE_READS = frozenset({"image/jpeg", "image/png"})
"""llama.cpp's reader knows all but WebP, but of GIF and BMP only the common kinds."""

_ORIENTATION = 0x0112
"""The EXIF tag that says how a picture is to be turned."""

_MARKER = re.compile(r"\[img-(0|[1-9][0-9]{0,8})\]")
_SHIELD = "\ufdd0"
"""A code point that is no character and means nothing to anyone else."""

_SHIELDABLE = re.compile(rf"\[({_SHIELD}*img-[0-9]+\])")
_SHIELDED = re.compile(rf"\[{_SHIELD}({_SHIELD}*img-[0-9]+\])")


def kind(data: bytes) -> str:
    """The MIME type that the first bytes tell, "" if they tell none that is known."""
    match data[:4]:
        case b"\x89PNG":
            return "image/png"
        case b"GIF8":
            return "image/gif"
        case b"fLaC":
            return "audio/flac"
        case b"RIFF":
            return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12], "")
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"BM"):
        return "image/bmp"
    # MPEG audio begins with tags, or with the eleven set bits of a frame.
    if data.startswith(b"ID3") or (data[:1] == b"\xff" and data[1:2] >= b"\xe0"):
        return "audio/mpeg"
    return ""


def for_engine(data: bytes, name: str = "the image") -> bytes:
    """``data`` as the engine can read it; ``name`` is what errors call it.

    Sound is passed on. A picture is decoded once, to know that it can be. JPEG and PNG stay as they are unless the
    engine would see them otherwise than people do: lying on their side, or without the white behind what is
    transparent. Those, and WebP, BMP and the first frame of a GIF, become PNG.

    Raises:
        InvalidRequest: it is of no known type, damaged, or has more than ``MOST_PIXELS``.
    """
    mime = kind(data)
    if mime.startswith("audio/"):
        return data
    if not mime:
        raise InvalidRequest(
            f"{name} cannot be read: it is neither a picture (JPEG, PNG, WebP, GIF, BMP) nor sound (WAV, MP3, FLAC)"
        )
    try:
        return _picture(data, mime, name)
    except PunaError:
        raise
    except Exception as error:  # a decoder given hostile bytes raises whatever it happens to stumble over
        raise InvalidRequest(f"{name} cannot be read: its {_PICTURES[mime]} data is damaged or cut short") from error


def _picture(data: bytes, mime: str, name: str) -> bytes:
    # Most requests have no pictures. That the plug-in is imported makes Pillow know its format.
    from PIL import Image, WebPImagePlugin  # noqa: F401, PLC0415

    Image.MAX_IMAGE_PIXELS = None  # the limit below takes its place
    with Image.open(io.BytesIO(data), formats=[_PICTURES[mime]]) as image:
        if image.width * image.height > MOST_PIXELS:
            raise InvalidRequest(
                f"{name} cannot be read: it is {image.width}x{image.height} pixels large, "
                f"and {MOST_PIXELS} pixels are the most there may be"
            )
        image.load()
        return data if mime in _ENGINE_READS and _seen_as_stored(image) else _png(image)


def _seen_as_stored(image: Image) -> bool:
    if image.mode.startswith("I"):  # grey of 16 bits, which Pillow would cut to 8
        return True
    if image.getexif().get(_ORIENTATION, 1) not in {0, 1}:
        return False
    return not image.has_transparency_data or image.convert("RGBA").getchannel("A").getextrema() == (255, 255)


def _png(image: Image) -> bytes:
    from PIL import Image as Pillow  # noqa: PLC0415
    from PIL import ImageOps  # noqa: PLC0415

    upright = ImageOps.exif_transpose(image)
    flat = upright.convert("RGB")
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        flat = Pillow.new("RGB", layer.size, "white")
        flat.paste(layer, mask=layer)
    written = io.BytesIO()
    flat.save(written, "PNG", compress_level=1)
    return written.getvalue()


def marker(number: int) -> str:
    """What stands in a prompt's text for its image ``number``."""
    return f"[img-{number}]"


def parts(text: str) -> Iterator[str | int]:
    """A prompt's text in order: pieces of text, unshielded, and between them the numbers of the markers."""
    for at, part in enumerate(_MARKER.split(text)):
        yield int(part) if at % 2 else unshielded(part)


def numbered(text: str, placeholder: str) -> str:
    """``text`` with the marker 0 for the first ``placeholder``, 1 for the second and so on, and all else shielded."""
    numbers = count()
    return re.sub(re.escape(placeholder), lambda _: marker(next(numbers)), shielded(text))


def shielded(text: str) -> str:
    """``text`` with everything that looks like a marker made to stand for itself."""
    return _SHIELDABLE.sub(rf"[{_SHIELD}\1", text) if "img-" in text else text


def unshielded(text: str) -> str:
    """A prompt's text as people read it."""
    return _SHIELDED.sub(r"[\1", text) if _SHIELD in text else text
