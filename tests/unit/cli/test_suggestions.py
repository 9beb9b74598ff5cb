"""What Tab offers in the chat."""

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from puna.cli.suggestions import Suggestions


def offered(text):
    found = Suggestions(lambda: ["smol", "small:1b"]).get_completions(Document(text), CompleteEvent())
    return [text[: len(text) + one.start_position] + one.text for one in found]


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("/sh", ["/show "]),
        ("/set sy", ["/set system "]),
        ("/set nov", []),
        ("/set think ", ["/set think low", "/set think medium", "/set think high", "/set think max"]),
        ("/set parameter num_p", ["/set parameter num_predict "]),
        ("/load sm", ["/load smol", "/load small:1b"]),
        ("/show te", ["/show template"]),
        ("hello", []),
        ("", []),
        ("say /sh", []),
    ],
)
def test_commands(text, texts):
    """Commands, the words that may follow them, and the models that can be loaded."""
    assert texts == offered(text)


def test_paths(tmp_path, monkeypatch):
    """Folders, and files that can be attached, with their special characters escaped."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my photos").mkdir()
    for name in ("my photos/a.png", "me.JPG", "me.txt", ".me.png"):
        (tmp_path / name).touch()
    assert ["see ./me.JPG", "see ./my\\ photos/"] == offered("see ./m")
    assert ["see ./my\\ photos/a.png"] == offered("see ./my\\ photos/")
    assert [] == offered("see ./none/")
