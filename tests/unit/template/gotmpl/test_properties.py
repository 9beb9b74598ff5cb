"""Properties: whatever the template, it ends, and only ever with text or a TemplateError."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from puna.errors import TemplateError
from puna.template.gotmpl import Struct, parse

KEYWORDS = ["if", "else", "end", "range", "with", "define", "template", "block", "break", "continue"]
FUNCTIONS = [
    "index",
    "slice",
    "len",
    "printf",
    "print",
    "eq",
    "lt",
    "and",
    "or",
    "not",
    "html",
    "js",
    "urlquery",
    "call",
]
OPERANDS = [
    ".",
    "$",
    "$x",
    ".A",
    ".B.C",
    ".L",
    ".__class__",
    "nil",
    "true",
    "0",
    "-1",
    "2.5",
    "0x1f",
    "'c'",
    '"a"',
    "`b`",
]
MARKS = ["{{", "}}", "{{-", "-}}", "/*", "*/", ":=", "=", "|", "(", ")", ",", " ", "\n", '"', "`", "\\", "é", "😀"]
PHRASES = ['"%v %[1]d %5.2f"', "{{ if .A }}", "{{ range $i, $e := .L }}", "{{ end }}"]
PIECES = [*KEYWORDS, *FUNCTIONS, *OPERANDS, *MARKS, *PHRASES]


class Guarded:
    """A value that no template may look into."""

    def __getattribute__(self, name: str) -> object:
        if name in ("__class__", "__dict__"):
            return object.__getattribute__(self, name)
        raise AssertionError(f"a template reached for {name}")


DATA = {
    "A": {"B": {"C": "text"}},
    "L": [1, "two", None, 2.5, True],
    "S": Struct("T", {"X": 1}),
    "U": "é😀",
    "G": Guarded(),
}


def outcome(text: str) -> str:
    try:
        return parse(text).execute(DATA)
    except TemplateError as error:
        return str(error)


@given(st.text())
@example("{{")
@example("{{ \ud800 }}")
def test_any_text_ends_well(text: str) -> None:
    """Any text parses and executes, or is refused."""
    outcome(text)


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join))
def test_any_arrangement_of_the_language_ends_well(text: str) -> None:
    """Any arrangement of tokens parses and executes, or is refused."""
    outcome(text)


@given(st.text(st.characters(exclude_characters="{")))
def test_text_without_actions_is_printed_as_it_is(text: str) -> None:
    """Text outside of actions is never changed."""
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert expected == parse(text).execute({})


@given(st.text(), st.text())
def test_values_never_become_template(before: str, value: str) -> None:
    """What a user wrote cannot act as template text."""
    assert parse("{{ .X }}{{ .Y }}").execute({"X": before, "Y": value}) == parse("{{ print .X .Y }}").execute(
        {"X": before, "Y": value}
    )


@given(st.sampled_from(["__class__", "__init__", "__dict__", "keys", "fields", "type_name", "real", "upper", "items"]))
def test_names_of_python_are_out_of_reach(name: str) -> None:
    """A field is a key of the data; attributes and methods of Python's objects are no fields."""
    assert parse(f"{{{{ .A.{name} }}}}").execute(DATA) == "<no value>"
    for path in ("U", "S", "L", "G"):
        assert f"can't evaluate field {name}" in outcome(f"{{{{ .{path}.{name} }}}}")
        assert "error calling index" in outcome(f'{{{{ index .{path} "{name}" }}}}')
