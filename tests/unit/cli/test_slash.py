"""What a line typed into the chat means."""

import pytest

from puna.cli import slash
from puna.cli.session import Session
from puna.cli.slash import Ask, ListModels, Load, Quit, Save, Say, ShowModel, Unknown, complete, interpret
from puna.types import Message

SESSION = Session("smol")


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("hello", Ask("hello")),
        ("  hello  there ", Ask("hello  there")),
        ('"""two\nlines"""', Ask("two\nlines")),
        ('"""/bye"""', Ask("/bye")),
        ('say """this""" now', Ask('say """this""" now')),
        ("", Say("")),
        ("/bye", Quit()),
        ("/exit", Quit()),
        ("/list", ListModels()),
        ("/list Smol", ListModels("Smol")),
        ("/load llama", Load("llama")),
        ("/load", Say("Usage:\n  /load <model>\n", error=True)),
        ("/save mine", Save("mine")),
        ("/save", Say("Usage:\n  /save <model>\n", error=True)),
        ("/show info", ShowModel("info")),
        ("/show template", ShowModel("template")),
        ("/show", Say(slash.HELP_SHOW, error=True)),
        ("/show nothing", Say(slash.HELP_SHOW, error=True)),
        ("/?", Say(slash.HELP)),
        ("/help", Say(slash.HELP)),
        ("/help set", Say(slash.HELP_SET)),
        ("/? /show", Say(slash.HELP_SHOW)),
        ("/help shortcuts", Say(slash.HELP_SHORTCUTS)),
        ("/frob x", Unknown("/frob", "/frob x")),
        ("/set", Say(slash.HELP_SET, error=True)),
        ("/set frob", Say("Unknown command '/set frob'. Type /? for help")),
        ("/set system", Say(slash.HELP_SET, error=True)),
        ("/set parameter", Say(slash.HELP_PARAMETERS, error=True)),
        ("/set parameter seed", Say(slash.HELP_PARAMETERS, error=True)),
        ("/set parameter seed x", Say('Couldn\'t set parameter: "invalid int value [x]"')),
        ("/set parameter sed 1", Say("Couldn't set parameter: \"unknown parameter 'sed'\"")),
        ("/set format", Say("Invalid or missing format. For 'json' mode use '/set format json'")),
        ("/set format xml", Say("Invalid or missing format. For 'json' mode use '/set format json'")),
        ("/set think often", Say(slash.HELP_SET, error=True)),
        ("/set verbose on", Say(slash.HELP_SET, error=True)),
    ],
)
def test_what_to_do(text, action):
    """A line that sets nothing says what is to be done."""
    assert (SESSION, action) == interpret(text, SESSION)


@pytest.mark.parametrize(
    ("text", "changed", "said"),
    [
        ("/set parameter seed 7", {"options": {"seed": 7}}, "Set parameter 'seed' to '7'"),
        ("/set parameter temperature 0.5", {"options": {"temperature": 0.5}}, "Set parameter 'temperature' to '0.5'"),
        ("/set parameter stop a b", {"options": {"stop": ["a", "b"]}}, "Set parameter 'stop' to 'a, b'"),
        ("/set system Be  brief.", {"system": "Be  brief."}, "Set system message."),
        ('/set system """Be\nbrief."""', {"system": "Be\nbrief."}, "Set system message."),
        ("/set nohistory", {"history": False}, ""),
        ("/set nowordwrap", {"wordwrap": False}, "Set 'nowordwrap' mode."),
        ("/set verbose", {"verbose": True}, "Set 'verbose' mode."),
        ("/set format json", {"format": "json"}, "Set format to 'json' mode."),
        ("/set think", {"think": True}, "Set 'think' mode."),
        ("/set think high", {"think": "high"}, "Set 'think' mode to 'high'."),
        ("/set nothink", {"think": False}, "Set 'nothink' mode."),
    ],
)
def test_settings(text, changed, said):
    """A setting changes just itself, and says so in Ollama's words."""
    assert (SESSION._replace(**changed), Say(said)) == interpret(text, SESSION)


@pytest.mark.parametrize("text", ["/set history", "/set wordwrap", "/set quiet", "/set noformat"])
def test_settings_back(text):
    """What was switched is switched back."""
    switched = SESSION._replace(history=False, wordwrap=False, verbose=True, format="json")
    field = {"/set history": "history", "/set wordwrap": "wordwrap", "/set quiet": "verbose", "/set noformat": "format"}
    name = field[text]
    assert getattr(SESSION, name) == getattr(interpret(text, switched)[0], name)


def test_parameters_add_up():
    """A second parameter leaves the first as it was."""
    session, _ = interpret("/set parameter seed 7", SESSION)
    session, _ = interpret("/set parameter num_ctx 512", session)
    assert {"seed": 7, "num_ctx": 512} == session.options


def test_clear():
    """Clearing forgets the conversation and keeps the settings."""
    session = SESSION._replace(messages=(Message("user", "hi"),), system="Be.")
    assert (session._replace(messages=()), Say("Cleared session context")) == interpret("/clear", session)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("hello", True),
        ('"""', False),
        ('"""hello', False),
        ('"""hello"""', True),
        ('""""', False),
        ('""""""', True),
        ('"""a\nb\n"""', True),
        ('/set system """', False),
        ('/set system """Be', False),
        ('/set system """Be"""', True),
        ("/set system Be", True),
        ('hello """', True),
    ],
)
def test_complete(text, whole):
    """Three quotes at the beginning ask for three at the end, however many lines later."""
    assert whole is complete(text)
