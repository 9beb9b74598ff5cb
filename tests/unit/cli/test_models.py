"""The commands about models that are there: output, streams and exit codes."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from puna.cli.main import main

MISSING = {"error": "model 'nope' not found"}


def ago(**span):
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


def model(name, digest, size, **more):
    return {"name": name, "model": name, "digest": digest.ljust(64, "0"), "size": size, "details": {}} | more


@pytest.fixture
def three(api):
    models = [
        model("smol-tj:latest", "423809f5f1fe", 98_000_000, modified_at=ago(minutes=2, seconds=5)),
        model("smol-q4:latest", "02219c2ac3f2", 105_000_000, modified_at=ago(days=2, hours=1)),
        model("big:cloud", "38dfc5e11ed8", 400, modified_at="0001-01-01T00:00:00Z", remote_model="big"),
    ]
    api.on("GET", "/api/tags", {"models": models})


def test_list(puna, three):
    """The list is a table on standard output; ls is the same."""
    expected = (
        "NAME              ID              SIZE      MODIFIED      \n"
        "smol-tj:latest    423809f5f1fe    98 MB     2 minutes ago    \n"
        "smol-q4:latest    02219c2ac3f2    105 MB    2 days ago       \n"
        "big:cloud         38dfc5e11ed8    -         Never            \n"
    )
    result = puna("list")
    assert (0, expected, "") == (result.code, result.out, result.err)
    assert result == puna("ls")


def test_list_prefix(puna, three):
    """A prefix picks models, whatever its case."""
    assert ["NAME", "smol-tj:latest"] == [line.split()[0] for line in puna("list", "SMOL-T").out.splitlines()]


def test_list_nothing(puna, three):
    """When nothing is listed the header still is."""
    assert "NAME    ID    SIZE    MODIFIED \n" == puna("list", "zzz").out


def test_asks_for_the_server_first(api, puna, three):
    """A command first looks whether a server answers."""
    puna("list")
    assert [("HEAD", "/"), ("GET", "/api/tags")] == [(asked.method, asked.path) for asked in api.asked]


@pytest.mark.parametrize(
    ("size", "vram", "processor"),
    [
        (210_690_374, 0, "100% CPU"),
        (210_690_374, 210_690_374, "100% GPU"),
        (1000, 755, "25%/75% CPU/GPU"),
        (1000, 2000, "Unknown"),
        (0, 5, "Unknown"),
    ],
)
def test_ps(api, puna, size, vram, processor):
    """The table of loaded models says how much of each is on the GPU, and how long it stays."""
    later = (datetime.now(UTC) + timedelta(minutes=4, seconds=30)).isoformat()
    loaded = model("smol-run:latest", "f5ecf607f8cd", size, size_vram=vram, expires_at=later, context_length=4096)
    api.on("GET", "/api/ps", {"models": [loaded]})
    result = puna("ps")
    header, row = result.out.splitlines()
    assert (0, "") == (result.code, result.err)
    assert ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"] == header.split()
    assert [processor, "4096", "4 minutes from now"] == [cell.strip() for cell in row.split("    ") if cell.strip()][3:]


@pytest.mark.parametrize(
    ("expires", "until"), [("2020-01-01T00:00:00Z", "Stopping..."), ("2319-03-03T20:36:53Z", "Forever")]
)
def test_ps_until(api, puna, expires, until):
    """A model that is on its way out is stopping, one that stays, stays forever."""
    api.on("GET", "/api/ps", {"models": [model("m:latest", "ab", 1, expires_at=expires)]})
    assert puna("ps", "m").out.rstrip().endswith(until)
    assert 1 == len(puna("ps", "x").out.splitlines())


SHOWN = {
    "license": "L1",
    "modelfile": "FROM x\n",
    "parameters": "stop  a",
    "system": "You are\nmultiline.",
    "template": "{{ .Prompt }}",
    "details": {"family": "llama", "parameter_size": "134.52M", "quantization_level": "Q4_1"},
    "model_info": {"general.architecture": "llama"},
    "capabilities": ["completion"],
}


@pytest.mark.parametrize(
    ("flag", "out"),
    [
        ("--license", "L1\n"),
        ("--modelfile", "FROM x\n\n"),
        ("--parameters", "stop  a\n"),
        ("--system", "You are\nmultiline."),
        ("--template", "{{ .Prompt }}"),
    ],
)
def test_show_one_part(api, puna, flag, out):
    """One flag prints one part; system message and template just as they are."""
    api.on("POST", "/api/show", SHOWN)
    result = puna("show", flag, "cli1")
    assert (0, out, "") == (result.code, result.out, result.err)
    assert result == puna("show", "cli1", flag)


def test_show(api, puna):
    """Without a flag the sections are printed."""
    api.on("POST", "/api/show", SHOWN)
    result = puna("show", "cli1")
    titles = [line.strip() for line in result.out.splitlines() if line[:3].strip()]
    assert ["Model", "Capabilities", "Parameters", "System", "License"] == titles
    assert [{"model": "cli1"}] == api.bodies("/api/show")


def test_show_verbose(api, puna):
    """Verbose asks for everything and prints it."""
    api.on("POST", "/api/show", SHOWN)
    assert "  Metadata\n    general.architecture    llama    \n\n" in puna("show", "-v", "cli1").out
    assert [{"model": "cli1", "verbose": True}] == api.bodies("/api/show")


def test_show_two_parts(puna):
    """Two flags are refused."""
    result = puna("show", "--license", "--system", "cli1")
    expected = (
        "Error: only one of '--license', '--modelfile', '--parameters', '--system', or '--template' can be specified\n"
    )
    assert (1, "", expected) == (result.code, result.out, result.err)


def test_show_missing(api, puna):
    """A model that is not there is said in the server's words."""
    api.on("POST", "/api/show", {"error": "model 'nope:latest' not found"}, status=404)
    result = puna("show", "nope")
    assert (1, "", "Error: model 'nope:latest' not found\n") == (result.code, result.out, result.err)


def test_stop(api, puna):
    """Stopping says nothing when it worked."""
    api.on("POST", "/api/generate", {"done": True})
    result = puna("stop", "smol")
    assert (0, "", "") == (result.code, result.out, result.err)
    assert [{"model": "smol", "keep_alive": 0, "stream": False}] == api.bodies("/api/generate")


def test_stop_missing(api, puna):
    """A model that is not there cannot be stopped."""
    api.on("POST", "/api/generate", MISSING, status=404)
    result = puna("stop", "nope")
    assert (1, "", 'Error: couldn\'t find model "nope" to stop\n') == (result.code, result.out, result.err)


def test_stop_fails(api, puna):
    """Another failure to stop is told as the server tells it."""
    api.on("POST", "/api/generate", {"error": "no"}, status=500)
    assert "Error: no\n" == puna("stop", "smol").err


def test_cp(api, puna):
    """Copying says what it did."""
    api.on("POST", "/api/copy")
    result = puna("cp", "smol-run", "x3")
    assert (0, "copied 'smol-run' to 'x3'\n", "") == (result.code, result.out, result.err)
    assert [{"source": "smol-run", "destination": "x3"}] == api.bodies("/api/copy")


def test_cp_missing(api, puna):
    """Copying what is not there fails in the server's words."""
    api.on("POST", "/api/copy", {"error": 'model "nope" not found'}, status=404)
    result = puna("cp", "nope", "x")
    assert (1, "", 'Error: model "nope" not found\n') == (result.code, result.out, result.err)


def test_rm(api, puna):
    """Each model is unloaded, removed, and said to be."""
    api.on("POST", "/api/generate", {"done": True})
    api.on("DELETE", "/api/delete")
    result = puna("rm", "x1", "x2")
    assert (0, "deleted 'x1'\ndeleted 'x2'\n", "") == (result.code, result.out, result.err)
    assert ["/", *["/api/generate", "/api/delete"] * 2] == [asked.path for asked in api.asked]


def test_rm_missing(api, puna):
    """The first model that is not there ends the removal; unloading it was no mistake."""
    api.on("POST", "/api/generate", MISSING, status=404)
    api.on("DELETE", "/api/delete", MISSING, status=404)
    result = puna("rm", "nope", "x2")
    assert (1, "", "Error: model 'nope' not found\n") == (result.code, result.out, result.err)
    assert [{"model": "nope"}] == api.bodies("/api/delete")


def test_rm_cannot_stop(api, puna):
    """A model that cannot be unloaded is removed all the same, with a warning."""
    api.on("POST", "/api/generate", {"error": "busy"}, status=500)
    api.on("DELETE", "/api/delete")
    result = puna("rm", "x1")
    expected = (0, "deleted 'x1'\n", "Warning: unable to stop model 'x1'\n")
    assert expected == (result.code, result.out, result.err)


@pytest.mark.parametrize(("command", "route"), [("list", "/api/tags"), ("ls", "/api/tags"), ("ps", "/api/ps")])
def test_lists_as_json(api, puna, command, route):
    """A program gets what the API says of the models it asks for, with fields that puna does not know too."""
    models = [{"name": "Smol:latest", "size": 1, "newer": [None]}, {"name": "other:latest"}]
    api.on("GET", route, {"models": models})
    assert {"models": models} == json.loads(puna(command, "--json").out)
    assert {"models": models[:1]} == json.loads(puna(command, "smol", "--json").out)


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "ascii"])
def test_json_in_any_encoding(api, puna, charset):
    """Programs get every character, also where standard output is not UTF-8."""
    api.on("POST", "/api/show", {"system": "h\xe9llo \u4e2d\u6587"})
    with CliRunner(charset=charset).isolation() as (out, _, _):
        assert 0 == main(["show", "m", "--json"])
    assert {"system": "h\xe9llo \u4e2d\u6587"} == json.loads(out.getvalue())


def test_show_as_json(api, puna):
    """A program gets what the API says of a model, or the part of it that it names."""
    api.on("POST", "/api/show", SHOWN)
    assert SHOWN == json.loads(puna("show", "cli1", "--json").out)
    assert {"system": "You are\nmultiline."} == json.loads(puna("show", "cli1", "--json", "--system").out)
    puna("show", "-v", "cli1", "--json")
    assert {"model": "cli1", "verbose": True} == api.bodies("/api/show")[-1]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (
            {"body": b"<html><h1>It works!</h1></html>"},
            "the server's answer is not JSON; is it a puna or Ollama server?",
        ),
        ({"status": 502, "body": b"<html>\n<h1>Oh</h1>"}, "Bad Gateway; is it a puna or Ollama server?"),
        (
            {"status": 404, "body": b"404 page not found"},
            "the server has no /api/tags: it is an older one, or neither puna nor Ollama",
        ),
        ({"body": b"[]"}, "the server's answer is not a JSON object; is it a puna or Ollama server?"),
    ],
)
def test_another_kind_of_server(api, puna, reply, text):
    """A server that speaks something else is told as such, in one line."""
    api.on("GET", "/api/tags", api.reply(**reply))
    result = puna("list")
    assert (1, "", f"Error: {text}\n") == (result.code, result.out, result.err)
