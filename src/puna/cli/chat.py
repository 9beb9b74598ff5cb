"""The chat in a terminal: what ``slash`` makes of what was typed is carried out, and the answers are printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import click

from puna import config
from puna.cli import attachments, slash
from puna.cli.answer import Printer, play, statistics
from puna.cli.command import screen_columns
from puna.cli.models import begins, summaries
from puna.cli.reading import Reader
from puna.cli.session import Session
from puna.cli.showing import describe
from puna.cli.tables import folded
from puna.cli.terminal import unechoed
from puna.cli.waiting import waiting
from puna.client import ApiError, Client
from puna.errors import PunaError
from puna.events import Done, Text
from puna.names import ModelName
from puna.types import ChatRequest, CreateRequest, Message, ModelDetails


def converse(client: Client, session: Session) -> None:
    """Chat until the user leaves.

    Raises:
        ApiError: the model is not there, or cannot be loaded.
    """
    settings = config.read(os.environ)
    chat = _Chat(client, session._replace(history=not settings.no_history))
    with unechoed():
        try:
            chat.begin(chat.session)
        except KeyboardInterrupt:
            return
        reader = Reader(chat.models)
        while not chat.ended:
            text = reader.read(keeping=chat.session.history)
            if text is None:
                return
            chat.take(text)


class _Chat:
    """A conversation with a model: what was chosen and said, and the server that answers."""

    def __init__(self, client: Client, session: Session) -> None:
        self.session = session
        self.ended = False
        self._client = client

    def begin(self, session: Session) -> None:
        """Load the model of ``session``, go on with that session, and print the messages that the model begins with."""
        model = self._client.show(session.model)
        session = session._replace(capabilities=frozenset(model.capabilities))
        self._load(session)
        self.session = session
        for message in model.messages:
            if message.role == "user":
                click.echo(f">>> {message.content}")
            else:
                printer = self._printer()
                printer.feed(Text(message.content))
                printer.close()
                click.echo("\n")

    def models(self) -> Sequence[str]:
        """The names of those that can be loaded; none if the server does not tell."""
        try:
            return [model.name.removesuffix(":latest") for model in self._client.list()]
        except PunaError:
            return []

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
            case slash.Unknown(command=command, text=text):
                if any(begin == 0 for begin, _, _ in attachments.find(text)):
                    self._ask(text)
                else:
                    _say(f"Unknown command '{command}'. Type /? for help")
            case slash.Say(text=text, error=error):
                _say(text, error=error)
            case slash.ListModels(prefix=prefix):
                models = [model for model in self._client.list() if begins(model.name, prefix)]
                click.echo(summaries(models, datetime.now(UTC), screen_columns()), nl=False)
            case slash.ShowModel(part=part):
                click.echo(_part(self._client.show(self.session.model), part, self.session))
            case slash.Load(model=model):
                self._change_model(model)
            case slash.Save(model=model):
                self._save(model)
            case slash.Quit():
                self.ended = True

    def _ask(self, text: str) -> None:
        text, attached = attachments.attach(text) if self.session.attaches else (text, [])
        for one in attached:
            click.echo(f"Added {one.kind} '{one.path}'", err=True)
        asked = (*self.session.messages, Message("user", text, images=tuple(one.data for one in attached)))
        system = (Message("system", self.session.system),) if self.session.system else ()
        request = replace(self._request(self.session), messages=system + asked)
        printer, done = self._printer(), None
        try:
            done = self._play(request, printer)
        except KeyboardInterrupt:
            pass  # what was answered until then stays said
        finally:
            if printer.text:
                self.session = self.session._replace(messages=(*asked, Message("assistant", printer.text)))
            click.echo("\n" if printer.text else "")
        if self.session.verbose and done is not None:
            click.echo(statistics(done), err=True)

    def _play(self, request: ChatRequest, printer: Printer) -> Done | None:
        id_ = os.urandom(12).hex()
        with closing(self._client.chat(request, request_id=id_)) as events:
            return play(events, printer, sys.stderr, lambda: self._client.progress(id_))

    def _change_model(self, model: str) -> None:
        click.echo(f"Loading model '{model}'")
        try:
            self.begin(self.session._replace(model=model, messages=()))
        except ApiError as error:
            if error.code != 404:
                raise
            click.echo(f"Couldn't find model '{model}'")

    def _load(self, session: Session) -> None:
        self._play(self._request(session), self._printer())

    def _save(self, model: str) -> None:
        ModelName.parse(model)
        request = CreateRequest(
            model=model,
            source=self.session.model,
            system=self.session.system or None,
            parameters=self.session.options or None,
            messages=self.session.messages or None,
        )
        with waiting(sys.stderr):  # a model that was removed meanwhile is pulled again
            for _ in self._client.create(request):
                pass
        click.echo(f"Created new model '{model}'")

    def _printer(self) -> Printer:
        return Printer(
            sys.stdout,
            wordwrap=self.session.wordwrap,
            markdown=self.session.markdown and self.session.format is None,
            hide_thinking=self.session.hide_thinking,
        )

    def _request(self, session: Session) -> ChatRequest:
        return ChatRequest(
            model=session.model,
            options=session.options,
            keep_alive=session.keep_alive,
            format=session.format,
            think=session.thinks,
        )


def _say(text: str, *, error: bool = False) -> None:
    """Print ``text`` in lines that fit the terminal."""
    columns = screen_columns()
    shown = text if columns is None else folded(text, columns)
    click.echo(shown, err=error, nl=bool(shown) and not shown.endswith("\n"))


def _part(model: ModelDetails, part: str, session: Session) -> str:
    match part:
        case "info":
            return describe(model, columns=screen_columns()).removesuffix("\n")
        case "modelfile":
            return model.modelfile
        case "license":
            return model.license or "The model has no license."
        case "template":
            return model.template or "The model has no template."
        case "system":
            return session.system or model.system or "There is no system message."
    own = "".join(f"{name:<30} {value}\n" for name, value in _written(session))
    return (f"Model defined parameters:\n{model.parameters}\n\n" if model.parameters else "") + (
        f"User defined parameters:\n{own}" if own else "" if model.parameters else "There are no parameters."
    )


def _written(session: Session) -> Iterator[tuple[str, str]]:
    """The parameters of ``session``, a line for each value, as a model's are written."""
    for name, value in session.options.items():
        for each in value if isinstance(value, Sequence) and not isinstance(value, str) else [value]:
            yield name, json.dumps(each, ensure_ascii=False)
