"""Prompts: what a TEMPLATE makes of a conversation."""

from __future__ import annotations

import datetime as dt

import pytest

from puna.errors import InvalidRequest, TemplateError
from puna.template.prompt import DEFAULT_TEMPLATE, PromptTemplate
from puna.types import Message, Think, Tool, ToolCall

CHATML = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
LEGACY = (
    "{{ if .System }}<|system|>{{ .System }}<|end|>{{ end }}"
    "{{ if .Prompt }}<|user|>{{ .Prompt }}<|end|>{{ end }}"
    "<|assistant|>{{ .Response }}<|end|>"
)

SYSTEM = Message("system", "S")
FIRST, ANSWER, SECOND = Message("user", "U1"), Message("assistant", "A1"), Message("user", "U2")
WEATHER = Tool(
    "get_weather",
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get <the> weather",
            "strict": True,
            "parameters": {
                "type": "object",
                "required": ["city"],
                "additionalProperties": False,
                "properties": {
                    "unit": {"type": ["string", "null"], "enum": ["c", "f"], "default": "c"},
                    "city": {"type": "string", "description": "City"},
                },
            },
        },
    },
)
WEATHER_PROPERTIES = (
    '{"city":{"type":"string","description":"City"},"unit":{"type":["string","null"],"enum":["c","f"]}}'
)
WEATHER_FUNCTION = (
    '{"name":"get_weather","description":"Get \\u003cthe\\u003e weather","parameters":'
    f'{{"type":"object","required":["city"],"properties":{WEATHER_PROPERTIES}}}}}'
)
CALL = Message(
    "assistant", tool_calls=(ToolCall("get_weather", {"unit": "c", "city": "Paris", "days": 3}, id="call_1"),)
)
RESULT = Message("tool", "18", tool_name="get_weather", tool_call_id="call_1")


def render(template: str, *messages: Message, tools: tuple[Tool, ...] = (), think: Think = None) -> str:
    return PromptTemplate.parse(template).render(messages, tools=tools, think=think)


def test_a_conversation_becomes_a_prompt() -> None:
    """Every message is at hand in its order, system messages included."""
    expected = (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU1<|im_end|>\n"
        "<|im_start|>assistant\nA1<|im_end|>\n<|im_start|>user\nU2<|im_end|>\n<|im_start|>assistant\n"
    )
    assert expected == render(CHATML, SYSTEM, FIRST, ANSWER, SECOND)


def test_what_one_role_says_in_a_row_is_one_message() -> None:
    """Messages of one role in a row are joined by an empty line; the results of tools are not."""
    template = "{{ range .Messages }}{{ .Role }}:{{ .Content }};{{ end }}"
    messages = [SYSTEM, SYSTEM, FIRST, SECOND, Message("tool", "1"), Message("tool", "2")]
    assert "system:S\n\nS;user:U1\n\nU2;tool:1;tool:2;" == render(template, *messages)


def test_joined_messages_keep_their_tool_calls() -> None:
    """Nothing a message carries is lost when it is joined to the one before."""
    template = "{{ range .Messages }}{{ .Thinking }}{{ .Content }}{{ len .ToolCalls }}{{ end }}"
    before = Message("assistant", "a", thinking="hm")
    assert "hma\n\n1" == render(template, before, CALL)


def test_system_messages_are_also_at_hand_as_one() -> None:
    """.System has the texts of all system messages, joined by empty lines, wherever they stand."""
    template = "[{{ .System }}]{{ range .Messages }}{{ .Role }} {{ end }}"
    assert "[S\n\nT]system user system user " == render(template, SYSTEM, FIRST, Message("system", "T"), SECOND)


def test_case_does_not_matter_in_finding_messages() -> None:
    """A template that writes .messages is executed once, as one that writes .Messages is."""
    assert "[<no value>]" == render("{{ range .messages }}{{ end }}[{{ .Prompt }}]", FIRST)


def test_all_of_a_message_is_at_hand() -> None:
    """Thoughts, tool calls and the names that tie results to calls have fields of their own."""
    template = (
        "{{ range .Messages }}{{ .Thinking }}{{ range .ToolCalls }}{{ .ID }} {{ .Function.Index }} "
        "{{ with .Function }}{{ .Name }} {{ .Arguments }} {{ .Arguments.city }} {{ .Arguments.days }}{{ end }}{{ end }}"
        "|{{ .ToolName }} {{ .ToolCallID }} {{ len .Images }}{{ end }}"
    )
    call = '{"city":"Paris","days":3,"unit":"c"}'
    expected = f"|  0call_1 0 get_weather {call} Paris 3|  0|get_weather call_1 0"
    assert expected == render(template, FIRST, CALL, RESULT)


@pytest.mark.parametrize(
    ("think", "expected"),
    [
        (None, "false [] false"),
        (False, "false [] true"),
        (True, "true [medium] true"),
        ("low", "true [low] true"),
    ],
)
def test_what_was_said_of_thinking_is_at_hand(think: Think, expected: str) -> None:
    """.Think, .ThinkLevel and .IsThinkSet tell what the caller asked for, in every way of executing."""
    said = "{{ .Think }} [{{ .ThinkLevel }}] {{ .IsThinkSet }}"
    assert expected == render("{{ if .Messages }}{{ end }}" + said, FIRST, think=think)
    assert expected == render(said, think=think)
    assert expected == PromptTemplate.parse(said + "{{ .Response }}").render_infill("a", "b", think=think)


TOOLS = {
    "all of them": ("{{ .Tools }}", f'[{{"type":"function","function":{WEATHER_FUNCTION}}}]'),
    "one": ("{{ range .Tools }}{{ . }}{{ end }}", f'{{"type":"function","function":{WEATHER_FUNCTION}}}'),
    "its function": ("{{ range .Tools }}{{ .Function }}{{ end }}", WEATHER_FUNCTION),
    "the properties": ("{{ (index .Tools 0).Function.Parameters.Properties }}", WEATHER_PROPERTIES),
    "json of any of it": ("{{ json (index .Tools 0).Function }}", WEATHER_FUNCTION),
    "fields": (
        "{{ range .Tools }}{{ .Type }} {{ .Function.Name }} {{ .Function.Parameters.Required }}{{ end }}",
        "function get_weather [city]",
    ),
    "properties by name": (
        (
            "{{ range $name, $p := (index .Tools 0).Function.Parameters.Properties }}"
            "{{ $name }}:{{ $p.Type }}:{{ toTypeScriptType $p }};{{ end }}"
        ),
        "city:string:string;unit:[string null]:string | null;",
    ),
}


@pytest.mark.parametrize(("template", "expected"), TOOLS.values(), ids=TOOLS.keys())
def test_tools_are_printed_as_json(template: str, expected: str) -> None:
    """Tools print as the JSON models were trained on: known keywords in a fixed order, properties by name."""
    assert expected == render("{{ if .Messages }}{{ end }}" + template, FIRST, tools=(WEATHER,))


TYPESCRIPT = {
    "string": ({"type": "string"}, "string"),
    "number": ({"type": "number"}, "number"),
    "integer": ({"type": "integer"}, "number"),
    "boolean": ({"type": "boolean"}, "boolean"),
    "array": ({"type": "array", "items": {"type": "string"}}, "any[]"),
    "object": ({"type": "object"}, "Record<string, any>"),
    "null": ({"type": "null"}, "null"),
    "several": ({"type": ["string", "integer"]}, "string | number"),
    "anyOf": ({"anyOf": [{"type": "array"}, {"type": ["null", "boolean"]}]}, "any[] | null | boolean"),
    "an unknown one": ({"type": "date"}, "any"),
    "none": ({}, "any"),
}


@pytest.mark.parametrize(("schema", "expected"), TYPESCRIPT.values(), ids=TYPESCRIPT.keys())
def test_typescript_types(schema: dict[str, object], expected: str) -> None:
    """toTypeScriptType tells the type of a property as models that were trained on TypeScript know it."""
    parameters = {"type": "object", "properties": {"x": schema}}
    tool = Tool("f", {"type": "function", "function": {"name": "f", "parameters": parameters}})
    template = (
        "{{ if .Messages }}{{ range (index .Tools 0).Function.Parameters.Properties }}{{ toTypeScriptType . }}"
        "{{ end }}{{ end }}"
    )
    assert expected == render(template, FIRST, tools=(tool,))


def test_no_tools() -> None:
    """Without tools, .Tools is false, empty and null."""
    template = (
        "{{ if or .Tools .Messages }}{{ .Tools }}{{ len .Tools }}{{ json .Tools }}{{ range .Tools }}x{{ end }}{{ end }}"
    )
    assert "null0null" == render(template, FIRST)


def test_a_tool_of_any_shape_has_all_fields() -> None:
    """What a caller left out of a tool, or wrote wrongly, is empty and fails no template."""
    tools = (
        Tool("f", {"function": {"name": "f", "parameters": {"properties": {"x": None}, "required": 3}}}),
        Tool("g", {}),
    )
    expected = (
        '[{"type":"","function":{"name":"f","parameters":{"type":"","properties":{"x":{}}}}},'
        '{"type":"","function":{"name":"","parameters":{"type":"","properties":null}}}]'
    )
    assert expected == render("{{ if .Messages }}{{ .Tools }}{{ end }}", FIRST, tools=tools)


def test_nested_properties_keep_their_order() -> None:
    """Only the properties of the parameters are sorted; within them the caller's order stands."""
    schema = {
        "type": "object",
        "$defs": {"b": 1, "a": 2},
        "properties": {
            "z": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "o": {"type": "object", "properties": {"y": {"type": "array", "items": {"b": 1, "a": 2}}, "x": {}}},
        },
    }
    tool = Tool("f", {"type": "function", "function": {"name": "f", "parameters": schema}})
    expected = (
        '{"type":"object","$defs":{"a":2,"b":1},"properties":{'
        '"o":{"type":"object","properties":{"y":{"type":"array","items":{"a":2,"b":1}},"x":{}}},'
        '"z":{"anyOf":[{"type":"integer"},{"type":"null"}]}}}'
    )
    assert expected == render(
        "{{ if .Messages }}{{ (index .Tools 0).Function.Parameters }}{{ end }}", FIRST, tools=(tool,)
    )


def test_numbers_of_arguments_are_not_corrupted() -> None:
    """Large identifiers stay exact, and other numbers print as in Go."""
    call = Message("assistant", tool_calls=(ToolCall("f", {"id": 12345678901234567890, "n": 1000000, "x": 1e21}),))
    template = "{{ with (index (index .Messages 0).ToolCalls 0).Function.Arguments }}{{ . }} {{ .n }}{{ end }}"
    assert '{"id":12345678901234567890,"n":1000000,"x":1e+21} 1e+06' == render(template, call)


def test_dates_are_those_of_the_day_given() -> None:
    """currentDate and yesterdayDate tell the date of the rendering, whatever format they are asked for."""
    template = PromptTemplate.parse('{{ currentDate }} {{ currentDate "%d" }} {{ yesterdayDate }}')
    assert "2026-03-01 2026-03-01 2026-02-28" == template.render([], today=dt.date(2026, 3, 1))
    assert "2026-01-01 2026-01-01 2025-12-31" == template.render([], today=dt.date(2026, 1, 1))


TURNS = {
    "one prompt": ([FIRST], "<|user|>U1<|end|><|assistant|>"),
    "with a system prompt": ([SYSTEM, FIRST], "<|system|>S<|end|><|user|>U1<|end|><|assistant|>"),
    "an answer closes a turn": (
        [SYSTEM, FIRST, ANSWER, SECOND],
        "<|system|>S<|end|><|user|>U1<|end|><|assistant|>A1<|end|><|user|>U2<|end|><|assistant|>",
    ),
    "an answer begun is gone on with": ([FIRST, ANSWER], "<|user|>U1<|end|><|assistant|>A1"),
    "a system message closes a turn": (
        [FIRST, SYSTEM, SECOND],
        "<|user|>U1<|end|><|assistant|><|end|><|system|>S<|end|><|user|>U2<|end|><|assistant|>",
    ),
    "prompts in a row are one": ([FIRST, SECOND], "<|user|>U1\n\nU2<|end|><|assistant|>"),
    "results of tools have no place": ([FIRST, CALL, RESULT, SECOND], "<|user|>U2<|end|><|assistant|>"),
    "nothing said": ([], "<|assistant|>"),
}


@pytest.mark.parametrize(("messages", "expected"), TURNS.values(), ids=TURNS.keys())
def test_a_template_without_messages_is_executed_turn_by_turn(messages: list[Message], expected: str) -> None:
    """Older templates see one turn at a time, and the last is cut where the answer goes."""
    assert expected == render(LEGACY, *messages)


OPEN = {
    "in a block": ("{{ .Prompt }}{{ if .Prompt }}<a>{{ .Response }}<end>{{ else }}<b>{{ end }}<c>", "U1<a>"),
    "in a pipeline": ('{{ .Prompt }}[{{ .Response | printf "%s<end>" }}]', "U1["),
    "in an argument": ('{{ .Prompt }}{{ print "[" .Response "]" }}<end>', "U1["),
    "of the root": ("{{ .Prompt }}{{ with .Prompt }}[{{ $.Response }}]{{ end }}", "U1["),
    "a condition does not count": ("{{ .Prompt }}{{ if .Response }}{{ .Response }}<end>{{ end }}<c>", "U1"),
    "nowhere: the answer goes last": ("[{{ .Prompt }}]", "[U1]"),
}


@pytest.mark.parametrize(("template", "expected"), OPEN.values(), ids=OPEN.keys())
def test_the_last_turn_ends_where_the_answer_goes(template: str, expected: str) -> None:
    """Everything after the first place where the answer is printed is left for the model to write."""
    assert expected == render(template, FIRST)


def test_the_default_template_is_the_conversation_itself() -> None:
    """A model without a template gets prompts and answers one after the other."""
    assert "U1A1U2" == render(DEFAULT_TEMPLATE, SYSTEM, FIRST, ANSWER, SECOND)


def test_infill() -> None:
    """Text before and after a gap is at hand as .Prompt and .Suffix; without them the same template makes chat."""
    template = "{{ if .Suffix }}<PRE>{{ .Prompt }}<SUF>{{ .Suffix }}<MID>{{ else }}{{ .Prompt }}{{ end }}"
    assert "<PRE>a<SUF>b<MID>" == PromptTemplate.parse(template).render_infill("a", "b")
    assert "U1" == render(template, FIRST)


def test_a_template_that_does_not_parse_is_refused() -> None:
    """A bad template is refused with its line, when it is parsed."""
    with pytest.raises(TemplateError, match=r"^template: :2: unexpected EOF$"):
        PromptTemplate.parse("{{ if .Messages }}\n")


def test_a_template_that_cannot_be_executed_says_where() -> None:
    """An error in execution has line and column, in the last turn too."""
    with pytest.raises(TemplateError, match=r'^template: :1:10: executing "" at <\.Prompt\.X>: '):
        render("{{ .Prompt.X }}", FIRST)


def test_a_call_nested_too_deeply_is_refused() -> None:
    """Arguments nested without end are refused as an error of the request."""
    arguments: dict[str, object] = {}
    for _ in range(10_000):
        arguments = {"a": arguments}
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        render(CHATML, Message("assistant", tool_calls=(ToolCall("f", arguments),)))


def test_a_template_is_parsed_once() -> None:
    """Parsing the same text again costs nothing."""
    assert PromptTemplate.parse(CHATML) is PromptTemplate.parse(CHATML)
