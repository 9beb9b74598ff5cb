"""Flags are read as scripts for Ollama's command line write them."""

import pytest
from click import UsageError

from puna.cli.flags import Flag, is_flag, read, takes_next

VERBOSE = Flag("verbose", "v", "truth", "true")
QUIET = Flag("quiet", "q", "truth", "true")
FILE = Flag("file", "f")
COUNT = Flag("count", "", "whole number")
THINK = Flag("think", "", "text", "true")
FLAGS = (VERBOSE, QUIET, FILE, COUNT, THINK)


def said(*args):
    found, rest = read(args, FLAGS)
    return [(flag.name, value) for flag, value in found], rest


@pytest.mark.parametrize(
    ("args", "found", "rest"),
    [
        (["--file", "x"], [("file", "x")], []),
        (["--file=x"], [("file", "x")], []),
        (["--file="], [("file", "")], []),
        (["--file", "--verbose"], [("file", "--verbose")], []),
        (["-f", "x"], [("file", "x")], []),
        (["-fx"], [("file", "x")], []),
        (["-f=x"], [("file", "x")], []),
        (["-vqfx"], [("verbose", "true"), ("quiet", "true"), ("file", "x")], []),
        (["-vf", "x", "m"], [("verbose", "true"), ("file", "x")], ["m"]),
        (["m", "-v", "n"], [("verbose", "true")], ["m", "n"]),
        (["--verbose=false"], [("verbose", "false")], []),
        (["--verbose=T", "-v=0"], [("verbose", "true"), ("verbose", "false")], []),
        (["--verbose", "false"], [("verbose", "true")], ["false"]),
        (["--think", "low"], [("think", "true")], ["low"]),
        (["--think=low"], [("think", "low")], []),
        (["--count", "-3"], [("count", "-3")], []),
        (["--count=0x10"], [("count", "16")], []),
        (["-v", "--", "-q", "--"], [("verbose", "true")], ["-q", "--"]),
        (["-", ""], [], ["-", ""]),
    ],
)
def test_forms(args, found, rest):
    """Values stand after the flag, after "=", or behind the letter; letters stand together; "--" ends the flags."""
    assert (found, rest) == said(*args)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--frob"], "unknown flag: --frob"),
        (["--frob=1"], "unknown flag: --frob"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["-vxq"], "unknown shorthand flag: 'x' in -xq"),
        (["--file"], "flag needs an argument: --file"),
        (["-f"], "flag needs an argument: 'f' in -f"),
        (["-vf"], "flag needs an argument: 'f' in -f"),
        (["--=x"], "bad flag syntax: --=x"),
        (["---x"], "bad flag syntax: ---x"),
        (
            ["--verbose=perhaps"],
            'invalid argument "perhaps" for "-v, --verbose" flag: strconv.ParseBool: parsing "perhaps": invalid syntax',
        ),
        (
            ["--count", "many"],
            'invalid argument "many" for "--count" flag: strconv.ParseInt: parsing "many": invalid syntax',
        ),
    ],
)
def test_mistakes(args, text):
    """A mistake is worded as users of Ollama know it."""
    with pytest.raises(UsageError) as caught:
        read(args, FLAGS)
    assert text == caught.value.message


@pytest.mark.parametrize(
    ("arg", "expected"),
    [
        ("--file", True),
        ("--file=x", False),
        ("--verbose", False),
        ("--think", False),
        ("--unknown", True),
        ("-f", True),
        ("-fx", False),
        ("-v", False),
        ("-x", True),
    ],
)
def test_what_follows_a_flag(arg, expected):
    """Whether the word after a flag is its value is known before it is read; an unknown flag may have one."""
    assert is_flag(arg)
    assert expected == takes_next(arg, FLAGS)
