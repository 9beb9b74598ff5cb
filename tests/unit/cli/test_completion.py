"""What a word on the command line may become."""

import pytest

MODELS = {
    "models": [
        {"name": "qwen3:4b", "details": {"parameter_size": "4.0B"}},
        {"name": "smollm2:latest", "details": {"parameter_size": "134.52M"}},
        {"name": "user/smol:v1", "details": {}},
    ]
}


@pytest.fixture
def completed(api, puna):
    """What the last of the words may become."""
    api.on("GET", "/api/tags", MODELS)
    api.on("GET", "/api/ps", {"models": MODELS["models"][:1]})

    def complete(*words):
        result = puna("__complete", "--", *words)
        assert (0, "") == (result.code, result.err)
        return [line.split("\t")[0] for line in result.out.splitlines()]

    return complete


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ru"], ["run"]),
        (["pu"], ["pull", "push"]),
        (["logi"], []),
        (["--ver"], ["--version"]),
        (["run", ""], ["qwen3:4b", "smollm2", "user/smol:v1"]),
        (["run", "qwen3:"], ["qwen3:4b"]),
        (["run", "SM"], ["smollm2"]),
        (["run", "smollm2:"], ["smollm2:latest"]),
        (["run", "smollm2", ""], []),
        (["rm", "smollm2", ""], ["qwen3:4b", "user/smol:v1"]),
        (["cp", "--", "smollm2", "q"], ["qwen3:4b"]),
        (["stop", ""], ["qwen3:4b"]),
        (["ls", "u"], ["user/smol:v1"]),
        (["show", "--li"], ["--license"]),
        (["-v", "show", "--mod"], ["--modelfile"]),
        (["show", "--", "--li"], []),
        (["run", "--think=m"], ["--think=medium", "--think=max"]),
        (["run", "--format", ""], ["json"]),
        (["run", "--keepalive", ""], []),
        (["run", "--keepalive", "5m", "q"], ["qwen3:4b"]),
        (["help", "sho"], ["show"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["keys", "re"], ["revoke"]),
        (["keys", "add", "--sc"], ["--scope"]),
        (["frobnicate", ""], []),
        (["serve", ""], []),
    ],
)
def test_words(completed, words, expected):
    """Commands, flags, their values and models are completed where they may stand."""
    assert expected == completed(*words)


def test_nothing_typed(completed):
    """Before anything is typed all commands are offered, and nothing that is hidden."""
    offered = completed("")
    assert {"run", "serve", "completion"} < set(offered)
    assert not {"__complete", "login", "runner"} & set(offered)


def test_files(completed, tmp_path):
    """Files and folders are offered where a file is wanted."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "Modelfile").touch()
    (tmp_path / ".hidden").touch()
    (tmp_path / "more.tar").touch()
    assert ["models/", "more.tar"] == completed("import", "")
    assert ["models/Modelfile"] == completed("create", "m", "-f", "models/")
    assert [".hidden"] == completed("import", ".h")
    assert [] == completed("import", "nowhere/")


def test_meanings(api, puna):
    """Shells that can show it are told what each word means."""
    assert "run\tRun a model: answer a prompt, or chat.\n" == puna("__complete", "--", "run").out
    api.on("GET", "/api/tags", MODELS)
    assert "smollm2\t134.52M\n" == puna("__complete", "--", "run", "smol").out


def test_models_without_a_server(puna, monkeypatch, unused_url, tmp_path):
    """Without a server the models in the store are offered."""
    monkeypatch.setenv("OLLAMA_HOST", unused_url)
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    for path in ("registry.ollama.ai/library/qwen3/4b", "example.com/user/smol/latest", "registry.ollama.ai/a b/c/d"):
        manifest = tmp_path / "manifests" / path
        manifest.parent.mkdir(parents=True)
        manifest.touch()
    assert "example.com/user/smol\t\nqwen3:4b\t\n" == puna("__complete", "--", "show", "").out
    assert "" == puna("__complete", "--", "stop", "").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(puna, shell):
    """Each shell has a script, which asks the command that completes."""
    result = puna("completion", shell)
    assert (0, "") == (result.code, result.err)
    assert "__complete -- " in result.out
