"""The command load: a model that waits for who asks."""

import pytest


@pytest.fixture
def server(api):
    api.on("POST", "/api/show", {"capabilities": ["completion"]})
    api.streams("/api/generate", {"model": "m", "response": "", "done": True, "done_reason": "load"})
    return api


def test_load(server, puna):
    """Each model is loaded, and said to be."""
    result = puna("load", "m", "n")
    assert (0, "loaded 'm'\nloaded 'n'\n", "") == (result.code, result.out, result.err)
    assert ["m", "n"] == [body["model"] for body in server.bodies("/api/generate")]
    assert all("keep_alive" not in body for body in server.bodies("/api/generate"))


@pytest.mark.parametrize(("text", "sent"), [("10m", 600), ("30", 30), ("-1", -1)])
def test_keep_alive(server, puna, text, sent):
    """How long it stays is the user's."""
    puna("load", "m", "--keepalive", text)
    assert [sent] == [body["keep_alive"] for body in server.bodies("/api/generate")]


@pytest.mark.parametrize(("args", "said"), [([], {}), (["--keepalive=-1"], {"keep_alive": -1})])
def test_load_of_an_embedding_model(api, puna, args, said):
    """A model that makes vectors is loaded the way it is used."""
    api.on("POST", "/api/show", {"capabilities": ["embedding"]})
    api.on("POST", "/api/embed", {"embeddings": []})
    assert "loaded 'm'\n" == puna("load", "m", *args).out
    assert [{"stream": True, "model": "m"} | said] == api.bodies("/api/embed")


def test_missing_model(api, puna):
    """A model that is not there ends the command; those before it are loaded."""
    api.on("POST", "/api/show", {"error": "model 'nope' not found"}, status=404)
    result = puna("load", "nope", "m")
    assert (1, "", "Error: model 'nope' not found\n") == (result.code, result.out, result.err)


def test_load_that_fails(server, api, puna):
    """A model that cannot be loaded is told as the server tells it."""
    api.on("POST", "/api/generate", {"error": "model requires more memory"}, status=500)
    expected = "Error: 500 Internal Server Error: model requires more memory\n"
    assert expected == puna("load", "m").err
