"""Modelfiles: what may be written, what comes of it, and the words for what may not."""

from __future__ import annotations

import codecs
import contextlib
import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from puna.errors import ModelfileError
from puna.modelfile import Modelfile, parse, quote
from puna.types import Message

COMMANDS = (
    'command must be one of "from", "license", "template", "system", "adapter", "draft", "renderer", "parser", '
    '"parameter", "message", or "requires"'
)
WHOLE = '''# a model of mine
FROM ./model.gguf
from ./projector.gguf
  PARAMETER   temperature 0.5
PARAMETER stop <|end|>
PARAMETER stop "two words "
PARAMETER num_ctx 4096
PARAMETER use_mmap true
TEMPLATE """{{ if .System }}"{{ .System }}"
{{ end }}{{ .Prompt }}"""
SYSTEM "You are
  a pirate."
ADAPTER ./first.gguf
ADAPTER ./second.gguf
LICENSE """
MIT
"""
LICENSE Apache
MESSAGE user hi
MESSAGE assistant arr # not a comment
RENDERER qwen3-coder
PARSER qwen3
REQUIRES v0.14.0
DRAFT ./draft.gguf
'''


def test_everything() -> None:
    """Every instruction is understood, in any case, and repeated ones accumulate or the last one wins."""
    assert Modelfile(
        sources=("./model.gguf", "./projector.gguf"),
        parameters={"temperature": 0.5, "stop": ["<|end|>", "two words "], "num_ctx": 4096, "use_mmap": True},
        template='{{ if .System }}"{{ .System }}"\n{{ end }}{{ .Prompt }}',
        system="You are\n  a pirate.",
        adapters=("./first.gguf", "./second.gguf"),
        licenses=("\nMIT\n", "Apache"),
        messages=(Message("user", "hi"), Message("assistant", "arr # not a comment")),
        renderer="qwen3-coder",
        parser="qwen3",
        requires="0.14.0",
        draft="./draft.gguf",
    ) == parse(WHOLE)


def test_written_and_read_again() -> None:
    """A Modelfile that is printed means the same when it is read."""
    assert parse(WHOLE) == parse(str(parse(WHOLE)))


def test_printed_in_order() -> None:
    """Models come first, then what they are told, then what they are allowed."""
    found = [line.split()[0] for line in str(parse(WHOLE)).splitlines() if line.split()[:1] and line[0].isupper()]
    assert [
        "FROM",
        "ADAPTER",
        "ADAPTER",
        "DRAFT",
        "FROM",
        "TEMPLATE",
        "SYSTEM",
        "RENDERER",
        "PARSER",
        "REQUIRES",
        *["PARAMETER"] * 5,
        "LICENSE",
        "MIT",
        "LICENSE",
        "MESSAGE",
        "MESSAGE",
    ] == found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("SYSTEM hello ", "hello"),
        ("SYSTEM \t hello", "hello"),
        ('SYSTEM "hello"', "hello"),
        ('SYSTEM " hello "  ', " hello "),
        ('SYSTEM say "hello"', 'say "hello"'),
        ("SYSTEM 'hello'", "'hello'"),
        ('SYSTEM ""', ""),
        ("SYSTEM ", ""),
        ('SYSTEM """a "b" c"""', 'a "b" c'),
        ('SYSTEM """"quoted""""', '"quoted"'),
        ('SYSTEM """\nline\n"""', "\nline\n"),
        ('SYSTEM "a\nb" \nLICENSE x', "a\nb"),
        ('SYSTEM "a\r\nb"\r\nLICENSE x', "a\r\nb"),
        ("SYSTEM hello\rLICENSE x", "hello"),
        ("SYSTEM a\nSYSTEM b", "b"),
        ("SYSTEM bell\x07 and \x1b[1mescape", "bell and [1mescape"),
        ("SYSTEM 👩\u200d🚀", "👩\u200d🚀"),
    ],
)
def test_values(line: str, expected: str) -> None:
    """A value ends with its line or with its quotes; control characters are dropped."""
    assert expected == parse(f"FROM x\n{line}\n").system


def test_comments() -> None:
    """A comment is a line that begins with a number sign, wherever it stands."""
    assert ("x#1",) == parse("# FROM a\n\n  # FROM b\nFROM x#1\n#").sources


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no FROM line"),
        ("SYSTEM hi", "no FROM line"),
        ('FROM ""', "no FROM line"),
        ("FROM x\nBOGUS y", f"(line 2): {COMMANDS}"),
        ("FROM x\n\n# c\r\nBOGUS", f"(line 4): {COMMANDS}"),
        ("FROM x\nSYSTEM_ y", f"(line 2): {COMMANDS}"),
        ("FROM x\nMESSAGE robot hi", '(line 2): message role must be one of "system", "user", or "assistant"'),
        ("FROM x\nMESSAGE User hi", '(line 2): message role must be one of "system", "user", or "assistant"'),
        ("FROM x\nMESSAGE user", "(line 2): MESSAGE user has no value"),
        ("FROM", "(line 1): FROM has no value"),
        ("FROM x\nPARAMETER", "(line 2): PARAMETER has no value"),
        ("FROM x\nPARAMETER stop", "(line 2): PARAMETER stop has no value"),
        ('FROM x\nSYSTEM "a" b', "unexpected EOF"),
        ('FROM x\nSYSTEM "a\nb', "unexpected EOF"),
        ('FROM x\nSYSTEM """a""', "unexpected EOF"),
        ('FROM x\nSYSTEM """"', "unexpected EOF"),
        ("FROM x\nPARAMETER nope 1", "unknown parameter 'nope'"),
        ("FROM x\nPARAMETER num_ctx many", "invalid int value [many]"),
        ("FROM x\nPARAMETER temperature hot", "invalid float value [hot]"),
        ("FROM x\nPARAMETER use_mmap maybe", "invalid bool value [maybe]"),
        ("FROM x\nREQUIRES soon", "requires must be a valid semver (e.g. 0.14.0)"),
        ("FROM x\nREQUIRES 01.2.3", "requires must be a valid semver (e.g. 0.14.0)"),
    ],
)
def test_refusals(text: str, reason: str) -> None:
    """What cannot be understood is refused in Ollama's words, with the line where there is one."""
    with pytest.raises(ModelfileError) as caught:
        parse(text)
    assert reason == str(caught.value)


def test_deprecated_parameters() -> None:
    """A parameter Ollama once had is left out, with a warning for its author."""
    found = parse("FROM x\nPARAMETER mirostat 1\nPARAMETER top_k 3\n")
    assert ("warning: parameter mirostat is deprecated",) == found.warnings
    assert {"top_k": 3} == found.parameters


@pytest.mark.parametrize(
    "content",
    [
        "FROM x\nSYSTEM é\n".encode(),
        codecs.BOM_UTF8 + "FROM x\nSYSTEM é\n".encode(),
        codecs.BOM_UTF16_LE + "FROM x\nSYSTEM é\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "FROM x\nSYSTEM é\n".encode("utf-16-be"),
        "\ufeffFROM x\nSYSTEM é\n",
    ],
)
def test_encodings(content: bytes | str) -> None:
    """Editors may save it as UTF-8 or UTF-16."""
    assert "é" == parse(content).system


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ('say "hi"', 'say "hi"'),
        ("two\nlines", '"two\nlines"'),
        (" space", '" space"'),
        ("tab\t", '"tab\t"'),
        ('"a" b', '""""a" b"""'),
        ('two\n"lines"', '"""two\n"lines""""'),
        ("", ""),
    ],
)
def test_quoting(value: str, expected: str) -> None:
    """Quotes are used only where they are needed."""
    assert expected == quote(value)


CHARACTERS = st.characters(exclude_categories=("Cc", "Cs"), include_characters="\n\t\r")


@given(st.text(CHARACTERS) | st.text('"\n \ta'))
def test_quoting_survives_reading(value: str) -> None:
    """Whatever text is quoted is read back as it was."""
    lines = re.split("\r\n|\r|\n", value)
    assume(not any(line.rstrip().endswith('"""') for line in lines[:-1]))
    assert value == parse(f"FROM x\nSYSTEM {quote(value)}\nLICENSE y\n").system


@given(st.text(CHARACTERS) | st.binary())
def test_any_text_is_read_or_refused(content: Any) -> None:
    """No text does anything but parse or be refused."""
    with contextlib.suppress(ModelfileError):
        parse(content)


@pytest.mark.parametrize(
    ("value", "lines"),
    [(1.0, ["1"]), (0.25, ["0.25"]), (True, ["true"]), (1e-05, ["1e-05"]), (1_000_000, ["1000000"]), ([], [])],
)
def test_parameters_as_people_write_them(value: Any, lines: list[str]) -> None:
    """Parameters are printed as they would be typed."""
    printed = str(Modelfile(("x",), parameters={"p": value}))
    assert ["FROM x", *(f"PARAMETER p {line}" for line in lines)] == printed.splitlines()
