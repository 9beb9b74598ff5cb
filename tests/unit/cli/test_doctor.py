"""``doctor``: what is told, with a server and without."""

import json

import pytest


@pytest.fixture
def alone(puna, monkeypatch, unused_url, tmp_path):
    """``puna`` without a server and without a store."""
    monkeypatch.setenv("OLLAMA_HOST", unused_url)
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "none"))
    return puna


def test_a_new_machine(alone):
    """Before anything was pulled, the report is whole and says how to begin."""
    result = alone("doctor")
    assert (0, "") == (result.code, result.err)
    for title in ("Machine", "Engine", "Store", "Server", "Settings"):
        assert f"  {title}\n" in result.out
    assert "→ puna serve starts one\n" in result.out
    assert "→ puna pull MODEL makes one with a model in it\n" in result.out


def test_an_engine_that_is_not_there(alone, monkeypatch):
    """What does not work is an error, and makes the exit status 1."""
    monkeypatch.setenv("PUNA_LLAMA_SERVER", "/nowhere/llama-server")
    result = alone("doctor")
    assert 1 == result.code
    assert "error: the engine does not run here: /nowhere/llama-server: no such file or directory\n" in result.out


def test_json(alone):
    """Programs read the same as one object."""
    report = json.loads(alone("doctor", "--json", "--skip-speed").out)
    assert {"machine", "engine", "store", "server", "settings"} == set(report)
    assert "note" == report["server"]["findings"][0]["severity"]


def test_speed_of_a_server(api, puna):
    """With a server, its smallest model that writes is run, and tells what a larger one would do."""
    api.on("GET", "/api/version", {"version": "0.33.0"})
    api.on("GET", "/api/ps", {"models": []})
    models = [("large", 4_000_000_000, "llama"), ("small", 400_000_000, "llama"), ("vectors", 40_000_000, "bert")]
    details = {"parent_model": "", "format": "gguf", "parameter_size": "", "quantization_level": ""}
    api.on(
        "GET",
        "/api/tags",
        {
            "models": [
                {
                    "name": name,
                    "modified_at": "2026-01-01T00:00:00Z",
                    "size": size,
                    "digest": "",
                    "details": details | {"family": family, "families": [family]},
                }
                for name, size, family in models
            ]
        },
    )
    api.streams(
        "/api/generate",
        {"response": "a"},
        {
            "response": "",
            "done": True,
            "done_reason": "length",
            "prompt_eval_count": 100,
            "prompt_eval_duration": 10**9,
            "eval_count": 50,
            "eval_duration": 10**9,
        },
    )
    result = puna("doctor")
    assert ["small"] == [body["model"] for body in api.bodies("/api/generate")]
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert "answer 50.0 tokens/s" in lines
    assert "4 GB model about 5 tokens/s, by its size" in lines
