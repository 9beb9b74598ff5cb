"""The command ``push``: what it asks for, and what it says when it has ended."""

import pytest

STEPS = (
    {"status": "retrieving manifest"},
    {"status": "pushing 0123456789ab", "digest": "sha256:0123", "total": 5},
    {"status": "pushing 0123456789ab", "digest": "sha256:0123", "total": 5, "completed": 5},
    {"status": "pushing manifest"},
    {"status": "success"},
)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("registry.test:5000/team/smol", "registry.test:5000/team/smol:latest"),
        ("registry.test/team/smol:q4", "registry.test/team/smol:q4"),
        ("team/smol", "https://ollama.com/team/smol"),
        ("team/smol:q4", "https://ollama.com/team/smol:q4"),
    ],
)
def test_push_says_where_the_model_is(api, puna, name, place):
    """The last words are where others find the model; progress goes to standard error."""
    api.streams("/api/push", *STEPS)
    result = puna("push", name)
    assert f"\nYou can find your model at:\n\n\t{place}\n" == result.out
    assert [
        "retrieving manifest",
        "pushing 0123456789ab 100%",
        "pushing manifest",
        "success",
    ] == result.err.splitlines()
    assert 0 == result.code


def test_push_asks_for_what_its_flags_say(api, puna):
    """--insecure and --limit-rate reach the server."""
    api.streams("/api/push", *STEPS)
    puna("push", "registry.test/team/smol", "--insecure", "--limit-rate", "2M")
    expected = {"model": "registry.test/team/smol", "insecure": True, "limit_rate": 2_000_000, "stream": True}
    assert [expected] == api.bodies("/api/push")


@pytest.mark.parametrize(
    "error", ["unauthorized: access denied", '401: {"errors":[{"code":"UNAUTHORIZED","message":"who?"}]}']
)
def test_push_to_a_namespace_of_another(api, puna, error):
    """Who is not authorised is told what to do."""
    api.streams("/api/push", STEPS[0], {"error": error})
    result = puna("push", "team/smol")
    expected = "you are not authorized to push to this namespace, create the model under a namespace you own"
    assert ["retrieving manifest", f"Error: {expected}"] == result.err.splitlines()
    assert (1, "") == (result.code, result.out)


def test_push_that_fails(api, puna):
    """Other errors are the server's words."""
    api.streams("/api/push", STEPS[0], {"status": "couldn't retrieve manifest"}, {"error": "model 'smol' not found"})
    result = puna("push", "smol")
    assert "Error: model 'smol' not found" == result.err.splitlines()[-1]
    assert (1, "") == (result.code, result.out)


def test_push_of_nothing(api, puna):
    """A name is needed."""
    assert "Error: accepts 1 arg(s), received 0\n" == puna("push").err
