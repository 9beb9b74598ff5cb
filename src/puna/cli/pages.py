"""Help pages, laid out as those of Ollama's command line are."""

from __future__ import annotations

import inspect
import re
from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from puna.cli.command import Command, Group


_MARKUP = re.compile(r"\[([^]]*)]\([^)]*\)|`([^`]*)`")
"""What the documentation of a variable has that a terminal shows as it is written."""

_WIDEST, _NARROWEST = 80, 20


def of_command(command: Command, ctx: click.Context) -> str:
    """What ``command`` does, how it is called, its flags, and the environment variables that matter to it."""
    formatter = _formatter(ctx)
    _write_text(command, formatter)
    arguments = [param.metavar or "" for param in command.get_params(ctx) if isinstance(param, click.Argument)]
    _write_usage(formatter, [" ".join(filter(None, [ctx.command_path, *arguments, "[flags]"]))])
    aliases = getattr(ctx.parent.command, "aliases", {}) if ctx.parent is not None else {}
    if others := [alias for alias, name in aliases.items() if name == ctx.info_name]:
        with formatter.section("Aliases"):
            formatter.write_text(", ".join([ctx.info_name or "", *others]))
    _write_flags(command, ctx, formatter)
    if command.variables != ():
        _write_variables(command.variables, formatter)
    return formatter.getvalue().rstrip("\n")


def of_group(group: Group, ctx: click.Context, summaries: Iterable[tuple[str, str]]) -> str:
    """What ``group`` is for, its commands, and its flags."""
    formatter = _formatter(ctx)
    _write_text(group, formatter)
    path = ctx.command_path
    _write_usage(formatter, [f"{path} [flags]", f"{path} [command]"] if ctx.parent is None else [f"{path} [command]"])
    with formatter.section("Available Commands"):
        _write_columns(formatter, [*summaries])
    _write_flags(group, ctx, formatter)
    formatter.write_paragraph()
    formatter.write_text(f'Use "{path} [command] --help" for more information about a command.')
    return formatter.getvalue().rstrip("\n")


def _write_text(command: click.Command, formatter: click.HelpFormatter) -> None:
    formatter.write_text(inspect.cleandoc(command.help or ""))


def _write_usage(formatter: click.HelpFormatter, lines: Iterable[str]) -> None:
    with formatter.section("Usage"):
        for line in lines:
            formatter.write_text(line)


def _write_flags(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    options = [param for param in command.get_params(ctx) if isinstance(param, click.Option) and not param.hidden]
    with formatter.section("Flags"):
        _write_columns(formatter, [(_written(option), _help(option, ctx)) for option in options])


def _help(option: click.Option, ctx: click.Context) -> str:
    return f"help for {ctx.info_name}" if "--help" in option.opts else option.help or ""


def _written(option: click.Option) -> str:
    letter = next((f"{text}, " for text in option.opts if len(text) == 2), "    ")
    name = next(text for text in option.opts if text.startswith("--"))
    if option.is_flag:
        return f"{letter}{name}"
    metavar = option.metavar or (option.name or "").upper()
    return f"{letter}{name}{metavar if metavar.startswith('[=') else f' {metavar}'}"


def _write_variables(names: Container[str] | None, formatter: click.HelpFormatter) -> None:
    from puna import config  # noqa: PLC0415 - the page of all commands names no variable

    known = [(row.name, f"{row.help} (default {row.default})" if row.default else row.help) for row in config.TABLE]
    if names is not None:
        known = [(name, meaning) for name, meaning in [*known, *config.CLIENT.items()] if name in names]
    with formatter.section("Environment Variables"):
        _write_columns(formatter, [(name, _MARKUP.sub(r"\1\2", meaning)) for name, meaning in known])


def _write_columns(formatter: click.HelpFormatter, rows: Sequence[tuple[str, str]]) -> None:
    """Write what is named beside what it is; on a narrow terminal long names have lines of their own."""
    formatter.write_dl(rows, col_max=min(30, formatter.width // 2))


def _formatter(ctx: click.Context) -> click.HelpFormatter:
    """What lays out a page for the terminal, or for as many columns as ``ctx`` says."""
    import shutil  # noqa: PLC0415 - only help pages need it

    columns = max(min(shutil.get_terminal_size().columns, _WIDEST), _NARROWEST)
    return click.HelpFormatter(width=ctx.terminal_width or columns - 2)
