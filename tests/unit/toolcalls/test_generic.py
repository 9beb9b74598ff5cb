"""Tool calls after a tag, in the forms that models write them, told from text however it is cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.events import Text, ToolCalled
from puna.toolcalls.generic import CallsAfterTag

TAG, LIST = "<tool_call>", "[TOOL_CALLS] ["
NAMES = ("get_weather", "add", "ping", "say", "say_hello", "get")
PARIS = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
OSLO = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'

Calls = list[tuple[str, Mapping[str, Any]]]
WEATHER: Calls = [("get_weather", {"city": "Paris"})]
BOTH: Calls = [*WEATHER, ("get_weather", {"city": "Oslo"})]


def found(tag: str, pieces: Iterable[str]) -> tuple[str, Calls]:
    parser = CallsAfterTag(tag, NAMES)
    events = [event for piece in pieces for event in parser.feed(piece)] + list(parser.close())
    text = "".join(event.text for event in events if isinstance(event, Text))
    return text, [(event.call.name, event.call.arguments) for event in events if isinstance(event, ToolCalled)]


def cuts(raw: str) -> Iterator[list[str]]:
    yield [raw]
    yield list(raw)
    for at in range(1, len(raw)):
        yield [raw[:at], raw[at:]]


def read(tag: str, raw: str) -> tuple[str, Calls]:
    """What is found in ``raw``, after a check that it is the same for every cut."""
    first, *others = (found(tag, pieces) for pieces in cuts(raw))
    assert all(other == first for other in others)
    return first


@pytest.mark.parametrize(
    ("raw", "calls"),
    [
        (f"{TAG}\n{PARIS}\n</tool_call>", WEATHER),
        (f"{TAG}{PARIS}", WEATHER),
        (f"{TAG}{PARIS}}}</tool_call>", WEATHER),
        (f'{TAG}{{"name": "get_weather", "parameters": {{"city": "Paris"}}}}', WEATHER),
        (f'{TAG}{{"arguments": {{"city": "Paris"}}, "name": "get_weather"}}', WEATHER),
        (f'{TAG}{{"name": "get_weather", "arguments": "{{\\"city\\": \\"Paris\\"}}"}}', WEATHER),
        (f'{TAG}{{"name": "get_weather", "arguments": null, "parameters": {{"city": "Paris"}}}}', WEATHER),
        (f'{TAG}{{"type": "function", "function": {PARIS}}}', WEATHER),
        (f'{TAG}{{"type": "function", "function": "get_weather", "parameters": {{"city": "Paris"}}}}', WEATHER),
        (f'{TAG}{{"tool_name": "get_weather", "parameters": {{"city": "Paris"}}}}', WEATHER),
        (f'{TAG}{{"get_weather": {{"city": "Paris"}}}}', WEATHER),
        (f'{TAG}get_weather\n```json\n{{"city": "Paris"}}\n```', WEATHER),
        (f'{TAG}function<|sep|>get_weather[ARGS]{{"city": "Paris"}}', WEATHER),
        (f'{TAG}say_hello({{"name": "Ann"}})', [("say_hello", {"name": "Ann"})]),
        (f"{TAG}[{PARIS}, {OSLO}]", BOTH),
        (f'{TAG}{{"tool_calls": [{PARIS}, {OSLO}]}}', BOTH),
        (f"{TAG}{PARIS}</tool_call>\n{TAG}\n{OSLO}\n</tool_call>", BOTH),
        (f"{TAG}{PARIS}</tool_call> and then {TAG}{OSLO}</tool_call>", BOTH),
        (f'{TAG}{{"name": "say_hello", "arguments": {{}}}}', [("say_hello", {})]),
        (f'{TAG}{{"name": "say", "arguments": {{}}}}', [("say", {})]),
    ],
)
def test_a_call_is_found_in_every_form(raw: str, calls: Calls) -> None:
    """With its arguments under any of the usual keys, as text, nested, listed, after its name; alone or not."""
    assert ("", calls) == read(TAG, raw)


@pytest.mark.parametrize(
    "said",
    ['{"name": "ping"}', '{"name": "ping", "arguments": null}', '{"type": "function", "name": "ping", "id": "1"}'],
)
def test_a_tool_that_takes_nothing_needs_no_arguments(said: str) -> None:
    """Behind a tag an object that holds only a name can be nothing else."""
    assert ("", [("ping", {})]) == read(TAG, f"{TAG}{said}</tool_call>")


def test_arguments_keep_their_order_and_their_types() -> None:
    """As the model wrote them, whatever they hold."""
    said = '{"z": 1, "a": 2.5, "tags": ["x", null], "opt": {"y": true}, "big": 123456789012345678901234567890}'
    _, [(_, arguments)] = read(TAG, f'{TAG}{{"name": "add", "arguments": {said}}}')

    assert ["z", "a", "tags", "opt", "big"] == list(arguments)
    assert [1, 2.5, ["x", None], {"y": True}, 123456789012345678901234567890] == list(arguments.values())


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("if (x > 0) { return; }", "if (x > 0) { return; }"),
        ("} </tool_call> <tool_call> {", "} </tool_call> <tool_call> {"),
        ('say \\"{hi}\\"', 'say "{hi}"'),
        ("C:\\\\{App}\\\\", "C:\\{App}\\"),
        ("\\u007b Zoë 東京 \\ud83d\\ude00", "{ Zoë 東京 😀"),
    ],
)
def test_what_a_string_holds_ends_no_call(said: str, meant: str) -> None:
    """Braces, quotes and tags in an argument are part of it."""
    assert ("", [("say", {"text": meant})]) == read(TAG, f'{TAG}{{"name": "say", "arguments": {{"text": "{said}"}}}}')


def test_text_before_a_call_is_passed_on_as_it_comes() -> None:
    """Only what may be the beginning of a tag is held back, and the call comes with its last brace."""
    parser = CallsAfterTag(TAG, NAMES)
    assert [Text("Let me see. ")] == list(parser.feed("Let me see. <tool"))
    assert [Text("<tool>")] == list(parser.feed(">"))
    assert [] == list(parser.feed(TAG + PARIS[:-1]))
    assert [ToolCalled] == [type(event) for event in parser.feed("}")]


@pytest.mark.parametrize(
    "rest", [" Done.", "\n</tool_call>\n\nIt is 20 degrees in Paris.", "</tool_call>\n<tool_", "}"]
)
def test_words_after_a_call_are_dropped(rest: str) -> None:
    """A closing tag, and what the model makes up about a result that it does not have."""
    assert ("", WEATHER) == read(TAG, TAG + PARIS + rest)


UNREADABLE = [
    f'{TAG}\n{{"name": "get_weather", "arguments": {{"city": "Pa',
    f"{TAG}\n{{name: get_weather}}\n</tool_call>",
    f'{TAG}{{"name": "nope", "arguments": {{}}}}</tool_call>',
    f'{TAG}{{"name": "nope", "arguments": {PARIS}}}</tool_call>',
    f'{TAG}{{"name": "get_weather", "arguments": ["Paris"]}}</tool_call>',
    f'{TAG}{{"name": "get_weather", "arguments": "Paris"}}</tool_call>',
    f'{TAG}{{"name": "get_weather", "city": "Paris"}}</tool_call>',
    f'{TAG}{{"city": "Paris"}}</tool_call>',
    f'{TAG}get_weather_now{{"city": "Paris"}}',
    f'{TAG}{{"name": "get_weather", "arguments": {{"city": "\\ud800"}}}}',
    TAG + '{"add":' * 5000 + "1" + "}" * 5000,
    f"Write {TAG} before it.",
    TAG,
    TAG[:-3],
]


@pytest.mark.parametrize("raw", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_cannot_be_read_as_a_call_is_text(raw: str) -> None:
    """Unfinished, malformed, or of a tool that was not offered: nothing that the model wrote is lost."""
    pieces = ([raw], list(raw))
    assert [(raw, [])] * 2 == [found(TAG, cut) for cut in pieces]


def test_a_call_after_one_that_cannot_be_read_is_found() -> None:
    """What is wrong with one is not wrong with the next."""
    bad = f'{TAG}{{"name": "nope", "arguments": {{}}}}</tool_call>\n'
    assert (bad, WEATHER) == read(TAG, f"{bad}{TAG}{PARIS}</tool_call>")


@pytest.mark.parametrize(
    "bad",
    [f'{TAG}{{"name": "nope", "arguments": {{}}}}', f'{TAG}{{"name": "get_wea', '{"name": "get_weath}]', f"{TAG}\nadd"],
)
def test_a_second_call_that_cannot_be_read_is_text(bad: str) -> None:
    """The first stands, and of the second nothing is lost but what separates them."""
    assert (bad, WEATHER) == read(TAG, f"{TAG}{PARIS}</tool_call>, {bad}")


@pytest.mark.parametrize("raw", ["[TOOL_CALLS] []", "[TOOL_CALLS] [ ]\n"])
def test_an_empty_list_of_calls_says_nothing(raw: str) -> None:
    """It is no call that could be lost."""
    assert ("", []) == read(LIST, raw)


def test_a_list_of_calls_is_read_one_by_one() -> None:
    """Each is given with its own last brace, before the list ends."""
    assert ("", BOTH) == read(LIST, f"[TOOL_CALLS] [{PARIS}, {OSLO}][/TOOL_CALLS]")
    parser = CallsAfterTag(LIST, NAMES)
    assert [ToolCalled] == [type(event) for event in parser.feed(f"[TOOL_CALLS] [{PARIS}")]


@pytest.mark.parametrize(
    ("tag", "raw", "text", "calls"),
    [
        ("{", PARIS, "", WEATHER),
        ("{", f"\n\n{PARIS}", "\n\n", WEATHER),
        ("{", f"{PARIS}\n{OSLO}", "", BOTH),
        ("{", f'{{"tool_calls": [{PARIS}, {OSLO}]}}', "", BOTH),
        ("[", f"[{PARIS}, {OSLO}]", "", BOTH),
        ("[", f"[{PARIS}", "", WEATHER),
        ("[", f"[{PARIS}]]", "", WEATHER),
        ("[", '[get_weather({"city": "Paris"})]', "", WEATHER),
    ],
)
def test_a_brace_or_bracket_is_a_tag_at_the_beginning_of_an_answer(tag: str, raw: str, text: str, calls: Calls) -> None:
    """Where the template shows nothing else before a call."""
    assert (text, calls) == read(tag, raw)


@pytest.mark.parametrize(
    ("tag", "raw"),
    [
        ("{", f"Like this: {PARIS}"),
        ("{", f'{{"name": "jeff"}} {PARIS}'),
        ("{", '{"name": "ping"} is what I would call.'),
        ("{", '{ fmt.Println("hello") }'),
        ("{", '{ fmt.Println("hello")'),
        ("{", '{"capital": "Paris"}'),
        ("{", "{}"),
        ("[", "[special delivery]"),
        ("[", "[1](https://example.org) {"),
        ("[", '[{"options": "foo"}]'),
        ("[", "[]"),
    ],
)
def test_an_answer_that_happens_to_begin_with_a_brace_is_an_answer(tag: str, raw: str) -> None:
    """JSON or code that was asked for, a link, and all that follows."""
    assert (raw, []) == read(tag, raw)


def test_an_answer_with_a_brace_is_let_go_when_its_object_ends() -> None:
    """Nobody waits for the whole answer because it began with an object."""
    parser = CallsAfterTag("{", NAMES)
    assert [Text('{"a": 1}')] == list(parser.feed('{"a": 1}'))
    assert [Text(" and {")] == list(parser.feed(" and {"))


FRAGMENTS = st.sampled_from([TAG, "</tool_call>", PARIS, OSLO, "{", "}", "[", "]", '"', "\\", "add", "<tool", " ", "x"])


@given(st.lists(FRAGMENTS, max_size=8), st.sampled_from([TAG, LIST, "{", "["]), st.data())
def test_no_cut_changes_what_is_found(fragments: list[str], tag: str, data: st.DataObject) -> None:
    """Whatever the model writes, and wherever its tokens end; without a call all of it is text."""
    raw = "".join(fragments)
    places = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=6)))
    pieces = [raw[start:end] for start, end in zip([0, *places], [*places, len(raw)], strict=True)]
    text, calls = found(tag, [raw])

    assert (text, calls) == found(tag, pieces)
    assert calls or text == raw
