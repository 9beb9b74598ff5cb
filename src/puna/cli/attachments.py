"""Pictures and sound that a prompt names by their paths. Files are read, nothing else is touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from puna.errors import InvalidRequest

MOST_BYTES = 100 * 1024 * 1024

_BEGIN = re.compile(r"(?:\.{1,2}|~)?/|[A-Za-z]:[\\/]|\\")
_END = re.compile(r"\.(?:jpe?g|png|webp|wav)(?![A-Za-z0-9_])", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([ ()\[\]{}$&;'\"\\*?~|<>#!`])")
_LONGEST = 4096

_SIGNS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
_TAKEN = frozenset({"image/png", "image/jpeg", "image/webp", "audio/wave"})


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file: its path as it was meant, and what is in it."""

    path: str
    data: bytes

    @property
    def kind(self) -> str:
        """What to call it: image or audio."""
        return "audio" if media_type(self.data).startswith("audio/") else "image"


def find(text: str) -> list[tuple[int, int, str]]:
    r"""Where ``text`` names files that are there: from, to, and the path without its escapes.

    A path begins with ``/``, ``./``, ``../``, ``~/``, ``\`` or a drive's letter and ends in the name of a format.
    Spaces in it may be escaped, or not.
    """
    found: list[tuple[int, int, str]] = []
    after = 0
    for end in (match.end() for match in _END.finditer(text)):
        line = max(text.rfind("\n", 0, end) + 1, after, end - _LONGEST)
        for begin in (match.start() for match in _BEGIN.finditer(text, line, end)):
            if path := _file(text[begin:end]):
                found.append((begin, end, path))
                after = end
                break
    return found


def attach(text: str) -> tuple[str, list[Attachment]]:
    """``text`` without the paths of files, and the files.

    Raises:
        InvalidRequest: one of them is too large, of another type than its name says, or cannot be read.
    """
    attached: list[Attachment] = []
    rest, at = "", 0
    for begin, end, path in find(text):
        attached.append(Attachment(path, _content(path)))
        quoted = text[begin - 1 : begin] in ("'", '"') and text[end : end + 1] == text[begin - 1]
        rest += text[at : begin - quoted]
        at = end + quoted
    return ((rest + text[at:]).strip() if attached else text), attached


def media_type(data: bytes) -> str:
    """The type that the first bytes tell."""
    for sign, name in _SIGNS:
        if data.startswith(sign):
            return name
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wave"}.get(data[8:12], "application/octet-stream")
    try:
        data[:512].decode()
    except UnicodeDecodeError as error:
        if error.start < min(len(data), 512) - 3:  # else only the last character is cut
            return "application/octet-stream"
    return "application/octet-stream" if b"\0" in data[:512] else "text/plain; charset=utf-8"


def _file(written: str) -> str:
    """The path of the file that ``written`` means, "" if there is none."""
    for path in dict.fromkeys((_ESCAPED.sub(r"\1", written), written)):
        try:
            if Path(path).expanduser().is_file():
                return path
        except (OSError, RuntimeError, ValueError):  # no name of a file
            continue
    return ""


def _content(path: str) -> bytes:
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > MOST_BYTES:
            raise InvalidRequest(f"{path}: file size exceeds maximum limit (100MB)")
        data = file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror}") from error
    if (found := media_type(data)) not in _TAKEN:
        raise InvalidRequest(f"invalid file type: {found}")
    return data
