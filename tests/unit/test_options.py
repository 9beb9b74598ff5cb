"""Options: what callers may set, what they get when they do not, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import InvalidOption
from puna.options import REMOVED, Options, check, merge, parse_parameter

INTEGERS = [
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "draft_num_predict",
    "num_keep",
    "seed",
    "num_predict",
    "top_k",
    "repeat_last_n",
]
FLOATS = [
    "top_p",
    "min_p",
    "typical_p",
    "temperature",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
]
NAMES = [field.name for field in dataclasses.fields(Options)]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def refusal(name: str, value: Any) -> str:
    with pytest.raises(InvalidOption) as refused:
        check({name: value})
    assert name == refused.value.name
    return str(refused.value)


def test_the_defaults_are_ollamas() -> None:
    """Whoever sets nothing gets what the contract says."""
    expected = {
        "num_ctx": 0,
        "num_batch": 0,
        "num_gpu": -1,
        "main_gpu": None,
        "use_mmap": None,
        "num_thread": 0,
        "draft_num_predict": None,
        "num_keep": 4,
        "seed": -1,
        "num_predict": -1,
        "top_k": 40,
        "top_p": 0.9,
        "min_p": 0.0,
        "typical_p": 1.0,
        "repeat_last_n": 64,
        "temperature": 0.8,
        "repeat_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop": (),
    }
    assert expected == dataclasses.asdict(merge())
    assert {*INTEGERS, *FLOATS, "use_mmap", "stop"} == set(NAMES)


@pytest.mark.parametrize("name", INTEGERS)
def test_an_integer_option_takes_any_number(name: str) -> None:
    """A fraction is cut off."""
    assert {name: 7} == check({name: 7})
    cut = check({name: 7.9})[name]
    assert (7, int) == (cut, type(cut))
    assert {name: -7} == check({name: -7.9})


@pytest.mark.parametrize("name", FLOATS)
def test_a_float_option_takes_any_number(name: str) -> None:
    """A whole number becomes one with a fraction."""
    whole = check({name: 1})[name]
    assert (1.0, float) == (whole, type(whole))
    assert {name: 0.25} == check({name: 0.25})


@pytest.mark.parametrize("name", [*INTEGERS, *FLOATS])
@pytest.mark.parametrize("value", [True, False, "1", [1], {}])
def test_what_is_no_number_is_refused(name: str, value: Any) -> None:
    """A truth value is none either; the words are Ollama's."""
    kind = "integer" if name in INTEGERS else "float32"
    assert f'option "{name}" must be of type {kind}' == refusal(name, value)


@pytest.mark.parametrize("value", [0, 1, "true", []])
def test_a_boolean_option_takes_only_true_and_false(value: Any) -> None:
    """Numbers and words are refused."""
    assert {"use_mmap": True} == check({"use_mmap": True})
    assert {"use_mmap": False} == check({"use_mmap": False})
    assert 'option "use_mmap" must be of type boolean' == refusal("use_mmap", value)


def test_stop_is_a_list_of_texts() -> None:
    """A bare text is refused, and so is a list of anything else, in the contract's words."""
    assert {"stop": ("a", "b")} == check({"stop": ["a", "b"]})
    assert {"stop": ()} == check({"stop": []})
    assert 'option "stop" must be of type array' == refusal("stop", "a")
    assert 'option "stop" must be of an array of strings' == refusal("stop", ["a", 1])
    assert 'option "stop" must be of an array of strings' == refusal("stop", [None])


def test_null_is_not_said() -> None:
    """It hides neither the default nor what the model sets."""
    assert {} == check(dict.fromkeys([*NAMES, "max_tokens", "no_such"]))
    assert Options(top_k=5) == merge({"top_k": 5}, {"top_k": None})


def test_the_name_other_apis_use_for_the_limit_is_known() -> None:
    """max_tokens is num_predict, which wins when both are said; a mistake is told by the name that was used."""
    assert {"num_predict": 5} == check({"max_tokens": 5})
    assert {"num_predict": 5} == check({"max_tokens": 5, "num_predict": None})
    assert {"num_predict": 9} == check({"max_tokens": 5, "num_predict": 9})
    assert {"num_predict": 9} == check({"num_predict": 9, "max_tokens": 5})
    assert 'option "max_tokens" must be of type integer' == refusal("max_tokens", "5")


def test_what_there_is_not_is_ignored_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A typo is told to the operator, and so is an option that Ollama once had."""
    assert {"top_k": 1} == check({"top_kk": "x", "mirostat": 2, "top_k": 1})
    assert [
        "ignoring the option 'top_kk': there is none of that name",
        "ignoring the option 'mirostat': it was removed",
    ] == [record.getMessage() for record in caplog.records]


def test_removed_options_are_no_options() -> None:
    """A name is one or the other."""
    assert not REMOVED & set(NAMES)


def test_a_request_wins_over_the_model_and_the_model_over_the_defaults() -> None:
    """Key by key."""
    model, request = {"temperature": 0.1, "stop": ["a"], "num_predict": 3}, {"temperature": 0.2, "max_tokens": 7}
    assert Options(temperature=0.2, stop=("a",), num_predict=7) == merge(model, request)


@given(st.dictionaries(st.sampled_from([*NAMES, *sorted(REMOVED), "max_tokens", "typo"]), JSON))
def test_any_json_is_options_or_an_error_that_names_one(values: dict[str, Any]) -> None:
    """Nothing a caller sends is another kind of failure, and what is accepted is of its own type for good."""
    try:
        checked = check(values)
    except InvalidOption as refused:
        assert refused.name in values  # noqa: PT017 -- either outcome is a promise
        return
    assert checked == check(json.loads(json.dumps(checked)))
    options = merge(values)
    assert checked == {name: getattr(options, name) for name in checked}
    assert Options(**checked) == options


@pytest.mark.parametrize(
    ("name", "lines", "value"),
    [
        ("num_ctx", ["4096"], 4096),
        ("num_ctx", ["1", "2"], 2),
        ("seed", ["-1"], -1),
        ("temperature", ["0.7"], 0.7),
        ("temperature", ["1"], 1.0),
        ("use_mmap", ["true"], True),
        ("use_mmap", ["False"], False),
        ("use_mmap", ["0"], False),
        ("stop", ["<|end|>"], ["<|end|>"]),
        ("stop", ["a", "b"], ["a", "b"]),
    ],
)
def test_a_parameter_is_read_as_its_option(name: str, lines: list[str], value: Any) -> None:
    """The last line counts, except where each adds to a list; what is read is what ``check`` takes."""
    read = parse_parameter(name, lines)
    assert (value, type(value)) == (read, type(read))
    assert {name} == set(check({name: read}))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("num_ctx", "many", "invalid int value [many]"),
        ("num_ctx", "1.5", "invalid int value [1.5]"),
        ("num_ctx", "", "invalid int value []"),
        ("num_ctx", "1_000", "invalid int value [1_000]"),
        ("num_ctx", "9223372036854775808", "invalid int value [9223372036854775808]"),
        ("top_p", "nan", "invalid float value [nan]"),
        ("top_p", "1e400", "invalid float value [1e400]"),
        ("top_p", "high", "invalid float value [high]"),
        ("use_mmap", "yes", "invalid bool value [yes]"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_told(name: str, text: str, message: str) -> None:
    """With its type and its text."""
    with pytest.raises(ValueError, match="invalid") as refused:
        parse_parameter(name, [text])
    assert message == str(refused.value)


def test_a_parameter_there_is_not_is_another_error() -> None:
    """The caller says it in its own words."""
    with pytest.raises(KeyError):
        parse_parameter("top_kk", ["1"])


@pytest.mark.parametrize(("said", "taken"), [(10**30, 2**31 - 1), (-1e300, 1 - 2**31), (2**31 - 1, 2**31 - 1)])
@pytest.mark.parametrize("name", [name for name in INTEGERS if name != "seed"])
def test_a_number_beyond_the_engines_is_its_largest(name: str, said: float, taken: int) -> None:
    """Whoever means "as many as possible" gets as many as are possible."""
    assert {name: taken} == check({name: said})


def test_large_seeds_differ():
    """Clients make them of the time in nanoseconds."""
    assert {"seed": 2**60 + 1} == check({"seed": 2**60 + 1})


@pytest.mark.parametrize("name", FLOATS)
def test_a_number_that_no_float_holds_is_refused(name: str) -> None:
    """It comes as an integer with hundreds of digits."""
    assert f'option "{name}" must be of type float32' == refusal(name, 10**400)


def test_an_empty_stop_stops_nothing():
    """Frontends send one for an empty field of a form."""
    assert ("END",) == merge({"stop": ["", "END"]}).stop
    assert () == merge({"stop": ["END"]}, {"stop": [""]}).stop
