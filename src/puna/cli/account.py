"""The commands of Ollama's that are about its cloud and about other programs: they say what puna has instead."""

from __future__ import annotations

import os

import click

from puna.cli.command import Command, exactly, model_name

_ANTHROPIC = ("claude",)


@click.command("signin", cls=Command, count=exactly(0), variables=())
@click.argument("args", nargs=-1, metavar="")
def signin(args: tuple[str, ...]) -> None:  # noqa: ARG001 - counted by Command
    """Say that no account is needed."""
    raise click.ClickException("there is no cloud behind puna to sign in to: models run here, and need no account")


@click.command("signout", cls=Command, count=exactly(0), variables=())
@click.argument("args", nargs=-1, metavar="")
def signout(args: tuple[str, ...]) -> None:  # noqa: ARG001 - counted by Command
    """Say that nobody is signed in."""
    click.echo("You are not signed in: there is no cloud behind puna")


@click.command("launch", cls=Command)
@click.argument("args", nargs=-1, metavar="[APP] [-- ARGS...]")
@click.option("--model", default="", metavar="MODEL", help="the model to name in what is printed")
@click.option("--config", is_flag=True, help="taken for Ollama's sake; nothing is configured")
@click.option("--restore", is_flag=True, help="taken for Ollama's sake; nothing was configured")
@click.option("-y", "--yes", is_flag=True, help="taken for Ollama's sake; nothing is asked")
def launch(args: tuple[str, ...], *, model: str, config: bool, restore: bool, yes: bool) -> None:  # noqa: ARG001
    """Say how to make another program use puna.

    Programs are neither configured nor started; most read from their environment where the server is.
    """
    from puna.config import read  # noqa: PLC0415 - a help page needs no settings

    app = args[0] if args else "APP"
    url = read(os.environ).host.url
    if app in _ANTHROPIC:
        variables = f"ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN=puna ANTHROPIC_MODEL={model or 'MODEL'}"
    elif app == "codex":
        name = model_name(model).short if model else "MODEL"  # it looks for the tag in the list, too
        args = ("codex", "--oss", "--local-provider", "ollama", "-m", name, *args[1:])
        variables = f"CODEX_OSS_BASE_URL={url}/v1"
    else:
        variables = f"OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=puna"
    raise click.ClickException(
        f"puna does not start or configure other programs: try {variables} {' '.join(args) or app}"
    )


@click.command("runner", cls=Command, variables=(), context_settings={"ignore_unknown_options": True})
@click.argument("args", nargs=-1, metavar="")
def runner(args: tuple[str, ...]) -> None:  # noqa: ARG001
    """Say that puna starts its engines itself."""
    raise click.ClickException("puna starts its engines itself: run 'puna serve'")


@click.command("gpu-discover", cls=Command, variables=())
@click.argument("args", nargs=-1, metavar="")
@click.option("--lib-dir", multiple=True, metavar="DIRECTORY", help="taken for Ollama's sake")
def gpu_discover(args: tuple[str, ...], lib_dir: tuple[str, ...]) -> None:  # noqa: ARG001
    """Say where puna tells what it found."""
    raise click.ClickException("puna tells what it found on this machine with 'puna doctor'")
