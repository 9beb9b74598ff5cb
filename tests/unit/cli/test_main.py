"""The command line itself: mistakes, help, version."""

import json
import os
import subprocess
import sys

import click
import pytest

from puna import __version__, config
from puna.cli.main import root


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["frobnicate"], 'unknown command "frobnicate" for "puna"'),
        ([""], 'unknown command "" for "puna"'),
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
        (["list", "-vx"], "unknown shorthand flag: 'v' in -vx"),
        (["--verbose", "list"], "unknown flag: --verbose"),
        (["-v", "list"], "unknown shorthand flag: 'v' in -v"),
        (["signin"], "there is no cloud behind puna to sign in to: models run here, and need no account"),
        (["login"], "there is no cloud behind puna to sign in to: models run here, and need no account"),
        (["signin", "x"], "accepts 0 arg(s), received 1"),
        (["runner", "--port", "1"], "puna starts its engines itself: run 'puna serve'"),
        (["gpu-discover"], "puna tells what it found on this machine with 'puna doctor'"),
        (["load"], "requires at least 1 arg(s), only received 0"),
        (["load", "m", "--keepalive", "soon"], 'time: invalid duration "soon"'),
        (["tokenize"], "requires at least 1 arg(s), only received 0"),
        (["completion"], "accepts 1 arg(s), received 0"),
        (["completion", "tcsh"], 'there is no completion for "tcsh"; there is one for bash, zsh, fish'),
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


def test_version_as_json(api, puna, monkeypatch, unused_url):
    """The version for programs: what the API says, the server's own, the command's."""
    api.on("GET", "/api/version", api.reply(body=b'{"version":"0.33.0"}', headers={"Server": "puna/99.0"}))
    expected = {"version": "0.33.0", "puna": "99.0", "client": __version__}
    assert expected == json.loads(puna("-v", "--json").out)
    monkeypatch.setenv("OLLAMA_HOST", unused_url)
    assert {"version": None, "puna": None, "client": __version__} == json.loads(puna("--version", "--json").out)


def test_version_without_server(puna, monkeypatch, unused_url):
    """Without a server the command still tells its own version, and that is no failure."""
    monkeypatch.setenv("OLLAMA_HOST", unused_url)
    result = puna("--version")
    expected = f"Warning: could not connect to a running Puna instance\nWarning: client version is {__version__}\n"
    assert (0, expected, "") == (result.code, result.out, result.err)


def test_version_of_a_server_that_says_no(api, puna):
    """A server that wants a key is not told to be none."""
    api.on("GET", "/api/version", {"error": "a key is needed"}, status=401)
    expected = "Warning: the server does not tell its version: a key is needed\n"
    result = puna("--version")
    assert (0, f"{expected}Warning: client version is {__version__}\n") == (result.code, result.out)


@pytest.mark.parametrize("typed", ["lst", "pulll", "LIST", "comp"])
def test_commands_like_it(puna, typed):
    """Who mistypes a command is shown those that resemble it."""
    result = puna(typed)
    first, *rest = result.err.split("\n\nDid you mean this?\n")
    assert f'Error: unknown command "{typed}" for "puna"' == first
    near = {"lst": "list", "pulll": "pull", "LIST": "list", "comp": "completion"}[typed]
    assert f"\t{near}\n" in "".join(rest)
    assert (1, "") == (result.code, result.out)


def test_help(puna):
    """Help lists the commands in the order they are met in, and no hidden ones; so does the bare command."""
    result = puna("--help")
    block = result.out.partition("Available Commands:\n")[2].partition("\nFlags:")[0]
    names = [line.split()[0] for line in block.splitlines() if line[2:3].strip()]
    expected = [
        *("serve", "create", "show", "run", "stop", "pull", "push", "signin", "signout", "list", "ps", "cp", "rm"),
        *("launch", "load", "tokenize", "outdated", "update", "export", "import", "keys", "fsck", "prune"),
        *("doctor", "bench", "completion", "help"),
    ]
    assert expected == names
    assert result == puna() == puna("-h") == puna("help") == puna("--verbose", "--nowordwrap")
    assert (0, "") == (result.code, result.err)


@pytest.mark.parametrize("name", root.entries)
def test_summaries(name):
    """The line that the page of all commands has of each is what the command says of itself."""
    context = click.Context(root, info_name="puna")
    command = root.get_command(context, name)
    assert root.entries[name].summary == command.get_short_help_str(limit=1000)
    assert root.entries[name].hidden == name.startswith(("log", "__")) or name in ("runner", "gpu-discover")


def test_help_of_a_command(puna):
    """A command's help says how it is called, and ends with the environment variables that matter to it."""
    result = puna("run", "--help")
    assert "\nUsage:\n  puna run MODEL [PROMPT] [flags]\n\nFlags:\n" in result.out
    assert "  -h, --help  " in result.out
    block = result.out.partition("Environment Variables:\n")[2]
    assert {"OLLAMA_HOST", "OLLAMA_NOHISTORY"} <= {row.name for row in config.TABLE if row.name in block}
    assert "(default 127.0.0.1:11434)" in " ".join(block.split())
    assert result == puna("help", "run") == puna("-h", "run") == puna("run", "m", "-h", "--verbose")


def test_help_names_aliases(puna):
    """A command of two names has both in its help, by whichever it is asked for."""
    result = puna("list", "-h")
    assert "\nAliases:\n  list, ls\n" in result.out
    assert result == puna("ls", "-h") == puna("help", "ls")


def test_help_of_a_group(puna):
    """A command that has commands lists them, and each has a page."""
    assert "\nAvailable Commands:\n  add " in puna("help", "keys").out
    assert puna("keys", "add", "-h") == puna("help", "keys", "add")
    assert 'Error: unknown command "x" for "puna keys"\n' == puna("keys", "x").err


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["launch", "claude", "--model", "qwen3"], "ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN=puna "),
        (["launch", "claude", "--model", "qwen3"], "ANTHROPIC_MODEL=qwen3 claude"),
        (["launch", "opencode", "--", "--x"], "OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=puna opencode --x"),
        (
            ["launch", "codex", "--model", "qwen3", "--", "--full-auto"],
            "CODEX_OSS_BASE_URL={url}/v1 codex --oss --local-provider ollama -m qwen3:latest --full-auto",
        ),
        (["launch"], "OPENAI_BASE_URL={url}/v1"),
    ],
)
def test_launch(api, puna, args, expected):
    """Who wants another program launched is told how to point it at puna."""
    result = puna(*args)
    assert (1, "") == (result.code, result.out)
    assert expected.format(url=api.url) in result.err
    assert 1 == result.err.count("\n")


def test_signing_out(puna):
    """Nobody is signed in, which is what signing out is to come to."""
    result = puna("signout")
    assert (0, "You are not signed in: there is no cloud behind puna\n", "") == (result.code, result.out, result.err)
    assert result == puna("logout")


def test_help_of_serve_names_every_variable(puna):
    """Every setting is in the help of the command it matters to."""
    block = puna("serve", "-h").out.partition("Environment Variables:\n")[2]
    assert {row.name for row in config.TABLE} <= set(block.split())


def test_as_module():
    """``python -m puna`` is the command."""
    done = subprocess.run([sys.executable, "-m", "puna", "frob"], capture_output=True, text=True, check=False)
    assert (1, 'Error: unknown command "frob" for "puna"\n') == (done.returncode, done.stderr)


HEAVY = {
    *("asyncio", "http.client", "httpx2", "jinja2", "json", "logging", "msgspec", "prompt_toolkit", "rich", "ssl"),
    *("puna.client", "puna.config", "puna.events", "puna.names", "puna.service", "puna.store", "puna.types", "uvicorn"),
}


NEEDED_TO_CALL = ("client", "config", "events", "names", "types")


@pytest.mark.parametrize(
    ("args", "needed"),
    [
        (["--help"], set()),
        (["lst"], set()),
        (["completion", "bash"], set()),
        (["help", "list"], {"json", "logging", "puna.config"}),
        (["run", "--help"], {"json", "logging", "puna.config"}),
        (["rm", "--help"], {"json", "logging", "puna.config"}),
        (["list"], {"http.client", "json", "logging", "ssl", *(f"puna.{name}" for name in NEEDED_TO_CALL)}),
    ],
)
def test_starts_light(args, needed, unused_url):
    """No command waits for what it does not need to be imported."""
    code = "import sys, puna.cli.main as m; m.main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        env=os.environ | {"OLLAMA_HOST": unused_url},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(done.stderr.splitlines()[-1].split())
    assert set() == imported & HEAVY - needed
