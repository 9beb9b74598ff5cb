"""What the cases and renderings of FunctionGemma cannot say."""

from __future__ import annotations

from puna import families
from puna.events import Text, ToolCalled
from puna.families import Chat
from puna.types import Message, ToolCall

CALL = "<start_function_call>call:ping{to:<escape>you<escape>}<end_function_call>"


def test_a_call_is_found_before_the_answer_ends() -> None:
    """A client that streams can begin its work while the model writes the next call."""
    parser = families.parsers()["functiongemma"].parser(Chat((Message("user", "Hi"),)), "")
    assert [] == [found for found in parser.feed(CALL[:-1]) if not isinstance(found, Text)]
    assert ToolCalled(ToolCall("ping", {"to": "you"})) in list(parser.feed(CALL[-1]))


def test_a_result_says_by_its_id_which_call_it_answers() -> None:
    """Results may come in any order; the ID goes before the place."""
    calls = (ToolCall("one", {}, id="a"), ToolCall("two", {}, id="b"))
    results = (Message("tool", "2", tool_call_id="b"), Message("tool", "1", tool_call_id="a"))
    prompt = families.renderers()["functiongemma"](Chat((Message("assistant", tool_calls=calls), *results)))
    assert prompt.endswith(
        "<start_function_response>response:two{<escape>2<escape>}<end_function_response>"
        "<start_function_response>response:one{<escape>1<escape>}<end_function_response>"
    )


def test_no_messages_make_the_shortest_prompt() -> None:
    """An empty conversation is no error."""
    assert "<bos><start_of_turn>model\n" == families.renderers()["functiongemma"](Chat(()))


def test_the_engine_shows_every_token_that_is_read() -> None:
    """Without the quotes a comma in a string would end it."""
    expected = {"<start_function_call>", "<end_function_call>", "<escape>"}
    assert expected == set(families.parsers()["functiongemma"].tokens)
