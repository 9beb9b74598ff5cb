"""The chat in a terminal: reads what is typed, carries out what ``slash`` makes of it, prints the answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.filters import is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from puna import config
from puna.cli import slash
from puna.cli.answer import Printer, play, statistics
from puna.cli.models import summaries
from puna.cli.showing import describe
from puna.cli.slash import Session
from puna.client import ApiError, Client
from puna.errors import PunaError
from puna.events import Text
from puna.names import ModelName
from puna.types import ChatRequest, CreateRequest, Message, ModelDetails

_HISTORY_LINES = 100
_PLACEHOLDER = FormattedText([("ansibrightblack", "Send a message (/? for help)")])


def converse(client: Client, session: Session) -> None:
    """Chat until the user leaves.

    Raises:
        ApiError: the model is not there, or cannot be loaded.
    """
    settings = config.read(os.environ)
    chat = _Chat(client, replace(session, history=not settings.no_history))
    chat.start()
    typed = LineHistory(Path.home() / ".ollama" / "history")
    prompt: PromptSession[str] = PromptSession(
        ">>> ",
        history=typed,
        key_bindings=_keys(),
        multiline=True,
        placeholder=_PLACEHOLDER,
        prompt_continuation="... ",
    )
    while not chat.ended:
        typed.keeping = chat.session.history
        try:
            text = prompt.prompt()
        except KeyboardInterrupt:
            if not prompt.default_buffer.text:
                click.echo("\nUse Ctrl + d or /bye to exit.")
        except EOFError:
            return
        else:
            chat.take(text)


class _Chat:
    """A conversation with a model: what was chosen and said, and the server that answers."""

    def __init__(self, client: Client, session: Session) -> None:
        self.session = session
        self.ended = False
        self._client = client

    def start(self) -> None:
        """Load the model, and print the messages it begins with."""
        model = self._client.show(self.session.model)
        self._load(self.session)
        for message in model.messages:
            if message.role == "user":
                click.echo(f">>> {message.content}")
            else:
                printer = self._printer()
                printer.feed(Text(message.content))
                printer.close()
                click.echo("\n")

    def take(self, text: str) -> None:
        """Do what ``text`` says; what goes wrong is printed, and the chat goes on."""
        self.session, action = slash.interpret(text, self.session)
        try:
            self._carry_out(action)
        except PunaError as error:
            click.echo(f"Error: {error}", err=True)
        except KeyboardInterrupt:
            click.echo()

    def _carry_out(self, action: slash.Action) -> None:
        match action:
            case slash.Ask(text=text):
                self._ask(text)
            case slash.Say(text=text, error=error):
                click.echo(text, err=error, nl=bool(text) and not text.endswith("\n"))
            case slash.ListModels():
                click.echo(summaries(self._client.list(), datetime.now(UTC)), nl=False)
            case slash.ShowModel(part=part):
                click.echo(_part(self._client.show(self.session.model), part, self.session))
            case slash.Load(model=model):
                self._change_model(model)
            case slash.Save(model=model):
                self._save(model)
            case slash.Quit():
                self.ended = True

    def _ask(self, text: str) -> None:
        asked = (*self.session.messages, Message("user", text))
        system = (Message("system", self.session.system),) if self.session.system else ()
        request = replace(self._request(self.session), messages=system + asked)
        printer, done = self._printer(), None
        try:
            with closing(self._client.chat(request)) as events:
                done = play(events, printer, sys.stderr)
        except KeyboardInterrupt:
            pass  # what was answered until then stays said
        finally:
            if printer.text:
                self.session = replace(self.session, messages=(*asked, Message("assistant", printer.text)))
            click.echo("\n" if printer.text else "")
        if self.session.verbose and done is not None:
            click.echo(statistics(done), err=True)

    def _change_model(self, model: str) -> None:
        click.echo(f"Loading model '{model}'")
        changed = replace(self.session, model=model, messages=())
        try:
            self._load(changed)
        except ApiError as error:
            if error.code != 404:
                raise
            click.echo(f"Couldn't find model '{model}'")
        else:
            self.session = changed

    def _load(self, session: Session) -> None:
        with closing(self._client.chat(self._request(session))) as events:
            play(events, self._printer(), sys.stderr)

    def _save(self, model: str) -> None:
        ModelName.parse(model)
        request = CreateRequest(
            model=model,
            source=self.session.model,
            system=self.session.system or None,
            parameters=self.session.options or None,
            messages=self.session.messages or None,
        )
        for _ in self._client.create(request):
            pass
        click.echo(f"Created new model '{model}'")

    def _printer(self) -> Printer:
        return Printer(sys.stdout, wordwrap=self.session.wordwrap, hide_thinking=self.session.hide_thinking)

    def _request(self, session: Session) -> ChatRequest:
        return ChatRequest(
            model=session.model,
            options=session.options,
            keep_alive=session.keep_alive,
            format=session.format,
            think=session.think,
        )


class LineHistory(History):
    """What was typed, in a file with one line for each, the latest last: the file that Ollama's chat keeps too.

    Nothing is added to it unless ``keeping``; a file that cannot be written is mentioned once.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.keeping = True
        self._path = path
        self._writable = True

    def load_history_strings(self) -> Iterable[str]:
        """The lines, the latest first."""
        return reversed(self._read())

    def append_string(self, string: str) -> None:
        """Remember ``string`` if history is kept."""
        if self.keeping:
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Add ``string`` to the file, which keeps only so many lines."""
        try:
            self._write([*self._read(), *string.splitlines()][-_HISTORY_LINES:])
        except OSError as error:
            if self._writable:
                click.echo(f"Warning: the history cannot be kept in {self._path}: {error.strerror}", err=True)
            self._writable = False

    def _write(self, lines: list[str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        written.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        written.chmod(0o600)
        written.replace(self._path)

    def _read(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []


def _part(model: ModelDetails, part: str, session: Session) -> str:
    match part:
        case "info":
            return describe(model)
        case "modelfile":
            return model.modelfile
        case "license":
            return model.license or "The model has no license."
        case "template":
            return model.template or "The model has no template."
        case "system":
            return session.system or model.system or "There is no system message."
    own = "".join(f"{name:<30} {value}\n" for name, value in session.options.items())
    return (f"Model defined parameters:\n{model.parameters}\n\n" if model.parameters else "") + (
        f"User defined parameters:\n{own}" if own else "" if model.parameters else "There are no parameters."
    )


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
        event.current_buffer.insert_text(" " * 8)

    @keys.add("c-g", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.open_in_editor()

    return keys
