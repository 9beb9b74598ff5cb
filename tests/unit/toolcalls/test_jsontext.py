"""JSON as models write it, and as they are shown it."""

from __future__ import annotations

from puna.toolcalls.jsontext import compact, decoded, decoded_object, plain, spaced


def test_what_is_no_json_is_none() -> None:
    """And no error, however deep it is nested."""
    assert {"a": [1, None]} == decoded('{"a": [1, null]}')
    assert [None, None, None] == [decoded(text) for text in ("", '{"a":', '{"a":' * 100_000)]


def test_an_object_is_told_from_other_values() -> None:
    """Arguments are objects."""
    assert {"a": 1} == decoded_object('{"a": 1}')
    assert [None, None, None] == [decoded_object(text) for text in ("[1]", "1", "{")]


def test_a_value_is_written_with_spaces_or_without() -> None:
    """As the models were trained on it; letters are never escaped."""
    value = {"a": [1, "é"], "b": None}
    assert '{"a": [1, "é"], "b": null}' == spaced(value)
    assert '{"a":[1,"é"],"b":null}' == compact(value)
    unsorted = {"b": 1, "a": [{"z": 2, "y": 3}]}
    assert '{"b":1,"a":[{"z":2,"y":3}]}' == compact(unsorted)
    assert '{"a":[{"y":3,"z":2}],"b":1}' == compact(unsorted, sort_keys=True)


def test_a_string_in_a_tag_has_no_quotes() -> None:
    """All else is JSON."""
    assert ['say "é"', '{"a": true}', "1.5"] == [plain('say "é"'), plain({"a": True}), plain(1.5)]
    assert ['say "é"', "[1,null]"] == [plain('say "é"', compact), plain([1, None], compact)]
