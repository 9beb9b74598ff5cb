"""The command ``puna``: its root, ``serve``, ``help`` and ``--version``."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence

import click

from puna import __version__
from puna.cli.command import Command, Entry, Group, exactly
from puna.cli.failures import told
from puna.errors import ServerUnreachable

# In the order they are met in. A module is imported when its command is asked for, so that no command waits for what
# another needs; the page of all commands needs none of them.
_ENTRIES = {
    "serve": Entry("main:serve", "Start the server."),
    "create": Entry("create:create", "Make a model from a Modelfile, or from the files in a folder."),
    "show": Entry("models:show", "Show what is known about a model."),
    "run": Entry("run:run", "Run a model: answer a prompt, or chat."),
    "stop": Entry("models:stop", "Free the memory that a model takes."),
    "pull": Entry("transfer:pull", "Fetch a model from a registry, or a GGUF file from its URL."),
    "push": Entry("transfer:push", "Send a model to the registry that its name says."),
    "signin": Entry("account:signin", "Say that no account is needed."),
    "signout": Entry("account:signout", "Say that nobody is signed in."),
    "list": Entry("models:list_models", "List the models in the store."),
    "ps": Entry("models:list_running", "List the models in memory."),
    "cp": Entry("models:copy", "Give a model a second name."),
    "rm": Entry("models:remove", "Remove models from the store."),
    "launch": Entry("account:launch", "Say how to make another program use puna."),
    "load": Entry("load:load", "Load a model into memory, so that its first answer need not wait."),
    "tokenize": Entry("tokens:tokenize", "Print the tokens that a model makes of a text."),
    "outdated": Entry("updates:outdated", "List the models whose registries have another version now."),
    "update": Entry("updates:update", "Fetch the versions of models that their registries have now."),
    "export": Entry(
        "archive:export", 'Write models to a tar archive, - for standard output, that "puna import" reads.'
    ),
    "import": Entry(
        "archive:load", "Read models from a tar archive, - for standard input, in the layout of OCI images."
    ),
    "keys": Entry("keys:keys", "Make, list and revoke the keys that callers of the server need."),
    "fsck": Entry("store:fsck", "Check every model and blob in the store; exit status 1 when something is damaged."),
    "prune": Entry("store:prune", "Remove the files in the store that no model needs."),
    "doctor": Entry(
        "doctor:doctor",
        "Look at machine, engine, store and server; say what is wrong and what to do.",
    ),
    "bench": Entry("bench:bench", "Measure how fast a model reads prompts and writes answers."),
    "completion": Entry("completion:completion", "Print a script that completes commands, flags and models."),
    "help": Entry("main:show_help", "Show the help of a command."),
    "login": Entry("account:signin", "Say that no account is needed.", hidden=True),
    "logout": Entry("account:signout", "Say that nobody is signed in.", hidden=True),
    "runner": Entry("account:runner", "Say that puna starts its engines itself.", hidden=True),
    "gpu-discover": Entry("account:gpu_discover", "Say where puna tells what it found.", hidden=True),
    "__complete": Entry("completion:complete", "Print what the last word may become.", hidden=True),
}
_ALIASES = {"start": "serve", "ls": "list"}

_PATIENCE_SECONDS = 10.0
"""How long a server may take to tell its version."""


@click.group(
    "puna",
    cls=Group,
    entries=_ENTRIES,
    aliases=_ALIASES,
)
@click.option("-v", "--version", is_flag=True, help="print the version")
@click.option("--json", "as_json", is_flag=True, help="print the version as one JSON object")
@click.option("--verbose", is_flag=True, hidden=True, help="taken for Ollama's sake, whose menu it is for")
@click.option("--nowordwrap", is_flag=True, hidden=True, help="taken for Ollama's sake, whose menu it is for")
@click.pass_context
def root(ctx: click.Context, *, version: bool, as_json: bool, verbose: bool, nowordwrap: bool) -> None:  # noqa: ARG001
    """Run language models on this machine, and serve them over Ollama's API."""
    if version:
        click.echo(_version(as_json=as_json), nl=False)
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@click.command("serve", cls=Command, count=exactly(0), variables=None)
@click.argument("args", nargs=-1, metavar="")
@click.option("--tls-cert", metavar="FILE", help="certificate (PEM) to serve HTTPS with")
@click.option("--tls-key", metavar="FILE", help="its private key, unless the certificate's file has it too")
@click.option("--insecure-no-keys", is_flag=True, help="let in everybody who can reach the server")
@click.option("--log-format", metavar="FORMAT", help="how to log: text or json")
@click.option("--drain", metavar="DURATION", help="how long running answers may go on once the server is to end")
def serve(args: tuple[str, ...], **flags: str | bool | None) -> int:  # noqa: ARG001 - counted by Command
    """Start the server."""
    said = os.environ | _as_variables(flags)
    from puna import config, logs, server  # noqa: PLC0415 - no other command needs the server

    logs.hold()
    return server.serve(config.read(said))


def _as_variables(flags: Mapping[str, str | bool | None]) -> dict[str, str]:
    """What the flags say, by the names of the variables that say the same.

    Raises:
        click.UsageError: one has a value that it cannot have.
    """
    from puna import config  # noqa: PLC0415 - as above

    rows = {row.field: row for row in config.TABLE}
    given = {field: "1" if value is True else value for field, value in flags.items() if value}
    for field, text in given.items():
        try:
            rows[field].parse(text)
        except ValueError as error:
            flag = field.replace("_", "-")
            raise click.UsageError(f'invalid argument "{text}" for "--{flag}" flag: {error}') from error
    return {rows[field].name: text for field, text in given.items()}


@click.command("help", cls=Command, variables=())
@click.argument("args", nargs=-1, metavar="[COMMAND]")
@click.pass_context
def show_help(ctx: click.Context, args: tuple[str, ...]) -> None:
    """Show the help of a command."""
    above = ctx.find_root()
    rest = [*args]
    while rest and isinstance(above.command, Group):
        name, command, rest = above.command.resolve_command(above, rest)
        above = click.Context(command, parent=above, info_name=name)
    click.echo(above.get_help())


def _version(*, as_json: bool) -> str:
    import json  # noqa: PLC0415 - see connected

    from puna import address  # noqa: PLC0415
    from puna.cli.waiting import waiting  # noqa: PLC0415
    from puna.client import ApiError, Client  # noqa: PLC0415

    server, why = None, "could not connect to a running Puna instance"
    try:
        with Client(address.of_server(os.environ).url, patience=_PATIENCE_SECONDS) as client, waiting(sys.stderr):
            server = client.version()
    except ServerUnreachable:
        pass
    except ApiError as error:
        why = f"the server does not tell its version: {error}"
    if as_json:
        said = {"version": server.api, "puna": server.puna} if server else {"version": None, "puna": None}
        return json.dumps(said | {"client": __version__}, indent=2) + "\n"
    if server is None:
        return f"Warning: {why}\nWarning: client version is {__version__}\n"
    name, version = ("puna", server.puna) if server.puna else ("ollama", server.api)
    warning = "" if (name, version) == ("puna", __version__) else f"Warning: client version is {__version__}\n"
    return f"{name} version is {version}\n{warning}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` says (without the program's name; None: the process's own); return the exit code.

    Whatever goes wrong is told by ``failures.told``.
    """
    _complete_streams()
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - the last resort
        return told(error)
    except KeyboardInterrupt as error:
        click.echo(err=True)  # the line that the terminal shows ^C on
        return told(error)
    return code


def _complete_streams() -> None:
    # Who starts a program without one of them means that nothing is to be read, or nobody reads; and what is opened
    # first would take its place.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character still shows the rest


def _run(argv: Sequence[str]) -> int:
    try:
        with root.make_context("puna", [*argv]) as ctx:
            return root.invoke(ctx) or 0
    except click.exceptions.Exit as end:
        return end.exit_code
