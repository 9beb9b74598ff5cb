"""Pictures and sound: what kind they are, what the engine gets of them, and the markers that stand for them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from puna import media
from puna.errors import InvalidRequest

RED, WHITE = (255, 0, 0), (255, 255, 255)
TURNED = 6
"""The EXIF orientation of a photograph whose camera stood upright: its top is stored on the left."""


def picture(format_: str, mode: str = "RGB", color: Any = RED, size: tuple[int, int] = (6, 4), **said: Any) -> bytes:
    written = io.BytesIO()
    Image.new(mode, size, color).save(written, format_, **said)
    return written.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def seen(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        return image.convert("RGBA")


def png(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 16))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("expected", "data"),
    [
        ("image/jpeg", picture("JPEG")),
        ("image/png", picture("PNG")),
        ("image/webp", picture("WEBP")),
        ("image/gif", picture("GIF")),
        ("image/bmp", picture("BMP")),
        ("audio/wav", b"RIFF\x24\0\0\0WAVEfmt "),
        ("audio/mpeg", b"ID3\x04\0"),
        ("audio/mpeg", b"\xff\xfb\x90\x64"),
        ("audio/flac", b"fLaC\0\0\0\x22"),
        ("", b""),
        ("", b"\xff"),
        ("", b"RIFF\x24\0\0\0AVI "),
        ("", b"<svg/>"),
    ],
)
def test_the_first_bytes_tell_the_kind(expected: str, data: bytes) -> None:
    """No caller has to say what an image is."""
    assert expected == media.kind(data)


@pytest.mark.parametrize(
    "data",
    [
        picture("JPEG"),
        picture("JPEG", exif=exif(1)),
        picture("JPEG", "CMYK", (0, 255, 255, 0)),
        picture("PNG"),
        picture("PNG", "RGBA", (*RED, 255)),
        picture("PNG", "I;16", 40_000),
        b"RIFF\x24\0\0\0WAVEfmt ",
    ],
)
def test_what_the_engine_reads_stays_as_it_is(data: bytes) -> None:
    """JPEG, PNG and sound are not encoded again."""
    assert data is media.for_engine(data)


@pytest.mark.parametrize("format_", ["WEBP", "GIF", "BMP"])
def test_other_pictures_become_png(format_: str) -> None:
    """WebP, which the engine cannot read, GIF and BMP keep their size and colour."""
    image = seen(media.for_engine(picture(format_, lossless=True) if format_ == "WEBP" else picture(format_)))
    assert ((6, 4), (*RED, 255)) == (image.size, image.getpixel((0, 0)))


def test_of_an_animation_the_first_frame_is_seen() -> None:
    """Whatever moves afterwards."""
    frames = [Image.new("RGB", (6, 4), color) for color in (RED, (0, 255, 0))]
    written = io.BytesIO()
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:])
    assert (*RED, 255) == seen(media.for_engine(written.getvalue())).getpixel((0, 0))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_a_photograph_is_seen_upright(format_: str) -> None:
    """The engine ignores EXIF, so the picture is turned before."""
    data = picture(format_, exif=exif(TURNED))
    assert (4, 6) == seen(media.for_engine(data)).size


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "GIF"])
def test_behind_what_is_transparent_is_white(format_: str) -> None:
    """The engine drops transparency, and would see black where people see the page."""
    image = Image.new("RGBA", (6, 4), (0, 0, 0, 0))
    image.putpixel((0, 0), (*RED, 255))
    written = io.BytesIO()
    image.save(written, format_, **({"lossless": True} if format_ == "WEBP" else {}))
    shown = seen(media.for_engine(written.getvalue()))
    assert [(*RED, 255), (*WHITE, 255)] == [shown.getpixel((0, 0)), shown.getpixel((3, 3))]


@pytest.mark.parametrize(
    ("expected", "data"),
    [
        ("photo 3 cannot be read: its JPEG data is damaged or cut short", picture("JPEG", size=(64, 64))[:-40]),
        ("photo 3 cannot be read: its PNG data is damaged or cut short", picture("PNG")[:40]),
        ("photo 3 cannot be read: its WEBP data is damaged or cut short", picture("WEBP")[:20]),
        ("photo 3 cannot be read: its GIF data is damaged or cut short", b"GIF89a\x01\0"),
        ("photo 3 cannot be read: its BMP data is damaged or cut short", b"BM\0\0"),
        (
            "photo 3 cannot be read: it is neither a picture (JPEG, PNG, WebP, GIF, BMP) nor sound (WAV, MP3, FLAC)",
            b"hello",
        ),
        (
            "photo 3 cannot be read: it is 60000x60000 pixels large, and 67108864 pixels are the most there may be",
            png(60_000, 60_000),
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(expected: str, data: bytes) -> None:
    """The error names the image, and a picture that would fill the memory is not even begun."""
    with pytest.raises(InvalidRequest) as refused:
        media.for_engine(data, "photo 3")
    assert expected == str(refused.value)


def test_as_many_pixels_as_there_may_be() -> None:
    """The limit itself is allowed; what is missing from the data is another matter."""
    with pytest.raises(InvalidRequest, match="damaged"):
        media.for_engine(png(8192, 8192))
    with pytest.raises(InvalidRequest, match="pixels"):
        media.for_engine(png(8192, 8193))


def test_damaged_exif_harms_nobody() -> None:
    """A picture whose notes are broken is still a picture."""
    data = picture("JPEG", exif=b"Exif\0\0nothing of the kind")
    assert data is media.for_engine(data)


@given(st.sampled_from([picture(name) for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP")]), st.data())
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_no_bytes_do_more_than_be_refused(data: bytes, choose: st.DataObject) -> None:
    """Pictures damaged anywhere are read or refused, and nothing else happens."""
    broken = bytearray(data)
    for at in choose.draw(st.lists(st.integers(12, len(data) - 1), min_size=1, max_size=4)):
        broken[at] = choose.draw(st.integers(0, 255))
    try:
        kind = media.kind(media.for_engine(bytes(broken)))
    except InvalidRequest:
        kind = "refused"
    assert kind in {"image/jpeg", "image/png", "refused"}


def test_markers_stand_between_the_pieces_of_text() -> None:
    """Each with its number; only what is written exactly so is one."""
    text = "a[img-0]b[img-12][img-01] [img] [IMG-1][img--1][img-9999999999]"
    assert ["a", 0, "b", 12, "[img-01] [img] [IMG-1][img--1][img-9999999999]"] == list(media.parts(text))
    assert [media.marker(0), media.marker(12)] == ["[img-0]", "[img-12]"]


@given(st.text(st.sampled_from("[]img-0\ufdd0")))
@example("[img-0]")
@example("[\ufdd0img-0] [\ufdd0\ufdd0img-1]")
def test_a_callers_text_is_never_a_marker(text: str) -> None:
    """Shielded, whatever it says stands for itself, and comes out as it was written."""
    assert [text] == list(media.parts(media.shielded(text)))
    assert text == media.unshielded(media.shielded(text))


def test_the_engines_placeholders_are_numbered() -> None:
    """What the engine's template put in the place of images becomes markers, and nothing else does."""
    text = media.numbered("<m>a [img-1] <m>", "<m>")
    assert [0, "a [img-1] ", 1] == [part for part in media.parts(text) if part != ""]
