"""printf: verbs, flags, widths, and what is printed for a mistake."""

from __future__ import annotations

import pytest

from puna.template.gotmpl import Struct, parse

DATA = {"L": ["x", "y"], "M": {"b": 2, "a": 1}, "S": Struct("geo.Point", {"X": 1, "Y": "w"}), "B": b"hi", "N": None}

CASES = {
    "default": ('"%v %v %v %v %v" 1 1.5 "a" true nil', "1 1.5 a true <nil>"),
    "compounds": ('"%v %v %v" .L .M .S', "[x y] map[a:1 b:2] {1 w}"),
    "names of fields": ('"%+v" .S', "{X:1 Y:w}"),
    "Go syntax": ('"%#v %#v %#v" "a" .L .S', '"a" []interface {}{"x", "y"} geo.Point{X:1, Y:"w"}'),
    "types": ('"%T %T %T %T" 1 "a" .L .S', "int string []interface {} geo.Point"),
    "ints": ('"%d %b %o %O %x %X %#x" 10 5 8 8 255 255 255', "10 101 10 0o10 ff FF 0xff"),
    "characters": ('"%c %q %U" 65 65 8364', "A 'A' U+20AC"),
    "text": (r'"%s %q %x %X % x" "a" "a\n" "hi" "hi" "hi"', r'a "a\n" 6869 6869 68 69'),
    "bytes": ('"%s %x %v" .B .B .B', "hi 6869 [104 105]"),
    "floats": (
        '"%f %.2f %e %g %G %6.1f" 1.5 1.005 1500.0 1e21 1e-7 2.25',
        "1.500000 1.00 1.500000e+03 1e+21 1E-07    2.2",
    ),
    "booleans": ('"%t" true', "true"),
    "widths": ('"[%4d|%-4d|%04d|%4s|%-4s]" 7 7 -7 "é" "é"', "[   7|7   |-007|   é|é   ]"),
    "precisions": ('"%.2s %.3d %5.3d" "abcd" 7 7', "ab 007   007"),
    "signs": ('"%+d % d %+.1f" 7 7 1.0', "+7  7 +1.0"),
    "stars": ('"%*d %.*f" 4 7 1 2.55', "   7 2.5"),
    "indexes": ('"%[2]d %[1]d" 1 2', "2 1"),
    "a verb goes to each element": ('"%s %d %q" .L .L .L', '[x y] [%!d(string=x) %!d(string=y)] ["x" "y"]'),
    "percent": ('"100%%"', "100%"),
    "wrong verb": ('"%d %s %z" "a" 1 nil', "%!d(string=a) %!s(int=1) %!z(<nil>)"),
    "missing": ('"%d %d" 1', "1 %!d(MISSING)"),
    "extra": ('"a" 1 "b" nil', "a%!(EXTRA int=1, string=b, <nil>)"),
    "no verb": ('"a%"', "a%!(NOVERB)"),
    "bad index": ('"%[5]d" 1', "%!d(BADINDEX)"),
    "bad width": ('"%*d" "a" 1', "%!(BADWIDTH)1"),
}


@pytest.mark.parametrize(("arguments", "expected"), CASES.values(), ids=CASES.keys())
def test_printf(arguments: str, expected: str) -> None:
    """printf prints what Go's fmt prints, mistakes included."""
    assert expected == parse(f"{{{{ printf {arguments} }}}}").execute(DATA)
