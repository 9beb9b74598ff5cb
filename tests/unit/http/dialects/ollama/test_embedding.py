"""``/api/embed`` and ``/api/embeddings``: what is asked, what is answered, and how errors are told."""

from __future__ import annotations

import json
from array import array

import pytest

from puna.durations import FOREVER
from puna.errors import (
    CloudDisabled,
    ContextTooLong,
    EngineGone,
    InvalidOption,
    InvalidRequest,
    ModelNotFound,
    NotFinite,
    PunaError,
    QueueFull,
)
from puna.http.dialects.ollama import embedding
from puna.types import Embeddings, EmbedRequest, Timings, Usage


@pytest.mark.parametrize(
    ("said", "inputs"),
    [
        ({"input": "a"}, ("a",)),
        ({"input": ["a", "", "b"]}, ("a", "", "b")),
        ({"input": []}, ()),
        ({"input": ""}, ()),
        ({"input": None}, ()),
        ({}, ()),
    ],
)
def test_the_input_is_a_text_or_a_list(said, inputs):
    """An empty text inside a list is embedded; alone it only loads the model, as none does."""
    request, _ = embedding.decode_embed(json.dumps({"model": "smol", **said}).encode())

    assert EmbedRequest("smol", inputs) == request


@pytest.mark.parametrize("wrong", [1, True, {"a": 1}, ["a", 1], [["a"]], [None]])
def test_another_input_is_refused(wrong):
    """Nobody gets the vector of something they did not mean."""
    with pytest.raises(InvalidRequest, match=r"^invalid input type$"):
        embedding.decode_embed(json.dumps({"model": "smol", "input": wrong}).encode())


def test_every_field_is_read():
    """In any case of its name."""
    body = {
        "MODEL": " smol:local ",
        "Input": "a",
        "Truncate": False,
        "dimensions": 64,
        "keep_alive": -1,
        "options": {"num_ctx": 8},
    }

    request, model = embedding.decode_embed(json.dumps(body).encode())

    expected = EmbedRequest("smol", ("a",), {"num_ctx": 8}, keep_alive=FOREVER, truncate=False, dimensions=64)
    assert (expected, " smol:local ") == (request, model)


def test_the_older_form_has_one_prompt():
    """It is never cut, and its vector stays as long as the model's makers meant it."""
    request, _ = embedding.decode_embeddings(b'{"model": "smol", "prompt": "a", "keep_alive": "1m"}')

    assert EmbedRequest("smol", ("a",), keep_alive=60, truncate=False, normalize=False) == request
    assert () == embedding.decode_embeddings(b'{"model": "smol"}')[0].inputs


@pytest.mark.parametrize(
    ("decode", "error"), [(embedding.decode_embed, ModelNotFound), (embedding.decode_embeddings, InvalidRequest)]
)
def test_a_model_must_be_named(decode, error):
    """And it must be one that runs here."""
    with pytest.raises(error):
        decode(b"{}")
    with pytest.raises(CloudDisabled):
        decode(b'{"model": "m:cloud"}')


def test_numbers_come_back_as_they_were():
    """A client's 32-bit floats are the engine's, to the last bit, in no more digits than that takes."""
    vector = array("f", [0.1, -1e-30, 1 / 3, 1.0, 16777217.0, 3.4e38])

    body = embedding.encode_embed(Embeddings((vector,)), "smol")

    assert vector == array("f", json.loads(body)["embeddings"][0])
    assert b"[0.100000001,-1e-30,0.333333343,1," in body


def test_a_reply_tells_times_in_nanoseconds():
    """And the tokens of all inputs together."""
    found = Embeddings((array("f", [0.5]),), Usage(7), Timings(total=0.5, load=0.25))

    reply = {
        "model": "smol",
        "embeddings": [[0.5]],
        "total_duration": 500_000_000,
        "load_duration": 250_000_000,
        "prompt_eval_count": 7,
    }
    assert reply == json.loads(embedding.encode_embed(found, "smol"))
    assert b'{"embedding":[0.5]}' == embedding.encode_embeddings(found)


def test_nothing_to_embed_is_an_empty_reply():
    """Byte for byte Ollama's."""
    assert b'{"model":"smol","embeddings":[]}' == embedding.encode_embed(Embeddings(), "smol")
    assert b'{"embedding":[]}' == embedding.encode_embeddings(Embeddings())


TOO_LONG = "the input length exceeds the context length: it has 9 tokens, and 8 are possible"


@pytest.mark.parametrize(
    ("fault", "status", "old_status", "text"),
    [
        (ContextTooLong(9, 8), 400, 500, TOO_LONG),
        (NotFinite(), 400, 500, "embedding contains NaN or Inf values"),
        (InvalidOption("num_ctx", "integer"), 500, 500, 'option "num_ctx" must be of type integer'),
        (QueueFull(), 503, 503, "server busy, please try again.  maximum pending requests exceeded"),
        (EngineGone("it died"), 500, 500, "it died"),
    ],
)
def test_errors_have_ollamas_status_and_words(site, fault: PunaError, status, old_status, text):
    """The older route takes no blame for a text that is too long."""
    site.embedding.fault = fault

    new = site.send("POST", "/api/embed", {"model": "smol", "input": "x"})
    old = site.send("POST", "/api/embeddings", {"model": "smol", "prompt": "x"})

    assert [(status, {"error": text}), (old_status, {"error": text})] == [(one.status, one.json) for one in (new, old)]


@pytest.mark.parametrize(
    ("body", "new", "old"),
    [
        (None, (400, "missing request body"), (400, "missing request body")),
        ({}, (404, "model '' not found"), (400, "model is required")),
        ({"model": "a b"}, (400, "invalid model name"), (400, "invalid model name")),
        ({"model": "nope"}, *[(404, 'model "nope" not found, try pulling it first')] * 2),
    ],
)
def test_a_request_without_a_model_is_told_so(site, body, new, old):
    """Each route in its own words."""
    answers = [site.send("POST", path, body) for path in ("/api/embed", "/api/embeddings")]

    assert [(status, {"error": text}) for status, text in (new, old)] == [(one.status, one.json) for one in answers]


def test_both_routes_answer(site):
    """A vector for each input, in their order."""
    new = site.send("POST", "/api/embed", {"model": "smol", "input": ["aa", "b"]})
    old = site.send("POST", "/api/embeddings", {"model": "smol", "prompt": "aa"})

    assert [[2, 0.100000001], [1, 0.100000001]] == new.json["embeddings"]
    assert {"embedding": [2, 0.100000001]} == old.json
    assert "application/json; charset=utf-8" == new.headers["content-type"] == old.headers["content-type"]


def test_a_client_that_leaves_stops_the_work(site):
    """Nobody computes vectors for nobody."""
    site.embedding.waits = True

    connection = site.begin("/api/embed", {"model": "smol", "input": "x"})
    assert site.embedding.arrived.wait(10)
    assert not site.embedding.left.is_set()
    connection.close()

    assert site.embedding.left.wait(10)


def test_a_missing_model_is_told_before_a_wrong_input():
    """As Ollama tells them: 404 before 400."""
    with pytest.raises(ModelNotFound):
        embedding.decode_embed(b'{"input": 5}')
