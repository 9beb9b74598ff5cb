"""Settings: every variable means what the table and Ollama say, and a wrong one stops nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.address import Address
from puna.config import TABLE, Settings, Variable, read
from puna.durations import FOREVER

ROWS = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


@ROWS
def test_every_setting_is_explained_and_has_a_default_that_can_be_read(row: Variable) -> None:
    """The documentation is made of the table: each row has words, in one line."""
    assert row.help.strip()
    assert "\n" not in row.help
    assert row.name.startswith(("OLLAMA_", "PUNA_"))
    row.parse(row.default)


def test_no_variable_is_read_twice() -> None:
    """One row, one variable."""
    assert len(TABLE) == len({row.name for row in TABLE}) == len({row.field for row in TABLE})


def test_the_defaults_are_what_the_table_says() -> None:
    """An empty environment is enough."""
    expected = Settings(
        host=Address("http", "127.0.0.1", 11434),
        models=Path.home() / ".ollama" / "models",
        keep_alive=300.0,
        load_timeout=300.0,
        num_parallel=0,
        max_loaded_models=0,
        max_queue=512,
        context_length=0,
        origins=(),
        debug=0,
        flash_attention=None,
        kv_cache_type="",
        go_template=None,
        no_history=False,
        no_prune=False,
        llama_server="",
        max_transfers=16,
        max_body=256 * 1024 * 1024,
        state=Path.home() / ".local" / "state" / "puna",
        max_responses=256 * 1024 * 1024,
        tls_cert="",
        tls_key="",
        insecure_no_keys=False,
        log_format="text",
        drain=30.0,
    )
    assert expected == read({})
    assert expected == read({row.name: "" for row in TABLE})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("OLLAMA_HOST", "0.0.0.0:8080", Address("http", "0.0.0.0", 8080)),
        ("OLLAMA_MODELS", "/srv/models", Path("/srv/models")),
        ("OLLAMA_MODELS", "~/models", Path.home() / "models"),
        ("OLLAMA_KEEP_ALIVE", "1h", 3600.0),
        ("OLLAMA_KEEP_ALIVE", "90", 90.0),
        ("OLLAMA_KEEP_ALIVE", "0", 0.0),
        ("OLLAMA_KEEP_ALIVE", "-1", FOREVER),
        ("OLLAMA_LOAD_TIMEOUT", "30s", 30.0),
        ("OLLAMA_LOAD_TIMEOUT", "0", FOREVER),
        ("OLLAMA_LOAD_TIMEOUT", "-1m", FOREVER),
        ("OLLAMA_NUM_PARALLEL", "4", 4),
        ("OLLAMA_MAX_LOADED_MODELS", "2", 2),
        ("OLLAMA_MAX_QUEUE", "0", 0),
        ("OLLAMA_CONTEXT_LENGTH", "8192", 8192),
        ("OLLAMA_ORIGINS", "https://a.example,,app://x", ("https://a.example", "app://x")),
        ("OLLAMA_DEBUG", "1", 1),
        ("OLLAMA_DEBUG", "true", 1),
        ("OLLAMA_DEBUG", "2", 2),
        ("OLLAMA_DEBUG", "false", 0),
        ("OLLAMA_DEBUG", "0", 0),
        ("OLLAMA_FLASH_ATTENTION", "1", True),
        ("OLLAMA_FLASH_ATTENTION", "false", False),
        ("OLLAMA_KV_CACHE_TYPE", "q8_0", "q8_0"),
        ("OLLAMA_GO_TEMPLATE", "yes", True),
        ("OLLAMA_GO_TEMPLATE", "F", False),
        ("OLLAMA_NOHISTORY", "on", True),
        ("OLLAMA_NOPRUNE", "0", False),
        ("PUNA_LLAMA_SERVER", "/opt/llama-server", "/opt/llama-server"),
        ("PUNA_MAX_BODY", "1000", 1000),
    ],
)
def test_a_variable_is_read_as_what_it_is(name: str, text: str, value: Any) -> None:
    """In seconds and bytes; spaces and quotes around it are no part of it."""
    field = next(row.field for row in TABLE if row.name == name)
    for written in (text, f"  {text} ", f'"{text}"', f"' {text} '"):
        assert value == getattr(read({name: written}), field)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OLLAMA_KEEP_ALIVE", "soon"),
        ("OLLAMA_KEEP_ALIVE", "nan"),
        ("OLLAMA_LOAD_TIMEOUT", "5 minutes"),
        ("OLLAMA_NUM_PARALLEL", "-1"),
        ("OLLAMA_MAX_LOADED_MODELS", "many"),
        ("OLLAMA_MAX_QUEUE", "1.5"),
        ("OLLAMA_CONTEXT_LENGTH", "4k"),
        ("PUNA_MAX_BODY", "9" * 5000),
    ],
)
def test_a_value_that_cannot_be_read_is_told_and_the_default_used(
    name: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A typo keeps no server from starting."""
    assert read({}) == read({name: text})
    (warning,) = caplog.records
    assert ("WARNING", True) == (warning.levelname, warning.getMessage().startswith(f"ignoring {name}={text}: "))


def test_variables_of_others_are_not_looked_at() -> None:
    """Only what the table names."""
    assert read({}) == read({"OLLAMA_UNKNOWN": "x", "HOME": "/nowhere", "ollama_host": "h:1"})


@given(st.sampled_from(TABLE), st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_no_text_of_any_variable_is_an_error(row: Variable, text: str) -> None:
    """Whatever the environment holds, there are settings."""
    assert isinstance(read({row.name: text}), Settings)


def test_a_user_without_a_home_can_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers run programs as users that have no name; where models are can be said, and a ~ is told of."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    found = read({"OLLAMA_MODELS": "/models"})
    assert (Path("/models"), Path("/.local/state/puna")) == (found.models, found.state)
    assert Path("/.ollama/models") == read({}).models
