"""The command ``pull``: what it asks for, and what it shows meanwhile."""

import pytest

STEPS = (
    {"status": "pulling manifest"},
    {"status": "pulling 0123456789ab", "digest": "sha256:0123", "total": 5},
    {"status": "pulling 0123456789ab", "digest": "sha256:0123", "total": 5, "completed": 5},
    {"status": "verifying sha256 digest"},
    {"status": "writing manifest"},
    {"status": "success"},
)


def test_pull_shows_each_step_once(api, puna):
    """Where there is no terminal, a step is a line, and a transfer is one when it is complete."""
    api.streams("/api/pull", *STEPS)
    result = puna("pull", "smol")
    assert (0, "") == (result.code, result.out)
    assert [
        "pulling manifest",
        "pulling 0123456789ab 100%",
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ] == result.err.splitlines()
    assert [{"model": "smol", "stream": True}] == api.bodies("/api/pull")


@pytest.mark.parametrize(
    ("rate", "expected"),
    [("500", 500), ("500k", 500_000), ("2M", 2_000_000), ("1.5MB/s", 1_500_000), ("1Ki", 1024), ("1gib", 1 << 30)],
)
def test_flags(api, puna, rate, expected):
    """--insecure and --limit-rate, in the units people write, reach the server."""
    api.streams("/api/pull", *STEPS)
    assert 0 == puna("pull", "host/a/b", "--insecure", "--limit-rate", rate).code
    assert {"model": "host/a/b", "insecure": True, "limit_rate": expected, "stream": True} == api.bodies("/api/pull")[0]


@pytest.mark.parametrize("rate", ["fast", "-1", "0", "1T"])
def test_a_rate_that_is_none(puna, rate):
    """A rate that cannot be read is refused before the server is asked."""
    result = puna("pull", "smol", f"--limit-rate={rate}")
    assert 1 == result.code
    assert result.err.startswith(f'Error: "{rate}" is')


def test_pull_that_fails(api, puna):
    """The server's words are the error."""
    api.streams("/api/pull", STEPS[0], {"error": "pull model manifest: file does not exist"})
    result = puna("pull", "nope")
    assert (1, "pulling manifest\nError: pull model manifest: file does not exist\n") == (result.code, result.err)
