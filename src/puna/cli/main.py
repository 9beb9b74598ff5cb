"""The command ``puna``: its root, ``serve``, ``help`` and ``--version``, and how errors reach the user."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

from puna import __version__, config
from puna.cli.command import Command, exactly
from puna.errors import PunaError, ServerUnreachable

# In the order they are met in. A module is imported when its command is asked for, so that no command waits for what
# another needs.
_COMMANDS = {
    "serve": "main:serve",
    "create": "create:create",
    "show": "models:show",
    "run": "run:run",
    "stop": "models:stop",
    "pull": "transfer:pull",
    "push": "transfer:push",
    "list": "models:list_models",
    "ps": "models:list_running",
    "cp": "models:copy",
    "rm": "models:remove",
    "outdated": "updates:outdated",
    "update": "updates:update",
    "export": "archive:export",
    "import": "archive:load",
    "fsck": "store:fsck",
    "prune": "store:prune",
    "doctor": "doctor:doctor",
    "bench": "bench:bench",
    "help": "main:show_help",
}
_ALIASES = {"start": "serve", "ls": "list"}


class _Root(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        place = _COMMANDS.get(_ALIASES.get(cmd_name, cmd_name))
        if place is None:
            return None
        module, _, command = place.partition(":")
        found = getattr(importlib.import_module(f"puna.cli.{module}"), command)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f'unknown command "{args[0]}" for "puna"', ctx)
        return super().resolve_command(ctx, args)


@click.group(
    "puna",
    cls=_Root,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    options_metavar="[flags]",
)
@click.option("-v", "--version", is_flag=True, help="print the version")
@click.pass_context
def root(ctx: click.Context, version: bool) -> None:
    """Run language models on this machine, and serve them over Ollama's API."""
    if version:
        click.echo(_version(), nl=False)
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@click.command("serve", cls=Command, count=exactly(0), variables=tuple(row.name for row in config.TABLE))
@click.argument("args", nargs=-1, metavar="")
def serve(args: tuple[str, ...]) -> int:  # noqa: ARG001 - counted by Command
    """Start the server."""
    from puna import server  # noqa: PLC0415 - no other command needs it

    return server.serve(config.read(os.environ))


@click.command("help", cls=Command)
@click.argument("args", nargs=-1, metavar="[COMMAND]")
@click.pass_context
def show_help(ctx: click.Context, args: tuple[str, ...]) -> None:
    """Show the help of a command."""
    above = ctx.find_root()
    if not args:
        click.echo(above.get_help())
        return
    _, command, _ = root.resolve_command(above, list(args))
    assert command is not None
    with click.Context(command, parent=above, info_name=command.name) as inner:
        click.echo(command.get_help(inner))


def _version() -> str:
    from puna.client import Client  # noqa: PLC0415 - see connected

    try:
        with Client(config.read(os.environ).host.url) as client:
            server = client.version()
    except ServerUnreachable:
        return f"Warning: could not connect to a running Puna instance\nWarning: client version is {__version__}\n"
    name, version = ("puna", server.puna) if server.puna else ("ollama", server.api)
    warning = "" if (name, version) == ("puna", __version__) else f"Warning: client version is {__version__}\n"
    return f"{name} version is {version}\n{warning}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` says (without the program's name; None: the process's own); return the exit code.

    Everything that goes wrong is one line, ``Error: …``, on standard error, and 1.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character still shows the rest
    try:
        return root.main(argv, prog_name="puna", standalone_mode=False) or 0
    except click.Abort:
        return 130
    except click.ClickException as error:
        return _failed(_wording(error))
    except PunaError as error:
        return _failed(str(error))


def _failed(text: str) -> int:
    click.echo(f"Error: {text}", err=True)
    return 1


def _wording(error: click.ClickException) -> str:
    match error:
        case click.NoSuchOption(option_name=name):
            if name.startswith("--"):
                return f"unknown flag: {name}"
            return f"unknown shorthand flag: '{name[1:]}' in {name}"
        case click.BadOptionUsage(option_name=name):
            written = name if name.startswith("--") else f"'{name[1:]}' in {name}"
            return f"flag needs an argument: {written}"
    return error.format_message()
