"""Where a message is typed: a line editor with history, several lines, completion and an editor of one's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session, get_app
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.filters import is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.bindings.completion import display_completions_like_readline
from prompt_toolkit.output.plain_text import PlainTextOutput
from prompt_toolkit.shortcuts import CompleteStyle

from puna.cli import slash
from puna.cli.history import LineHistory, readable
from puna.cli.suggestions import Suggestions
from puna.cli.terminal import has_colours, obeys

_TAB = " " * 8


class Reader:
    """Reads messages from the terminal. ``models`` gives the names of those that can be loaded."""

    def __init__(self, models: Callable[[], Sequence[str]]) -> None:
        if editor := os.environ.get("OLLAMA_EDITOR"):
            os.environ["VISUAL"] = editor  # where prompt_toolkit looks
        self._history = LineHistory(Path.home() / ".ollama" / "history")
        self._leaving = False
        # A terminal that knows no escapes must not get the one that shows its cursor either.
        if dumb := sys.stdout.isatty() and not obeys(sys.stdout):
            os.environ["TERM"] = "dumb"  # to prompt_toolkit one without a name is no dumb one
        with create_app_session(output=PlainTextOutput(sys.stdout)) if dumb else nullcontext():
            self._prompt: PromptSession[str] = PromptSession(
                ">>> ",
                history=self._history,
                key_bindings=_keys(),
                multiline=True,
                placeholder=_placeholder,
                prompt_continuation=_continuation,
                completer=Suggestions(models),
                complete_style=CompleteStyle.READLINE_LIKE,
                complete_while_typing=False,
                enable_suspend=True,
            )

    def read(self, *, keeping: bool) -> str | None:
        """The next message; None when the user leaves. ``keeping`` has it kept in the history."""
        self._history.keeping = keeping
        while True:
            try:
                text = self._prompt.prompt()
            except EOFError:
                return None
            except KeyboardInterrupt:
                if self._prompt.default_buffer.text:
                    self._leaving = False
                elif self._leaving:
                    return None
                else:
                    self._leaving = True
                    click.echo("\nUse Ctrl + d or /bye to exit.")
            else:
                self._leaving = False
                if warning := self._history.warning():
                    click.echo(f"Warning: {warning}", err=True)
                return readable(text)


def _placeholder() -> FormattedText:
    if get_app().is_done or is_searching():  # it would stay on the screen, or stand behind what is found
        return FormattedText()
    return FormattedText([("ansibrightblack" if has_colours() else "dim", "Send a message (/? for help)")])


def _continuation(width: int, _line: int, wrapped: int) -> str:
    return " " * width if wrapped else "... "


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        if slash.complete(event.current_buffer.text):
            event.current_buffer.validate_and_handle()
        else:
            event.current_buffer.newline(copy_margin=False)

    @keys.add("c-j")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @keys.add("tab")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        assert buffer.completer is not None
        asked = CompleteEvent(completion_requested=True)
        if next(iter(buffer.completer.get_completions(buffer.document, asked)), None) is None:
            buffer.insert_text(_TAB)
        else:
            display_completions_like_readline(event)

    @keys.add("c-g", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.open_in_editor()

    return keys
