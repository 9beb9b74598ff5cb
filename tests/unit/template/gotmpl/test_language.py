"""The language: what each construct prints."""

from __future__ import annotations

import pytest

from puna.template.gotmpl import Struct, parse

DATA = {
    "Name": "Ada",
    "Empty": "",
    "Nothing": None,
    "Yes": True,
    "No": False,
    "Count": 3,
    "Half": 0.5,
    "Words": ["x", "y", "z"],
    "None": [],
    "Map": {"b": 2, "a": 1},
    "Nested": {"Deep": {"Deeper": "down"}},
    "Point": Struct("geo.Point", {"X": 1, "Y": "why"}),
    "Cut": "é€😀",
}

TEXT = {
    "plain text stands as it is": ("a { b } c", "a { b } c"),
    "actions print values": ("[{{ .Name }}]", "[Ada]"),
    "trim markers take space and newlines": ("a \n {{- 1 -}} \n b", "a1b"),
    "a minus without space is a sign": ("a {{-1}} b", "a -1 b"),
    "comments vanish": ("a{{/* any {{ thing */}}b", "ab"),
    "a comment spans lines": ("a{{/* x\ny */}}b", "ab"),
    "comments trim too": ("a {{- /* x */ -}} b", "ab"),
    "actions span lines": ("{{\n.Name\n}}", "Ada"),
    "an empty template prints nothing": ("", ""),
}

LITERALS = {
    "interpreted strings": (r'{{ "a\tb\"\\\x41\u00e9\101" }}', 'a\tb"\\AéA'),
    "raw strings": (r'{{ `a\t"b"` }}', r'a\t"b"'),
    "bytes of a character meet": (r'{{ "\xc3\xa9" }}', "é"),
    "characters are numbers": (r"{{ 'a' }} {{ '\n' }} {{ '\'' }} {{ '\u00e9' }}", "97 10 39 233"),
    "ints of every base": (
        "{{ 31 }} {{ 0x1F }} {{ 0b11111 }} {{ 0o37 }} {{ 037 }} {{ 3_1 }} {{ -31 }}",
        "31 " * 6 + "-31",
    ),
    "floats": ("{{ 1.5 }} {{ .5 }} {{ 1e3 }} {{ 0x1p-2 }} {{ +2.50 }}", "1.5 0.5 1000 0.25 2.5"),
    "large and small floats": (
        "{{ 1e6 }} {{ 123456789.0 }} {{ 0.00001 }} {{ 100000.0 }}",
        "1e+06 1.23456789e+08 1e-05 100000",
    ),
    "booleans": ("{{ true }} {{ false }}", "true false"),
}

FIELDS = {
    "chains": ("{{ .Nested.Deep.Deeper }}", "down"),
    "the value itself": ("{{ with .Name }}{{ . }}{{ end }}", "Ada"),
    "chains on a variable": ("{{ $x := .Nested }}{{ $x.Deep.Deeper }}", "down"),
    "chains on parentheses": ("{{ (.Nested).Deep.Deeper }} {{ (index .Nested `Deep`).Deeper }}", "down down"),
    "a missing key has no value": ("{{ .Missing }}", "<no value>"),
    "nil has no value": ("{{ .Nothing }}", "<no value>"),
    "nothing of no value is no value": ("{{ $x := .Missing }}{{ $x.Y.Z }}", "<no value>"),
    "fields of a struct": ("{{ .Point.X }}{{ .Point.Y }}", "1why"),
    "the root from anywhere": ("{{ range .Words }}{{ $.Name }}{{ end }}", "AdaAdaAda"),
    "names of Python mean nothing": ("{{ .__class__ }}{{ .Nested.keys }}", "<no value><no value>"),
}

PIPELINES = {
    "the result goes last": ('{{ .Name | printf "%s-%s" "x" }}', "x-Ada"),
    "several stages": ('{{ .Name | printf "%s%s" "pre" | len }}', "6"),
    "parentheses": ('{{ printf "%d" (len (print "a" "b")) }}', "2"),
    "a function without arguments as an argument": ("{{ len (print) }}", "0"),
}

VARIABLES = {
    "are declared": ("{{ $x := 1 }}{{ $x }}", "1"),
    "need no space": ("{{$x:=1}}{{$x}}", "1"),
    "are assigned from an inner block": ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
    "end with their block": ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"),
    "a declaration prints nothing": ("{{ $x := 1 }}", ""),
    "gather over a loop": ('{{ $x := "" }}{{ range .Words }}{{ $x = print $x . }}{{ end }}{{ $x }}', "xyz"),
    "of a condition live in both branches": ("{{ if $x := .Empty }}{{ else }}[{{ $x }}]{{ end }}", "[]"),
}

BLOCKS = {
    "if": ("{{ if .Yes }}a{{ end }}{{ if .No }}b{{ end }}", "a"),
    "else": ("{{ if .No }}a{{ else }}b{{ end }}", "b"),
    "else if": ("{{ if .No }}a{{ else if .Empty }}b{{ else if .Name }}c{{ else }}d{{ end }}", "c"),
    "what is false": (
        "{{ range $k, $v := .Falsy }}{{ if $v }}{{ $k }}{{ end }}{{ end }}",
        "",
    ),
    "what is true": ("{{ range $k, $v := .Truthy }}{{ if not $v }}{{ $k }}{{ end }}{{ end }}", ""),
    "with": ("{{ with .Nested }}{{ .Deep.Deeper }}{{ end }}", "down"),
    "with else": ("{{ with .Missing }}a{{ else }}{{ .Name }}{{ end }}", "Ada"),
    "else with": ("{{ with .Missing }}a{{ else with .Name }}{{ . }}{{ else }}c{{ end }}", "Ada"),
    "with a variable": ("{{ with $x := .Name }}{{ $x }}{{ . }}{{ end }}", "AdaAda"),
}

LOOPS = {
    "lists": ("{{ range .Words }}{{ . }};{{ end }}", "x;y;z;"),
    "one variable is the element": ("{{ range $e := .Words }}{{ $e }}{{ end }}", "xyz"),
    "two are index and element": ("{{ range $i, $e := .Words }}{{ $i }}{{ $e }}{{ end }}", "0x1y2z"),
    "maps go by key": ("{{ range $k, $v := .Map }}{{ $k }}{{ $v }}{{ end }}", "a1b2"),
    "numbers count": ("{{ range 3 }}{{ . }}{{ end }}{{ range $i := .Count }}{{ $i }}{{ end }}", "012012"),
    "else of nothing": ("{{ range .None }}a{{ else }}b{{ end }}{{ range .Missing }}a{{ else }}c{{ end }}", "bc"),
    "else of zero": ("{{ range 0 }}a{{ else }}b{{ end }}", "b"),
    "break": ('{{ range .Words }}{{ if eq . "y" }}{{ break }}{{ end }}{{ . }}{{ end }}', "x"),
    "continue": ('{{ range .Words }}{{ if eq . "y" }}{{ continue }}{{ end }}{{ . }}{{ end }}', "xz"),
    "break leaves the inner loop": ("{{ range 2 }}{{ range 2 }}{{ break }}{{ end }}{{ . }}{{ end }}", "01"),
    "variables assigned": ("{{ $e := 0 }}{{ range $e = .Words }}{{ end }}{{ $e }}", "z"),
    "assigned index and element": (
        "{{ $i := 0 }}{{ $e := 0 }}{{ range $i, $e = .Words }}{{ end }}{{ $i }}{{ $e }}",
        "2z",
    ),
}

TEMPLATES = {
    "define and template": ('{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" .Name }}', "[Ada]"),
    "defined later": ('{{ template "t" 1 }}{{ define "t" }}[{{ . }}]{{ end }}', "[1]"),
    "without a value": ('{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" }}', "[<no value>]"),
    "see no variables but their own": ('{{ define "t" }}{{ $ }}{{ end }}{{ $x := 1 }}{{ template "t" 2 }}', "2"),
    "block": ('{{ block "b" .Name }}<{{ . }}>{{ end }}', "<Ada>"),
    "a space-only definition yields to another": (
        '{{ define "t" }} {{ end }}{{ define "t" }}x{{ end }}{{ template "t" }}',
        "x",
    ),
}

FUNCTIONS = {
    "and gives the first false operand or the last": ('{{ and 1 "" 2 }}|{{ and 1 2 }}|{{ 3 | and 1 }}', "|2|3"),
    "or gives the first true operand or the last": ('{{ or 0 "a" 2 }}|{{ or 0 "" }}|{{ 3 | or 0 }}', "a||3"),
    "and and or work out no more than needed": ("{{ and false (index .Words 99) }}{{ or 1 (len 3) }}", "false1"),
    "not": ("{{ not .Empty }} {{ not 1 }}", "true false"),
    "eq with any of several": ('{{ eq .Name "Bob" "Ada" }} {{ eq 1 2 3 }}', "true false"),
    "eq with nil": ("{{ eq .Nothing nil }} {{ eq .Name nil }} {{ ne .Nothing nil }}", "true false false"),
    "ne": ('{{ ne 1 2 }} {{ ne "a" "a" }}', "true false"),
    "order of numbers": ("{{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 2.5 }} {{ ge 2 3 }}", "true true false false"),
    "order of text": ('{{ lt "a" "b" }} {{ ge "a" "b" }}', "true false"),
    "len counts bytes and elements": ("{{ len .Words }} {{ len .Cut }} {{ len .Map }}", "3 9 2"),
    "index": (
        '{{ index .Words 1 }} {{ index .Map "a" }} {{ index .Nested "Deep" "Deeper" }} {{ index "abc" 0 }}',
        "y 1 down 97",
    ),
    "index of a missing key": ('{{ index .Map "q" }}', "<no value>"),
    "index of nothing more": ("{{ index .Name }}", "Ada"),
    "slice of a list": ("{{ slice .Words 1 }} {{ slice .Words 0 2 }} {{ slice .Words 0 1 2 }}", "[y z] [x y] [x]"),
    "slice of text is by byte": ('{{ slice "hello" 1 3 }} {{ slice .Cut 0 2 }}', "el é"),
    "halves of a character meet again": ("{{ slice .Cut 0 1 }}{{ slice .Cut 1 2 }}", "é"),
    "half a character is replaced": ("{{ slice .Cut 0 1 }}", "\N{REPLACEMENT CHARACTER}"),
    "print spaces what is not text": ('{{ print 1 2 "a" "b" 3 4 nil }}', "1 2ab3 4 <nil>"),
    "println": ('{{ println 1 "a" }}', "1 a\n"),
    "html": ("""{{ html "<a>&'" }}{{ html `"` .Nothing }}""", "&lt;a&gt;&amp;&#39;&#34;&lt;no value&gt;"),
    "js": (r"""{{ js "it's <b> = \"é\"\n" }}""", r"it\'s \u003Cb\u003E \u003D \"é\"\u000A"),
    "urlquery": ('{{ urlquery "a b&c/é~" }}', "a+b%26c%2F%C3%A9~"),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {
        "text": TEXT,
        "literals": LITERALS,
        "fields": FIELDS,
        "pipelines": PIPELINES,
        "variables": VARIABLES,
        "blocks": BLOCKS,
        "loops": LOOPS,
        "templates": TEMPLATES,
        "functions": FUNCTIONS,
    }.items()
    for name, case in cases.items()
}

TRUTH = {
    "Falsy": {"a": False, "b": 0, "c": 0.0, "d": None, "e": "", "f": [], "g": {}},
    "Truthy": {"a": True, "b": -1, "c": 0.1, "e": " ", "f": [None], "g": {"": None}, "h": Struct("T", {})},
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_prints(text: str, expected: str) -> None:
    """A template prints what Go's text/template prints."""
    assert expected == parse(text).execute(DATA | TRUTH)


def test_a_struct_prints_its_fields_in_order() -> None:
    """Values without a printed form of their own print as in Go."""
    shown = parse("{{ .Point }} {{ .Words }} {{ .Map }} {{ .Half }} {{ print .Nothing }}").execute(DATA)
    assert "{1 why} [x y z] map[a:1 b:2] 0.5 <nil>" == shown


def test_the_trees_of_all_templates_can_be_looked_at() -> None:
    """A parsed template shows its own tree and those it defines, and prints them back as source."""
    template = parse(
        'a{{ define "t" }}{{ if .X }}{{ $y := 1 }}{{ else }}b{{ end }}{{ end }}{{ template "t" . }}', name="n"
    )
    assert {"n", "t"} == template.trees.keys()
    assert 'a{{template "t" .}}' == str(template.root)
    assert "{{if .X}}{{$y := 1}}{{else}}b{{end}}" == str(template.trees["t"])
