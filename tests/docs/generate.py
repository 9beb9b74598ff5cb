"""Write what is made from the code into docs/cli.md and docs/settings.md: `make docs`.

With --check nothing is written, and the exit status is 1 when a page is not as it would be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from puna import config
from puna.cli import slash
from puna.cli.command import Group
from puna.cli.main import root

DOCS = Path(__file__).parents[2] / "docs"
COLUMNS = 78
"""What click makes of a terminal of 80."""

SLASH_PAGES = (slash.HELP, slash.HELP_SET, slash.HELP_PARAMETERS, slash.HELP_SHOW, slash.HELP_SHORTCUTS)


def commands() -> str:
    """The help page of every command."""
    above = click.Context(root, info_name="puna", terminal_width=COLUMNS, **root.context_settings)
    return "\n".join(_command_pages(above))


def _command_pages(above: click.Context) -> Iterator[str]:
    yield _block(root.get_help(above))
    yield from _pages_below(root, above)


def _pages_below(group: Group, above: click.Context) -> Iterator[str]:
    for name, _ in group.summaries(above):
        command = group.get_command(above, name)
        assert command is not None
        with click.Context(command, parent=above, info_name=name) as inner:
            yield f"## {inner.command_path}\n"
            yield _block(command.get_help(inner))
            if isinstance(command, Group):
                yield from _pages_below(command, inner)


def chat_commands() -> str:
    """The help pages of the chat."""
    return _block("\n".join(SLASH_PAGES))


def settings() -> str:
    """The table of settings."""
    rows = [f"| `{row.name}` | {f'`{row.default}`' if row.default else ''} | {row.help} |\n" for row in config.TABLE]
    rows += [f"| `{name}` |  | {meaning} |\n" for name, meaning in config.CLIENT.items()]
    return f"| variable | default | meaning |\n|---|---|---|\n{''.join(rows)}"


def meaningless() -> str:
    """The table of Ollama's variables that set nothing."""
    rows = (f"| `{name}` | {why} |\n" for name, why in config.MEANINGLESS.items())
    return f"| variable | why |\n|---|---|\n{''.join(rows)}"


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


PARTS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("cli.md", "commands", commands),
    ("cli.md", "chat commands", chat_commands),
    ("settings.md", "settings", settings),
    ("settings.md", "settings without meaning", meaningless),
)


def replaced(text: str, part: str, made: str) -> str:
    """The page ``text`` with what was ``made`` between the marks of ``part``."""
    begin, end = f"<!-- {part}: made by `make docs` -->\n", f"<!-- end of {part} -->\n"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise click.ClickException(f"the marks of {part} are missing")
    return f"{before}{begin}\n{made}\n{end}{after}"


@click.command()
@click.option("--check", is_flag=True, help="write nothing; exit with 1 when a page is stale")
def main(check: bool) -> None:
    """Write the parts of the pages that are made from the code."""
    stale = []
    for name, part, make in PARTS:
        page = DOCS / name
        text = page.read_text()
        if (new := replaced(text, part, make())) != text:
            stale.append(f"docs/{name}")
            if not check:
                page.write_text(new)
    for name in dict.fromkeys(stale):
        click.echo(f"{name} is stale: run `make docs`" if check else f"wrote {name}")
    sys.exit(bool(check and stale))


if __name__ == "__main__":
    main()
