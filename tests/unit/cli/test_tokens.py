"""The command tokenize: what a model reads, in numbers."""

import json

import pytest

ANSWER = {"model": "m", "tokens": [19556, 28, 905]}


@pytest.fixture
def server(api):
    api.on("POST", "/api/tokenize", ANSWER)
    return api


@pytest.mark.parametrize(
    ("args", "stdin", "text"),
    [
        (["m", "Hello,", "world"], "", "Hello, world"),
        (["m"], "Hello,\nworld\n", "Hello,\nworld\n"),
        (["m", ""], "ignored", ""),
        (["m", "--", "-1"], "", "-1"),
    ],
)
def test_text(server, puna, args, stdin, text):
    """The text is on the command line or comes through a pipe, and is sent as it is."""
    result = puna("tokenize", *args, stdin=stdin)
    assert (0, "19556 28 905\n", "") == (result.code, result.out, result.err)
    assert [{"model": "m", "text": text, "add_special": False}] == server.bodies("/api/tokenize")


def test_count(server, puna):
    """Who wants to know how long a text is gets one number."""
    assert "3\n" == puna("tokenize", "--count", "m", "Hello, world").out


def test_json(server, puna):
    """A program gets what the API says."""
    assert ANSWER == json.loads(puna("tokenize", "m", "x", "--json").out)
    assert ANSWER | {"count": 3} == json.loads(puna("tokenize", "m", "x", "--json", "--count").out)


def test_special_tokens(server, puna):
    """The tokens around a text can be had too."""
    puna("tokenize", "--add-special", "m", "x")
    assert [{"model": "m", "text": "x", "add_special": True}] == server.bodies("/api/tokenize")


def test_missing_model(api, puna):
    """A model that is not there is said in the server's words."""
    api.on("POST", "/api/tokenize", {"error": "model 'nope' not found"}, status=404)
    result = puna("tokenize", "nope", "x")
    assert (1, "", "Error: model 'nope' not found\n") == (result.code, result.out, result.err)
