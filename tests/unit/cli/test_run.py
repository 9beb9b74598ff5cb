"""``run`` without a terminal: one answer."""

import base64
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


@pytest.fixture(autouse=True)
def shown(api):
    """What the model of most tests can do."""
    api.on("POST", "/api/show", {"capabilities": ["completion"]})


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
        (
            ["--truncate=perhaps"],
            'invalid argument "perhaps" for "--truncate" flag: strconv.ParseBool: parsing "perhaps": invalid syntax',
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
    api.on("POST", "/api/show", {"error": "model 'nope' not found"}, status=404)
    api.streams("/api/pull", {"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"})
    result = puna("run", "nope", "hi", "--insecure")
    expected = "pulling manifest\nError: pull model manifest: file does not exist\n"
    assert (1, "", expected) == (result.code, result.out, result.err)
    assert [{"model": "nope", "insecure": True, "stream": True}] == api.bodies("/api/pull")


def test_pulled_model_answers(api, puna):
    """A model that was not there answers once it is."""
    shown = [api.reply(status=404, body=b'{"error":"model not found"}'), api.reply(body=b'{"capabilities":[]}')]
    api.on("POST", "/api/show", lambda asked: shown.pop(0))
    api.streams("/api/pull", {"status": "pulling manifest"}, {"status": "success"})
    api.streams("/api/generate", *ANSWER)
    result = puna("run", "m", "hi")
    assert (0, "I'm glad to.\n\n", "pulling manifest\nsuccess\n") == (result.code, result.out, result.err)


@pytest.mark.parametrize(
    ("capabilities", "args", "think"),
    [
        (["completion", "thinking"], [], True),
        (["completion", "thinking"], ["--think=false"], False),
        (["completion"], [], None),
    ],
)
def test_models_that_can_think_do(api, puna, capabilities, args, think):
    """A model that can think does so unless told otherwise; of one that cannot nothing is asked."""
    api.on("POST", "/api/show", {"capabilities": capabilities})
    api.streams("/api/generate", *ANSWER)
    puna("run", "m", *args, "hi")
    assert [think] == [body.get("think") for body in api.bodies("/api/generate")]


PNG = b"\x89PNG\r\n\x1a\nrest"


def test_pictures_in_the_prompt(api, puna, tmp_path):
    """A model that sees gets the pictures whose paths are in the prompt, and the prompt without them."""
    (tmp_path / "a cat.png").write_bytes(PNG)
    api.on("POST", "/api/show", {"capabilities": ["completion", "vision"]})
    api.streams("/api/generate", *ANSWER)
    result = puna("run", "m", f"what is {tmp_path}/a\\ cat.png ?")
    assert f"Added image '{tmp_path}/a cat.png'\n" == result.err
    body = api.bodies("/api/generate")[0]
    assert ("what is  ?", [base64.b64encode(PNG).decode()]) == (body["prompt"], body["images"])


def test_paths_mean_nothing_to_models_that_do_not_see(api, puna, tmp_path):
    """A prompt about a path stays as it is."""
    (tmp_path / "cat.png").write_bytes(PNG)
    api.streams("/api/generate", *ANSWER)
    puna("run", "m", f"{tmp_path}/cat.png")
    assert [f"{tmp_path}/cat.png"] == [body["prompt"] for body in api.bodies("/api/generate")]


def test_a_picture_that_is_none(api, puna, tmp_path):
    """What only has the name of a picture is refused."""
    (tmp_path / "cat.png").write_text("no picture")
    api.on("POST", "/api/show", {"capabilities": ["vision"]})
    result = puna("run", "m", "./cat.png")
    assert (1, "Error: invalid file type: text/plain; charset=utf-8\n") == (result.code, result.err)


def test_embedding(api, puna):
    """An embedding model prints the vector of the prompt, as one JSON array."""
    api.on("POST", "/api/show", {"capabilities": ["embedding"]})
    api.on("POST", "/api/embed", {"embeddings": [[0.25, -1e-05]]})
    result = puna("run", "m", "hi", "--truncate=false", "--dimensions", "2", "--keepalive", "1m", stdin="text\n")
    assert (0, "[0.25,-1e-05]\n", "") == (result.code, result.out, result.err)
    expected = {"model": "m", "input": ["text\n hi"], "truncate": False, "dimensions": 2, "keep_alive": 60.0}
    assert [expected | {"stream": True}] == api.bodies("/api/embed")


def test_embedding_of_nothing(api, puna):
    """An embedding model without a text says how it is used."""
    api.on("POST", "/api/show", {"capabilities": ["embedding"]})
    expected = 'Error: embedding models require input text. Usage: puna run m "your text here"\n'
    result = puna("run", "m")
    assert (1, expected) == (result.code, result.err)


def test_image_generation(api, puna):
    """Models that make pictures are refused in words."""
    api.on("POST", "/api/show", {"capabilities": ["image"]})
    result = puna("run", "m", "a cat")
    assert (1, "Error: image generation models are not currently supported\n") == (result.code, result.err)


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
