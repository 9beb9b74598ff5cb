"""What a line typed into the chat means: text for the model, or a command. Pure: no terminal, no server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from puna.cli.session import Session
from puna.options import parse_parameter

QUOTES = '"""'

HELP = '''Commands:
  /set            Change a setting of this session
  /show           Show what is known about the model
  /list           List the models in the store
  /load <model>   Go on with another model, and a new conversation
  /save <model>   Save this session as a model
  /clear          Forget the conversation so far
  /bye            Leave (also: /exit)
  /?, /help       This help; /help set, /help show, /help shortcuts say more

Use """ to begin and to end a message of several lines.
A model that sees or hears takes files whose paths are in the message.
'''
HELP_SET = """Settings:
  /set parameter <name> <value>   Set a parameter of the model
  /set system <text>              Set the system message
  /set history                    Keep a history of what is typed
  /set nohistory                  Keep none
  /set wordwrap                   Break lines between words
  /set nowordwrap                 Do not
  /set markdown                   Show Markdown as it is meant
  /set nomarkdown                 Show it as it is written
  /set format json                Make every answer JSON
  /set noformat                   Let answers be text
  /set verbose                    Print statistics after an answer
  /set quiet                      Print none
  /set think [level]              Let the model think first (low, medium, high, max)
  /set nothink                    Do not
"""
HELP_SHOW = """Of the model:
  /show info         What it is and can do
  /show license      Its license
  /show modelfile    A Modelfile of it
  /show parameters   Its parameters, and this session's
  /show system       The system message
  /show template     Its template
"""
HELP_SHORTCUTS = """Keys:
  Ctrl+a, Ctrl+e   Go to the beginning, the end of the line
  Alt+b, Alt+f     Go back, forward one word
  Ctrl+k, Ctrl+u   Delete to the end, to the beginning of the line
  Ctrl+w           Delete the word before the cursor
  Ctrl+j           Begin a new line
  Ctrl+l           Clear the screen
  Ctrl+g           Write the message in an editor ($OLLAMA_EDITOR, $VISUAL, $EDITOR)
  Tab              Complete a command, a model's name or a path
  Up, Down         Go through the history; Ctrl+r searches it
  Ctrl+c           Stop the answer; drop the line; on an empty line twice, leave
  Ctrl+d           Leave (also: /bye)
  Ctrl+z           Go back to the shell, where fg goes on with the chat
"""
HELP_PARAMETERS = """Parameters:
  /set parameter seed <int>                Number that makes answers repeatable
  /set parameter num_predict <int>         Most tokens of an answer
  /set parameter top_k <int>               Choose among this many of the likeliest
  /set parameter top_p <float>             Choose among the likeliest that add up to this
  /set parameter min_p <float>             Leave out what is below this share of the likeliest
  /set parameter num_ctx <int>             Length of the context in tokens
  /set parameter temperature <float>       How freely to choose
  /set parameter repeat_penalty <float>    How much to avoid repetition
  /set parameter repeat_last_n <int>       How far back repetition is looked for
  /set parameter num_gpu <int>             Layers to hold on the GPU
  /set parameter stop <text> <text> ...    Texts that end an answer
"""

_HELP_ABOUT = {"set": HELP_SET, "show": HELP_SHOW, "shortcuts": HELP_SHORTCUTS}
_USAGE = {"/load": "Usage:\n  /load <model>\n", "/save": "Usage:\n  /save <model>\n", "/show": HELP_SHOW}
_MODES: Mapping[str, Mapping[str, Any]] = {
    "history": {"history": True},
    "nohistory": {"history": False},
    "wordwrap": {"wordwrap": True},
    "nowordwrap": {"wordwrap": False},
    "markdown": {"markdown": True},
    "nomarkdown": {"markdown": False},
    "verbose": {"verbose": True},
    "quiet": {"verbose": False},
    "think": {"think": True},
    "nothink": {"think": False},
}


@dataclass(frozen=True, slots=True)
class Ask:
    """Send ``text`` to the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Say:
    """Print ``text``; as a mistake when ``error``."""

    text: str
    error: bool = False


@dataclass(frozen=True, slots=True)
class ListModels:
    """Print the models in the store whose names begin with ``prefix``."""

    prefix: str = ""


@dataclass(frozen=True, slots=True)
class ShowModel:
    """Print one ``part`` of what is known of the model: info, license, modelfile, parameters, system or template."""

    part: str


@dataclass(frozen=True, slots=True)
class Load:
    """Go on with ``model``."""

    model: str


@dataclass(frozen=True, slots=True)
class Save:
    """Save the session as ``model``."""

    model: str


@dataclass(frozen=True, slots=True)
class Quit:
    """End the chat."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no such ``command``; but ``text`` may begin with the path of a file for the model."""

    command: str
    text: str


Action = Ask | Say | ListModels | ShowModel | Load | Save | Quit | Unknown
_NOTHING = Say("")


WORDS: Mapping[str, Sequence[str]] = {
    "/set": (
        *("parameter", "system", "history", "nohistory", "wordwrap", "nowordwrap", "markdown", "nomarkdown"),
        *("format", "noformat", "verbose", "quiet", "think", "nothink"),
    ),
    "/set format": ("json",),
    "/set think": ("low", "medium", "high", "max"),
    "/set parameter": tuple(re.findall(r"/set parameter (\w+)", HELP_PARAMETERS)),
    "/show": ("info", "license", "modelfile", "parameters", "system", "template"),
    "/help": ("set", "show", "shortcuts"),
    "/?": ("set", "show", "shortcuts"),
    "/load": (),
    "/save": (),
    "/list": (),
    "/clear": (),
    "/bye": (),
    "/exit": (),
}
"""The commands, and the words that may follow."""


def complete(text: str) -> bool:
    """Whether what was typed is whole: a text that begins with three quotes ends with three more."""
    quoted = _after_set_system(text).lstrip()
    return not quoted.startswith(QUOTES) or (len(quoted) >= 2 * len(QUOTES) and quoted.rstrip().endswith(QUOTES))


def interpret(text: str, session: Session) -> tuple[Session, Action]:
    """What ``text`` changes in the session, and what is to be done then."""
    text = text.strip()
    if not text.startswith("/"):
        return session, Ask(_unquoted(text)) if text else _NOTHING
    return _command(text, session)


def _command(text: str, session: Session) -> tuple[Session, Action]:
    command, *words = text.split()
    match command, words:
        case (("/bye" | "/exit"), _):
            return session, Quit()
        case "/clear", _:
            return session._replace(messages=()), Say("Cleared session context")
        case "/list", _:
            return session, ListModels("".join(words[:1]))
        case "/load", [model]:
            return session, Load(model)
        case "/save", [model]:
            return session, Save(model)
        case "/show", [("info" | "license" | "modelfile" | "parameters" | "system" | "template") as part]:
            return session, ShowModel(part)
        case (("/load" | "/save" | "/show"), _):
            return session, Say(_USAGE[command], error=True)
        case "/set", _:
            return _set(words, _after_set_system(text), session)
        case (("/help" | "/?"), ["set" | "/set"]):
            return session, Say(HELP_SET)
        case (("/help" | "/?"), ["show" | "/show"]):
            return session, Say(HELP_SHOW)
        case (("/help" | "/?"), ["shortcut" | "shortcuts"]):
            return session, Say(HELP_SHORTCUTS)
        case (("/help" | "/?"), _):
            return session, Say(HELP)
    return session, Unknown(command, text)


def _set(words: list[str], system: str, session: Session) -> tuple[Session, Action]:
    match words:
        case ["system", _, *_]:
            return session._replace(system=_unquoted(system)), Say("Set system message.")
        case ["parameter", name, *values] if values:
            return _set_parameter(name, values, session)
        case ["parameter", *_]:
            return session, Say(HELP_PARAMETERS, error=True)
        case [mode] if mode in _MODES:
            said = "" if "history" in mode else f"Set '{mode}' mode."
            return session._replace(**_MODES[mode]), Say(said)
        case ["format", "json"]:
            return session._replace(format="json"), Say("Set format to 'json' mode.")
        case ["format", *_]:
            return session, Say("Invalid or missing format. For 'json' mode use '/set format json'")
        case ["noformat"]:
            return session._replace(format=None), Say("Disabled format.")
        case ["think", ("low" | "medium" | "high" | "max") as level]:
            return session._replace(think=level), Say(f"Set 'think' mode to '{level}'.")
        case [unknown, *_] if unknown not in WORDS["/set"]:
            return session, Say(f"Unknown command '/set {unknown}'. Type /? for help")
    return session, Say(HELP_SET, error=True)


def _set_parameter(name: str, values: list[str], session: Session) -> tuple[Session, Action]:
    try:
        value = parse_parameter(name, values)
    except KeyError:
        return session, Say(f"Couldn't set parameter: \"unknown parameter '{name}'\"")
    except ValueError as error:
        return session, Say(f'Couldn\'t set parameter: "{error}"')
    options = {**session.options, name: value}
    return session._replace(options=options), Say(f"Set parameter '{name}' to '{', '.join(values)}'")


def _after_set_system(text: str) -> str:
    """The system message in ``/set system <message>``; any other text as it is."""
    words = text.split(maxsplit=2)
    return words[2] if words[:2] == ["/set", "system"] and len(words) == 3 else text


def _unquoted(text: str) -> str:
    quoted = text.startswith(QUOTES) and complete(text)
    return text[len(QUOTES) : -len(QUOTES)] if quoted else text
