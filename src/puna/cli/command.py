"""What all commands share: their flags and help pages, how arguments are counted, how the server is found."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from puna.cli import flags, pages
from puna.cli.flags import Flag

if TYPE_CHECKING:
    from puna.client import Client
    from puna.names import ModelName

Count = Callable[[int], str]
"""Says what is wrong with a number of arguments, or nothing."""


def exactly(expected: int) -> Count:
    """Take ``expected`` arguments."""
    return lambda got: "" if got == expected else f"accepts {expected} arg(s), received {got}"


def at_least(expected: int) -> Count:
    """Take ``expected`` arguments or more."""
    return lambda got: "" if got >= expected else f"requires at least {expected} arg(s), only received {got}"


def any_number(_: int) -> str:
    """Take whatever is given."""
    return ""


def _show_help(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(ctx.get_help())
        ctx.exit()


# Click's own looks for a translation of its text, which takes a while.
_HELP = click.Option(
    ["-h", "--help", "_help"], is_flag=True, expose_value=False, is_eager=True, callback=_show_help, help="help"
)


class Command(click.Command):
    """A command whose flags are read, arguments counted, and mistakes and help pages worded as Ollama's are.

    The help page ends with the environment ``variables`` that matter, None for all.
    """

    def __init__(
        self, *args: Any, count: Count = any_number, variables: tuple[str, ...] | None = ("OLLAMA_HOST",), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._count = count
        self.variables = variables

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse ``args``, then count the arguments that are not flags."""
        options, rest = ([], args) if ctx.ignore_unknown_options else _read(self, ctx, args)
        left = super().parse_args(ctx, [*options, "--", *rest])
        if problem := self._count(len(rest)):
            raise click.UsageError(problem, ctx)
        return left

    def get_help_option(self, ctx: click.Context) -> click.Option:  # noqa: ARG002
        """The flag that shows the help page."""
        return _HELP

    def get_help(self, ctx: click.Context) -> str:
        """The help page."""
        return pages.of_command(self, ctx)


class Entry(NamedTuple):
    """A command that is imported when it is asked for: ``module:name`` below ``puna.cli``, and what it does."""

    place: str
    summary: str
    hidden: bool = False


class Group(click.Group):
    """A command of commands, of which those in ``entries`` are imported when they are asked for.

    The command is the first argument that is no flag, wherever it stands; all flags are then its own.
    """

    def __init__(
        self,
        *args: Any,
        entries: Mapping[str, Entry] | None = None,
        aliases: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **{"invoke_without_command": True} | kwargs)
        self.entries = entries or {}
        self.aliases = aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order they are met in."""
        return [*self.entries, *(name for name in super().list_commands(ctx) if name not in self.entries)]

    def summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """The name of each command that is not hidden, and what it does in a sentence."""
        for name in self.list_commands(ctx):
            if entry := self.entries.get(name):
                if not entry.hidden:
                    yield name, entry.summary
            elif not self.commands[name].hidden:
                yield name, self.commands[name].get_short_help_str(limit=1000)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        entry = self.entries.get(self.aliases.get(cmd_name, cmd_name))
        if entry is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = entry.place.partition(":")
        found = getattr(importlib.import_module(f"puna.cli.{module}"), name)
        assert isinstance(found, click.Command)
        return found

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the command; without one, read the flags."""
        at = _place_of_command(args, flags_of(self, ctx))
        if at is None:
            options, rest = _read(self, ctx, args)
            return super().parse_args(ctx, [*options, *rest])
        return super().parse_args(ctx, ["--", args[at], *args[:at], *args[at + 1 :]])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str, click.Command, list[str]]:
        """The command that ``args`` begin with, its name, and its own arguments.

        Raises:
            click.UsageError: there is none of that name.
        """
        name, *rest = args
        command = self.get_command(ctx, name)
        if command is None:
            text = f'unknown command "{name}" for "{ctx.command_path}"'
            if near := [known for known, _ in self.summaries(ctx) if _resembles(name, known)]:
                text += "\n\nDid you mean this?\n" + "".join(f"\t{known}\n" for known in near)
            raise click.UsageError(text, ctx)
        return self.aliases.get(name, name), command, rest

    def get_help_option(self, ctx: click.Context) -> click.Option:  # noqa: ARG002
        """The flag that shows the help page."""
        return _HELP

    def get_help(self, ctx: click.Context) -> str:
        """The help page."""
        return pages.of_group(self, ctx, self.summaries(ctx))


def flag_of(option: click.Option) -> Flag:
    """How ``option`` is written and what it takes."""
    name = next(text[2:] for text in option.opts if text.startswith("--"))
    letter = next((text[1:] for text in option.opts if len(text) == 2), "")
    if option.is_flag:
        return Flag(name, letter, "truth", "true")
    kind: flags.Kind = "whole number" if isinstance(option.type, type(click.INT)) else "text"
    if isinstance(option.type, type(click.BOOL)):
        kind = "truth"
    return Flag(name, letter, kind, option.flag_value if isinstance(option.flag_value, str) else None)


def flags_of(command: click.Command, ctx: click.Context) -> Sequence[Flag]:
    """The flags of ``command``, help among them."""
    return [*_options(command, ctx)]


def _options(command: click.Command, ctx: click.Context) -> dict[Flag, click.Option]:
    return {flag_of(option): option for option in command.get_params(ctx) if isinstance(option, click.Option)}


def _read(command: click.Command, ctx: click.Context, args: Sequence[str]) -> tuple[list[str], list[str]]:
    """The flags among ``args`` in the one form that click cannot misread, and the other arguments."""
    options = _options(command, ctx)
    found, rest = flags.read(args, [*options])
    written: dict[Flag, list[str]] = {}
    for flag, value in found:
        if options[flag].is_flag:
            written[flag] = [f"--{flag.name}"] if value == "true" else []
        else:
            earlier = written.get(flag, []) if options[flag].multiple else []
            written[flag] = [*earlier, f"--{flag.name}={value}"]
    return [text for each in written.values() for text in each], rest


def _place_of_command(args: Sequence[str], known: Sequence[Flag]) -> int | None:
    """Where among ``args`` the name of the command is; flags of the command may come first."""
    at = 0
    while at < len(args) and args[at] != "--":
        if not flags.is_flag(args[at]):
            return at if args[at] else None
        at += 2 if flags.takes_next(args[at], known) else 1
    return None


def _resembles(typed: str, name: str) -> bool:
    """Whether ``typed`` begins ``name``, or is two changed letters or fewer away from it."""
    return typed != "" and (name.startswith(typed.lower()) or _distance(typed.lower(), name) <= 2)


def _distance(one: str, other: str) -> int:
    """How many letters must be put in, left out or changed to make ``one`` the ``other`` (Levenshtein)."""
    before: list[int] = [*range(len(other) + 1)]
    for at, letter in enumerate(one, start=1):
        row = [at]
        for other_at, other_letter in enumerate(other, start=1):
            row.append(
                min(before[other_at] + 1, row[-1] + 1, before[other_at - 1] + (letter != other_letter)),
            )
        before = row
    return before[-1]


def screen_columns() -> int | None:
    """How many columns the terminal has that standard output is; None if it is none, and everything has room."""
    import shutil  # noqa: PLC0415 - only tables ask

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def keep_alive(text: str) -> float | None:
    """The seconds that ``--keepalive`` says; None where it says nothing.

    Raises:
        click.UsageError: it is no duration.
    """
    from puna.durations import parse_keep_alive  # noqa: PLC0415 - not for a help page

    try:
        return parse_keep_alive(text) if text else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def model_name(text: str) -> ModelName:
    """The name of a model that ``text`` is.

    Raises:
        click.UsageError: it is none.
    """
    from puna.errors import InvalidName  # noqa: PLC0415 - most names only a server reads
    from puna.names import ModelName  # noqa: PLC0415

    try:
        return ModelName.parse(text)
    except InvalidName as error:
        raise click.UsageError(f"invalid model name: {text}") from error


@contextmanager
def connected() -> Iterator[Client]:
    """A client of the server that ``OLLAMA_HOST`` names, which was found to answer.

    Raises:
        ServerUnreachable: no server answers there.
    """
    from puna import address  # noqa: PLC0415 - help pages and mistakes need none of them
    from puna.cli.waiting import waiting  # noqa: PLC0415
    from puna.client import Client  # noqa: PLC0415

    with Client(address.of_server(os.environ).url) as client:
        with waiting(sys.stderr):
            client.heartbeat()
        yield client
