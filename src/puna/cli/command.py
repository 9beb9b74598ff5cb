"""What all commands share: how arguments are counted, how mistakes are worded, how the server is found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from puna import config

if TYPE_CHECKING:
    from puna.client import Client

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


class Command(click.Command):
    """A command whose arguments are counted, flags written, and mistakes worded as Ollama's are.

    A flag may be given a truth value (``--verbose=false``), and an option whose value may be left out takes one only
    after ``=``. The help page ends with the environment ``variables`` that matter.
    """

    def __init__(
        self, *args: Any, count: Count = any_number, variables: tuple[str, ...] = ("OLLAMA_HOST",), **kwargs: Any
    ) -> None:
        super().__init__(*args, **{"options_metavar": "[flags]"} | kwargs)
        self._count = count
        self._variables = variables

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse ``args``, then count the arguments that are not flags."""
        rest = super().parse_args(ctx, self._written_out(args))
        if problem := self._count(len(ctx.params.get("args", ()))):
            raise click.UsageError(problem, ctx)
        return rest

    def _written_out(self, args: list[str]) -> list[str]:
        flags = {name: option for option in self.params if isinstance(option, click.Option) for name in option.opts}
        written: list[str] = []
        for at, arg in enumerate(args):
            if arg == "--":
                return written + args[at:]
            name, equals, value = arg.partition("=")
            option = flags.get(name) if arg.startswith("--") else None
            if option is not None and option.is_flag and equals:
                written += [name] if truth(name, value) else []
            elif option is not None and not option.is_flag and isinstance(option.flag_value, str) and not equals:
                written.append(f"{name}={option.flag_value}")
            else:
                written.append(arg)
        return written

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the block of environment variables."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Environment Variables"):
            formatter.write_dl(
                (row.name, f"{row.help} (default {row.default})" if row.default else row.help)
                for row in config.TABLE
                if row.name in self._variables
            )


def truth(name: str, text: str) -> bool:
    """Read the truth value given to the flag ``name``.

    Raises:
        click.UsageError: it is not one.
    """
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise click.UsageError(
        f'invalid argument "{text}" for "{name}" flag: strconv.ParseBool: parsing "{text}": invalid syntax'
    )


@contextmanager
def connected() -> Iterator[Client]:
    """A client of the server that ``OLLAMA_HOST`` names, which was found to answer.

    Raises:
        ServerUnreachable: no server answers there.
    """
    from puna.client import Client  # noqa: PLC0415 - takes longer to import than all the rest of a command

    with Client(config.read(os.environ).host.url) as client:
        client.heartbeat()
        yield client
