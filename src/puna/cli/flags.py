"""Flags as Ollama's command line reads them, which is as Go programs do. Pure.

``--name value``, ``--name=value``, ``-n value``, ``-nvalue``, ``-n=value`` and ``-abc`` are read wherever they stand
among the arguments; ``--`` ends them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from click import UsageError

Kind = Literal["truth", "whole number", "text"]


class Flag(NamedTuple):
    """A flag by its ``name``, without dashes, and its letter, if it has one.

    ``implied`` is its value where none is given; None means that one must be.
    """

    name: str
    letter: str = ""
    kind: Kind = "text"
    implied: str | None = None


def read(args: Iterable[str], flags: Sequence[Flag]) -> tuple[list[tuple[Flag, str]], list[str]]:
    """The flags among ``args`` with their values, in order, and the arguments that are no flags.

    A truth is ``true`` or ``false``, a whole number is written in decimal digits.

    Raises:
        UsageError: a flag is not among ``flags``, lacks its value, or has one that it cannot have.
    """
    found: list[tuple[Flag, str]] = []
    rest: list[str] = []
    coming = iter(args)
    for arg in coming:
        if arg == "--":
            rest += coming
        elif arg == "-" or not arg.startswith("-"):
            rest.append(arg)
        elif arg.startswith("--"):
            found.append(_long(arg, coming, flags))
        else:
            found += _short(arg[1:], coming, flags)
    return found, rest


def is_flag(arg: str) -> bool:
    """Whether ``arg`` is written as a flag is."""
    return arg.startswith("-") and arg != "-"


def takes_next(arg: str, flags: Sequence[Flag]) -> bool:
    """Whether the value of the flag ``arg`` is the argument after it; an unknown flag may have one."""
    if arg.startswith("--"):
        flag = next((each for each in flags if each.name == arg[2:]), None)
        return "=" not in arg and (flag is None or flag.implied is None)
    flag = next((each for each in flags if each.letter == arg[1:2]), None)
    return len(arg) == 2 and (flag is None or flag.implied is None)


def _long(arg: str, coming: Iterator[str], flags: Sequence[Flag]) -> tuple[Flag, str]:
    name, equals, value = arg[2:].partition("=")
    if not name or name.startswith("-"):
        raise UsageError(f"bad flag syntax: {arg}")
    flag = next((each for each in flags if each.name == name), None)
    if flag is None:
        raise UsageError(f"unknown flag: --{name}")
    if not equals:
        value = _missing_value(flag, coming, arg)
    return flag, _checked(flag, value)


def _short(letters: str, coming: Iterator[str], flags: Sequence[Flag]) -> Iterator[tuple[Flag, str]]:
    while letters:
        written = f"'{letters[0]}' in -{letters}"
        flag = next((each for each in flags if each.letter == letters[0]), None)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: {written}")
        if len(letters) > 2 and letters[1] == "=":
            value, letters = letters[2:], ""
        elif flag.implied is None and len(letters) > 1:
            value, letters = letters[1:], ""
        else:
            value, letters = _missing_value(flag, coming, written), letters[1:]
        yield flag, _checked(flag, value)


def _missing_value(flag: Flag, coming: Iterator[str], written: str) -> str:
    value = next(coming, None) if flag.implied is None else flag.implied
    if value is None:
        raise UsageError(f"flag needs an argument: {written}")
    return value


_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


def _checked(flag: Flag, value: str) -> str:
    if flag.kind == "text":
        return value
    if flag.kind == "truth":
        if value in _TRUE:
            return "true"
        if value in _FALSE:
            return "false"
        reader = "ParseBool"
    else:
        try:
            return str(int(value, 0))
        except ValueError:
            reader = "ParseInt"
    written = f"-{flag.letter}, --{flag.name}" if flag.letter else f"--{flag.name}"
    raise UsageError(
        f'invalid argument "{value}" for "{written}" flag: strconv.{reader}: parsing "{value}": invalid syntax'
    ) from None
