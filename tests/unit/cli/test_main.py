"""The command line itself: mistakes, help, version."""

import subprocess
import sys

import pytest

from puna import __version__, config


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["frobnicate"], 'unknown command "frobnicate" for "puna"'),
        (["--frob"], "unknown flag: --frob"),
        (["list", "--frob"], "unknown flag: --frob"),
        (["list", "-x"], "unknown shorthand flag: 'x' in -x"),
        (["create", "m", "--file"], "flag needs an argument: --file"),
        (["create", "m", "-f"], "flag needs an argument: 'f' in -f"),
        (["create"], "accepts 1 arg(s), received 0"),
        (["create", "a", "b"], "accepts 1 arg(s), received 2"),
        (["show"], "accepts 1 arg(s), received 0"),
        (["stop"], "accepts 1 arg(s), received 0"),
        (["cp", "a"], "accepts 2 arg(s), received 1"),
        (["rm"], "requires at least 1 arg(s), only received 0"),
        (["run"], "requires at least 1 arg(s), only received 0"),
        (["serve", "x"], "accepts 0 arg(s), received 1"),
        (["start", "x"], "accepts 0 arg(s), received 1"),
        (["help", "frobnicate"], 'unknown command "frobnicate" for "puna"'),
        (
            ["run", "m", "--verbose=perhaps"],
            'invalid argument "perhaps" for "--verbose" flag: strconv.ParseBool: parsing "perhaps": invalid syntax',
        ),
    ],
)
def test_mistakes(puna, args, text):
    """A mistake is one line on standard error and exit code 1, before any server is asked."""
    result = puna(*args)
    assert (1, "", f"Error: {text}\n") == (result.code, result.out, result.err)


@pytest.mark.parametrize(
    "args",
    [
        ["list"],
        ["ls"],
        ["ps"],
        ["show", "m"],
        ["show", "m", "--license", "--system"],
        ["stop", "m"],
        ["cp", "a", "b"],
        ["rm", "m"],
        ["run", "m", "hi"],
        ["create", "m"],
    ],
)
def test_no_server(puna, monkeypatch, unused_url, args):
    """Without a server every command says how to start one."""
    monkeypatch.setenv("OLLAMA_HOST", unused_url)
    result = puna(*args)
    expected = "Error: could not connect to puna server, run 'puna serve' to start it\n"
    assert (1, "", expected) == (result.code, result.out, result.err)


def test_version(api, puna):
    """The version is the server's."""
    api.on("GET", "/api/version", api.reply(body=b'{"version":"0.33.0"}', headers={"Server": f"puna/{__version__}"}))
    result = puna("--version")
    assert (0, f"puna version is {__version__}\n", "") == (result.code, result.out, result.err)


def test_version_differs(api, puna):
    """A server of another release is told apart from the command."""
    api.on("GET", "/api/version", api.reply(body=b'{"version":"0.33.0"}', headers={"Server": "puna/99.0"}))
    assert f"puna version is 99.0\nWarning: client version is {__version__}\n" == puna("-v").out


def test_version_of_ollama(api, puna):
    """A genuine Ollama that answers is called by its name."""
    api.on("GET", "/api/version", {"version": "0.33.0"})
    assert f"ollama version is 0.33.0\nWarning: client version is {__version__}\n" == puna("-v").out


def test_version_without_server(puna, monkeypatch, unused_url):
    """Without a server the command still tells its own version, and that is no failure."""
    monkeypatch.setenv("OLLAMA_HOST", unused_url)
    result = puna("--version")
    expected = f"Warning: could not connect to a running Puna instance\nWarning: client version is {__version__}\n"
    assert (0, expected, "") == (result.code, result.out, result.err)


def test_help(puna):
    """Help lists the commands in the order they are met in; so does the bare command."""
    result = puna("--help")
    names = [line.split()[0] for line in result.out.partition("Commands:\n")[2].splitlines()]
    expected = [
        *("serve", "create", "show", "run", "stop", "pull", "push", "list", "ps", "cp", "rm"),
        *("outdated", "update", "export", "import", "fsck", "prune", "doctor", "bench", "help"),
    ]
    assert expected == names
    assert result == puna() == puna("-h") == puna("help")
    assert (0, "") == (result.code, result.err)


def test_help_of_a_command(puna):
    """A command's help ends with the environment variables that matter to it."""
    result = puna("run", "--help")
    assert "Usage: puna run [flags] MODEL [PROMPT]\n" in result.out
    block = result.out.partition("Environment Variables:\n")[2]
    assert ["OLLAMA_HOST", "OLLAMA_NOHISTORY"] == [row.name for row in config.TABLE if row.name in block]
    assert "(default 127.0.0.1:11434)" in " ".join(block.split())
    assert result == puna("help", "run")


def test_help_of_serve_names_every_variable(puna):
    """Every setting is in the help of the command it matters to."""
    block = puna("serve", "-h").out.partition("Environment Variables:\n")[2]
    assert {row.name for row in config.TABLE} <= set(block.split())


def test_as_module():
    """``python -m puna`` is the command."""
    done = subprocess.run([sys.executable, "-m", "puna", "frob"], capture_output=True, text=True, check=False)
    assert (1, 'Error: unknown command "frob" for "puna"\n') == (done.returncode, done.stderr)


def test_starts_light():
    """What takes long to import is imported only by the commands that need it."""
    code = "import sys, puna.cli.main; print(*{'httpx2', 'rich', 'prompt_toolkit', 'uvicorn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "" == done.stdout.strip()
