"""Errors: what is wrong and where, in Go's words."""

from __future__ import annotations

import pytest

from puna.errors import TemplateError
from puna.template.gotmpl import Struct, parse

PARSING = {
    "unknown function": ("{{ foo }}", '1: function "foo" not defined'),
    "unknown variable": ("a\n{{ $x }}", '2: undefined variable "$x"'),
    "variable out of its block": ("{{ if $x := 1 }}{{ end }}{{ $x }}", '1: undefined variable "$x"'),
    "unclosed block": ("a\n{{ if true }}b\n", "3: unexpected EOF"),
    "stray end": ("{{ end }}", "1: unexpected {{end}}"),
    "stray else": ("{{ else }}", "1: unexpected {{else}}"),
    "second else": ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", "1: expected end; found {{else}}"),
    "nothing to test": ("{{ if }}a{{ end }}", "1: missing value for if"),
    "nothing to do": ("{{ }}", "1: missing value for command"),
    "break outside of a loop": ("{{ break }}", "1: {{break}} outside {{range}}"),
    "continue outside of a loop": ("{{ if 1 }}{{ continue }}{{ end }}", "1: {{continue}} outside {{range}}"),
    "break in the else of a loop": ("{{ range 1 }}{{ else }}{{ break }}{{ end }}", "1: {{break}} outside {{range}}"),
    "unclosed action": ("{{ .X", "1: unclosed action"),
    "unclosed action, lines later": ("{{ .X\n\n", "3: unclosed action started at :1"),
    "unclosed comment": ("{{/* a", "1: unclosed comment"),
    "comment that goes on": ("{{/* a */ b }}", "1: comment ends before closing delimiter"),
    "unclosed string": ('{{ "a }}', "1: unterminated quoted string"),
    "unclosed raw string": ("{{ `a }}", "1: unterminated raw quoted string"),
    "unclosed character": ("{{ 'a\n' }}", "1: unterminated character constant"),
    "bad escape": (r'{{ "\z" }}', "1: invalid syntax"),
    "bad character": ("{{ 'ab' }}", "1: malformed character constant: 'ab'"),
    "bad number": ("{{ 1x }}", '1: bad number syntax: "1x"'),
    "not octal": ("{{ 08 }}", '1: integer overflow: "08"'),
    "imaginary number": ("{{ 1i }}", '1: bad number syntax: "1i"'),
    "complex number": ("{{ print 1+2i }}", '1: bad number syntax: "1+2i"'),
    "block without a value": ('{{ block "a" }}x{{ end }}', "1: missing value for block clause"),
    "else if of a loop": ("{{ range 1 }}{{ else if 2 }}{{ end }}", "1: unexpected <if> in input"),
    "operator": ("{{ .A == .B }}", '1: unexpected "=" in operand'),
    "subscript": ("{{ .A[0] }}", "1: bad character U+005B '['"),
    "number too large": ("{{ 99999999999999999999 }}", '1: integer overflow: "99999999999999999999"'),
    "strange character": ("{{ é§ }}", "1: bad character U+00A7 '§'"),
    "unprintable character": ("{{ \x01 }}", "1: unrecognized character in action: U+0001"),
    "token out of place": ("{{ .X } }}", '1: unexpected "}" in operand'),
    "keyword out of place": ("{{ .X end }}", "1: unexpected <end> in operand"),
    "paren left open": ("{{ (1 }}", "1: unclosed left paren"),
    "paren too many": ("{{ 1) }}", "1: unexpected right paren"),
    "value in the middle of a pipeline": ("{{ 1 | 2 }}", "1: non executable command in pipeline stage 2"),
    "field of a literal": ("{{ nil.X }}", '1: unexpected . after term "nil"'),
    "too many variables": ("{{ range $a, $b, $c := .X }}{{ end }}", "1: too many declarations in range"),
    "two variables outside of a loop": ("{{ $a, $b := .X }}", "1: too many declarations in command"),
    "a loop over a name": ("{{ range $a, b := .X }}{{ end }}", "1: range can only initialize variables"),
    "template without a name": ("{{ template x }}", '1: unexpected "x" in template clause'),
    "define inside": ('{{ if 1 }}{{ define "a" }}{{ end }}{{ end }}', "1: unexpected <define> in command"),
    "defined twice": (
        '{{ define "a" }}1{{ end }}{{ define "a" }}2{{ end }}',
        '1: template: multiple definition of template "a"',
    ),
    "too many variables to see": ("{{ $x := 1 }}" * 1001, "1: more than 1000 variables are in sight"),
    "too deep": ("{{ if 1 }}" * 200, "1: max expression depth exceeded"),
    "too many parentheses": ("{{ " + "(" * 200, "1: max expression depth exceeded"),
}

EXECUTING = {
    "field of text": ("{{ .Name.X }}", "1:8: executing %s at <.Name.X>: can't evaluate field X in type string"),
    "field of a number, lines later": (
        "é\n ü{{ .Count.X }}",
        "2:12: executing %s at <.Count.X>: can't evaluate field X in type int",
    ),
    "field a struct lacks": (
        "{{ .Point.Z }}",
        "1:9: executing %s at <.Point.Z>: can't evaluate field Z in type geo.Point",
    ),
    "method": (
        "{{ .Point.String }}",
        "1:9: executing %s at <.Point.String>: can't evaluate field String in type geo.Point",
    ),
    "method with an argument": (
        "\n{{ .Point.Scale 2 }}",
        "2:9: executing %s at <.Point.Scale>: can't evaluate field Scale in type geo.Point",
    ),
    "field of nil": ("{{ .Nothing.X }}", "1:11: executing %s at <.Nothing.X>: nil pointer evaluating interface {}.X"),
    "field of a parenthesis": (
        "{{ (len .Name).X }}",
        "1:14: executing %s at <(len .Name).X>: can't evaluate field X in type int",
    ),
    "field with an argument": ("{{ .Name 1 }}", "1:3: executing %s at <.Name>: Name is not a method but has arguments"),
    "struct field with an argument": (
        "{{ .Point.X 1 }}",
        "1:9: executing %s at <.Point.X>: X has arguments but cannot be invoked as function",
    ),
    "value with an argument": ("{{ 1 2 }}", "1:3: executing %s at <1>: can't give argument to non-function 1"),
    "nil alone": ("{{ nil }}", "1:3: executing %s at <nil>: nil is not a command"),
    "loop over text": ("{{ range .Name }}{{ end }}", "1:9: executing %s at <.Name>: range can't iterate over Ada"),
    "loop over a float": ("{{ range .Half }}{{ end }}", "1:9: executing %s at <.Half>: range can't iterate over 0.5"),
    "loop over a struct": (
        "{{ range .Point }}{{ end }}",
        "1:9: executing %s at <.Point>: range can't iterate over {1}",
    ),
    "loop over a number with two variables": (
        "{{ range $i, $e := 2 }}{{ end }}",
        "1:19: executing %s at <2>: can't use 2 to iterate over more than one variable",
    ),
    "assigning what was never declared": ("{{ $x = 1 }}", "1:8: executing %s at <1>: undefined variable: $x"),
    "unknown template": (
        '{{ template "x" }}',
        '1:12: executing %s at <{{template "x"}}>: template "x" not defined',
    ),
    "in another template": (
        '{{ define "t" }}{{ .X }}{{ end }}{{ template "t" 1 }}',
        '1:19: executing "t" at <.X>: can\'t evaluate field X in type int',
    ),
    "too few arguments": ("{{ len }}", "1:3: executing %s at <len>: wrong number of args for len: want 1 got 0"),
    "too many arguments": ("{{ not 1 2 }}", "1:3: executing %s at <not>: wrong number of args for not: want 1 got 2"),
    "too few of many arguments": (
        "{{ and }}",
        "1:3: executing %s at <and>: wrong number of args for and: want at least 1 got 0",
    ),
    "number for text": ("{{ printf 3 }}", "1:10: executing %s at <3>: expected string; found 3"),
    "value for text": (
        "{{ printf .Count }}",
        "1:10: executing %s at <.Count>: wrong type for value; expected string; got int",
    ),
    "no value for text": ("{{ printf .Missing }}", "1:10: executing %s at <.Missing>: invalid value; expected string"),
    "nil for text": ("{{ printf nil }}", "1:10: executing %s at <nil>: cannot assign nil to string"),
    "different kinds": (
        '{{ eq 1 "a" }}',
        '1:3: executing %s at <eq 1 "a">: error calling eq: incompatible types for comparison',
    ),
    "int and float": (
        "{{ eq 1 1.0 }}",
        "1:3: executing %s at <eq 1 1.0>: error calling eq: incompatible types for comparison",
    ),
    "nothing to compare": (
        "{{ eq 1 }}",
        "1:3: executing %s at <eq 1>: error calling eq: missing argument for comparison",
    ),
    "no order": (
        "{{ lt true false }}",
        "1:3: executing %s at <lt true false>: error calling lt: invalid type for comparison",
    ),
    "lists": (
        "{{ eq .Words .Words }}",
        "1:3: executing %s at <eq .Words .Words>: error calling eq: non-comparable type [x]: []interface {}",
    ),
    "index too large": (
        "{{ index .Words 5 }}",
        "1:3: executing %s at <index .Words 5>: error calling index: index out of range: 5",
    ),
    "index at the end": (
        "{{ index .Words 1 }}",
        "1:3: executing %s at <index .Words 1>: error calling index: reflect: slice index out of range",
    ),
    "index that is no number": (
        '{{ index .Words "a" }}',
        '1:3: executing %s at <index .Words "a">: error calling index: cannot index slice/array with type string',
    ),
    "index of a map that is no text": (
        "{{ index .Map 1 }}",
        "1:3: executing %s at <index .Map 1>: error calling index: value has type int; should be string",
    ),
    "index of nil": (
        "{{ index nil 1 }}",
        "1:3: executing %s at <index nil 1>: error calling index: index of untyped nil",
    ),
    "index of a number": (
        "{{ index 1 1 }}",
        "1:3: executing %s at <index 1 1>: error calling index: can't index item of type int",
    ),
    "slice backwards": (
        "{{ slice .Words 1 0 }}",
        "1:3: executing %s at <slice .Words 1 0>: error calling slice: invalid slice index: 1 > 0",
    ),
    "slice of text with three": (
        "{{ slice .Name 0 1 2 }}",
        "1:3: executing %s at <slice .Name 0 1 2>: error calling slice: cannot 3-index slice a string",
    ),
    "length of a number": ("{{ len 3 }}", "1:3: executing %s at <len 3>: error calling len: len of type int"),
    "length of nil": (
        "{{ len .Nothing }}",
        "1:3: executing %s at <len .Nothing>: error calling len: len of nil pointer",
    ),
    "a function of the language as a value": (
        "{{ call len .Name }}",
        "1:8: executing %s at <len>: wrong number of args for len: want 1 got 0",
    ),
    "a function that is not there": (
        "{{ call .Missing 1 }}",
        "1:3: executing %s at <call .Missing 1>: error calling call: call of nil",
    ),
    "a value that is no function": (
        "{{ call .Name }}",
        "1:3: executing %s at <call .Name>: error calling call: non-function of type string",
    ),
    "number too large": (
        "{{ 18446744073709551615 }}",
        "1:3: executing %s at <18446744073709551615>: 18446744073709551615 overflows int",
    ),
}

DATA = {
    "Name": "Ada",
    "Count": 3,
    "Half": 0.5,
    "Words": ["x"],
    "Map": {"a": 1},
    "Nothing": None,
    "Point": Struct("geo.Point", {"X": 1}),
}


@pytest.mark.parametrize(("text", "message"), PARSING.values(), ids=PARSING.keys())
def test_a_text_that_is_no_template_says_where(text: str, message: str) -> None:
    """A parse error has the line and Go's words."""
    with pytest.raises(TemplateError) as caught:
        parse(text)
    assert f"template: :{message}" == str(caught.value)


@pytest.mark.parametrize(("text", "message"), EXECUTING.values(), ids=EXECUTING.keys())
def test_a_template_that_fails_says_where(text: str, message: str) -> None:
    """An error of execution has line, column in bytes from 0, the expression, and Go's words."""
    with pytest.raises(TemplateError) as caught:
        parse(text, name="n").execute(DATA)
    assert "template: n:" + message.replace("%s", '"n"') == str(caught.value)


def test_a_name_is_part_of_the_message() -> None:
    """The name given to parse is the name in messages."""
    with pytest.raises(TemplateError, match=r"^template: prompt:1: unexpected EOF$"):
        parse("{{ if 1 }}", name="prompt")


def test_a_template_may_not_be_enormous() -> None:
    """A text far longer than any template is refused before it is looked at."""
    with pytest.raises(TemplateError, match=r"^template: n: the template is longer than 1048576 characters$"):
        parse("x" * (1 << 20) + "x", name="n")
