"""Pictures and sound that a prompt names."""

import pytest

from puna.cli.attachments import MOST_BYTES, attach, media_type
from puna.errors import InvalidRequest

PNG, WAV = b"\x89PNG\r\n\x1a\nrest", b"RIFF\0\0\0\0WAVErest"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a few files, which is the current one."""
    (tmp_path / "my pictures").mkdir()
    for name in ("a.png", "my pictures/b (1).png"):
        (tmp_path / name).write_bytes(PNG)
    (tmp_path / "c.wav").write_bytes(WAV)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "rest", "paths"),
    [
        ("what is ./a.png?", "what is ?", ["./a.png"]),
        ("./a.png", "", ["./a.png"]),
        ("what is './a.png'", "what is", ["./a.png"]),
        ("./my\\ pictures/b\\ \\(1\\).png look", "look", ["./my pictures/b (1).png"]),
        ("./my pictures/b (1).png look", "look", ["./my pictures/b (1).png"]),
        ("1/2 of ./a.png and ./c.wav", "1/2 of  and", ["./a.png", "./c.wav"]),
        ("看看./a.png吗", "看看吗", ["./a.png"]),
        ("./none.png", "./none.png", []),
        ("a.png", "a.png", []),
        ("./a.pngx", "./a.pngx", []),
        ("and/or", "and/or", []),
    ],
)
def test_paths(text, rest, paths):
    """Paths of files that are there are taken out of the text; everything else stays."""
    left, attached = attach(text)
    assert (rest, paths) == (left, [one.path for one in attached])


def test_kinds():
    """Pictures and sound are told apart by what is in them."""
    assert ["image", "audio"] == [one.kind for one in attach("./a.png ./c.wav")[1]]


def test_too_large(folder):
    """A file has at most 100 MB."""
    with (folder / "large.png").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(InvalidRequest, match="exceeds maximum limit"):
        attach("./large.png")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"text", "text/plain; charset=utf-8"),
        (b"GIF89a", "image/gif"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"\0\1\2", "application/octet-stream"),
        (b"\xfa\xfb\xfc\xfd" * 4, "application/octet-stream"),
    ],
)
def test_types(data, name):
    """Types are told by the first bytes, in the words that people know."""
    assert name == media_type(data)
