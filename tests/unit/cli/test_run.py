"""``run`` without a terminal: one answer."""

import os
import signal
import subprocess
import sys

import pytest

ANSWER = [
    {"response": "I'm glad"},
    {"response": " to.", "done": False},
    {"response": "", "done": True, "eval_count": 2},
]


def test_prompt(api, puna):
    """The words after the model are the prompt; the answer and an empty line are all that is printed."""
    api.streams("/api/generate", *ANSWER)
    result = puna("run", "smol-run", "Say", "hi")
    assert (0, "I'm glad to.\n\n", "") == (result.code, result.out, result.err)
    assert [{"stream": True, "model": "smol-run", "prompt": "Say hi"}] == api.bodies("/api/generate")


@pytest.mark.parametrize(
    ("args", "stdin", "prompt"),
    [
        (["Summarize"], "a text\n", "a text\n Summarize"),
        ([], "a text\n", "a text\n"),
        (["hi"], "", "hi"),
    ],
)
def test_piped_input(api, puna, args, stdin, prompt):
    """What is piped in comes before the words."""
    api.streams("/api/generate", *ANSWER)
    puna("run", "m", *args, stdin=stdin)
    assert [prompt] == [body["prompt"] for body in api.bodies("/api/generate")]


@pytest.mark.parametrize("args", [[], [""]])
def test_nothing_to_say_loads(api, puna, args):
    """An empty prompt just loads the model, and prints nothing."""
    api.streams("/api/generate", {"response": "", "done": True, "done_reason": "load"})
    result = puna("run", "m", *args)
    assert (0, "", "") == (result.code, result.out, result.err)
    assert [{"stream": True, "model": "m"}] == api.bodies("/api/generate")


@pytest.mark.parametrize(
    ("args", "fields"),
    [
        (["--format", "json"], {"format": "json"}),
        (["--format", '{"type":"object"}'], {"format": {"type": "object"}}),
        (["--keepalive", "10m"], {"keep_alive": 600.0}),
        (["--keepalive", "-1m"], {"keep_alive": -1}),
        (["--keepalive", "0"], {"keep_alive": 0.0}),
        (["--think"], {"think": True}),
        (["--think=false"], {"think": False}),
        (["--think=high"], {"think": "high"}),
        (["--verbose=false", "--nowordwrap=true"], {}),
        (["--hidethinking"], {}),
    ],
)
def test_flags(api, puna, args, fields):
    """Flags reach the server; they may stand before or after the prompt."""
    api.streams("/api/generate", *ANSWER)
    puna("run", "m", *args, "hi")
    puna("run", "m", "hi", *args)
    assert [{"stream": True, "model": "m", "prompt": "hi"} | fields] * 2 == api.bodies("/api/generate")


def test_after_two_dashes_everything_is_prompt(api, puna):
    """A prompt may look like a flag."""
    api.streams("/api/generate", *ANSWER)
    puna("run", "m", "--", "--think", "-x")
    assert ["--think -x"] == [body["prompt"] for body in api.bodies("/api/generate")]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--format", "xml"], 'invalid format: "xml"; expected "json" or a valid JSON Schema object'),
        (["--format", "[1]"], 'invalid format: "[1]"; expected "json" or a valid JSON Schema object'),
        (["--keepalive", "soon"], 'time: invalid duration "soon"'),
        (
            ["--think=often"],
            'invalid value for --think: "often" (must be true, false, high, medium, low, or max)',
        ),
    ],
)
def test_wrong_values(puna, args, text):
    """A value that is none is refused before the server is asked."""
    result = puna("run", "m", "hi", *args)
    assert (1, "", f"Error: {text}\n") == (result.code, result.out, result.err)


def test_verbose(api, puna):
    """Statistics go to standard error, so that the answer stays clean."""
    api.streams("/api/generate", *ANSWER)
    result = puna("run", "m", "hi", "--verbose")
    assert ("I'm glad to.\n\n", "eval count:           2 token(s)\n") == (result.out, result.err)


def test_missing_model(api, puna):
    """A model that is not there is pulled; what the registry says of one that is nowhere is the error."""
    api.on("POST", "/api/generate", {"error": "model 'nope' not found"}, status=404)
    api.streams("/api/pull", {"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"})
    result = puna("run", "nope", "hi", "--insecure")
    expected = "pulling manifest\nError: pull model manifest: file does not exist\n"
    assert (1, "", expected) == (result.code, result.out, result.err)
    assert [{"model": "nope", "insecure": True, "stream": True}] == api.bodies("/api/pull")


def test_refused(api, puna):
    """A refused answer says the status, as a stream's refusal does."""
    api.on("POST", "/api/generate", {"error": '"smol-run" does not support thinking'}, status=400)
    result = puna("run", "smol-run", "hi", "--think")
    expected = 'Error: 400 Bad Request: "smol-run" does not support thinking\n'
    assert (1, "", expected) == (result.code, result.out, result.err)


def test_fails_midway(api, puna):
    """What was answered before a failure is printed, and the failure after it."""
    api.streams("/api/generate", {"response": "half"}, {"error": "the engine died"})
    result = puna("run", "m", "hi")
    assert (1, "half", "Error: the engine died\n") == (result.code, result.out, result.err)


def test_input_that_is_not_text(api, puna):
    """Bytes that are no text do not stop a prompt."""
    api.streams("/api/generate", *ANSWER)
    puna("run", "m", stdin=b"caf\xe9")
    puna("run", "m", "caf\udce9")
    assert ["caf\ufffd"] * 2 == [body["prompt"] for body in api.bodies("/api/generate")]


def test_interrupted(api):
    """Ctrl+C ends the answer here and at the server, and that is no failure."""

    def endless():
        yield b'{"response":"Once"}\n'
        while True:
            yield b"\n" * 4096

    api.on("POST", "/api/generate", api.reply(chunks=endless()))
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "run", "m", "hi"],
        env={**os.environ, "OLLAMA_HOST": api.url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert b"Once" == process.stdout.read(4)
        process.send_signal(signal.SIGINT)
        assert (b"\n", b"") == process.communicate(timeout=10)
    assert 0 == process.returncode
    assert api.left.wait(10)
