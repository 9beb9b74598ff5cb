"""How an answer is printed."""

import io

import pytest

from puna.cli.answer import Printer, play, statistics
from puna.events import Done, Text, Thinking, ToolCalled
from puna.types import Timings, ToolCall, Usage


class Terminal(io.StringIO):
    def isatty(self):
        return True


def printed(out, *events, **options):
    printer = Printer(out, wordwrap=True, **options)
    for event in events:
        printer.feed(event)
    printer.close()
    return out.getvalue()


def test_plain_output_is_exact():
    """What is not a terminal gets the answer's text and nothing else, unbroken."""
    text = "word " * 60 + "\x1b[31m"
    assert text == printed(io.StringIO(), Text(text))


def test_a_model_does_not_steer_the_terminal():
    """Escape sequences of a model do not reach the terminal."""
    assert "a[31mb  c\n" == printed(Terminal(), Text("a\x1b[31mb\tc\x07\n\x9b"))


def test_wordwrap_off():
    """A terminal's lines are left alone when that is asked for."""
    out = Terminal()
    printer = Printer(out, wordwrap=False)
    printer.feed(Text("word " * 60))
    assert "word " * 60 == out.getvalue()


def test_thinking():
    """Thinking stands between two lines that say so."""
    events = [Thinking("let me"), Thinking(" see"), Text("42")]
    assert "Thinking...\nlet me see\n...done thinking.\n\n42" == printed(io.StringIO(), *events)


def test_thinking_that_ends_its_line():
    """No empty line is added to thinking that ends with one."""
    assert "Thinking...\nhm\n...done thinking.\n\n42" == printed(io.StringIO(), Thinking("hm\n"), Text("42"))


def test_thinking_in_colour(monkeypatch):
    """On a terminal thinking is grey, and the answer is not."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    expected = "\x1b[1;90mThinking...\n\x1b[0m\x1b[90mhm\n\x1b[0m\x1b[1;90m...done thinking.\n\n\x1b[0m42"
    assert expected == printed(Terminal(), Thinking("hm"), Text("42"))


@pytest.mark.parametrize(("variable", "value", "style"), [("NO_COLOR", "1", "\x1b[2m"), ("TERM", "dumb", "")])
def test_thinking_without_colours(monkeypatch, variable, value, style):
    """Without colours thinking is dim, and a dumb terminal gets no escapes at all."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    said = printed(Terminal(), Thinking("hm"), Text("42"))
    assert (True, False) == (f"{style}hm\n" in said, "90m" in said)
    assert bool(style) == ("\x1b" in said)


def test_hidden_thinking():
    """Thinking is not printed when it is to be hidden."""
    assert "42" == printed(io.StringIO(), Thinking("hm"), Text("42"), hide_thinking=True)


def test_tool_call():
    """A call of a function that nobody offered is reported."""
    expected = """  Model called a non-existent function 'f()' with arguments: {"a": 1}\n"""
    call = ToolCalled(ToolCall("f", {"a": 1}))
    assert expected == printed(io.StringIO(), call)
    assert f"Let me see.\n{expected}" == printed(Terminal(), Text("Let me see."), call)


def test_play():
    """An answer is printed and its end returned."""
    out = io.StringIO()
    done = Done("stop")
    assert done is play(iter([Text("a"), done]), Printer(out, wordwrap=True), io.StringIO())
    assert "a" == out.getvalue()


def test_play_interrupted():
    """What was held back is printed also when the user stops the answer."""

    def events():
        yield Text("half a wor")
        raise KeyboardInterrupt

    out = Terminal()
    with pytest.raises(KeyboardInterrupt):
        play(events(), Printer(out, wordwrap=True), io.StringIO())
    assert "half a wor" == out.getvalue()


def test_statistics():
    """Statistics are aligned as Ollama aligns them."""
    done = Done("stop", Usage(31, 12), Timings(total=1.234, load=0.0125, prompt=0.5, completion=0.25))
    assert (
        "total duration:       1.234s\n"
        "load duration:        12.5ms\n"
        "prompt eval count:    31 token(s)\n"
        "prompt eval duration: 500ms\n"
        "prompt eval rate:     62.00 tokens/s\n"
        "eval count:           12 token(s)\n"
        "eval duration:        250ms\n"
        "eval rate:            48.00 tokens/s\n"
    ) == statistics(done)


def test_statistics_without_figures():
    """What is not known is not printed."""
    assert "eval count:           2 token(s)\n" == statistics(Done("stop", Usage(0, 2)))
