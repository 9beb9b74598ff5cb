"""A key is for what it was made for, and for nothing else."""

from __future__ import annotations

from typing import get_args

import pytest

from puna.errors import ScopeMissing
from puna.names import ModelName
from puna.service.rights import EVERYTHING, NOTHING, KeyScope, Rights, matches


@pytest.mark.parametrize(
    ("pattern", "name", "matched"),
    [
        ("smollm2", "smollm2", True),
        ("smollm2", "smollm2:latest", True),
        ("smollm2:latest", "smollm2", True),
        ("SmolLM2", "smollm2", True),
        ("smollm2", "SMOLLM2", True),
        ("smollm2", "registry.ollama.ai/library/smollm2", True),
        ("smollm2", "smollm2:135m", False),
        ("smollm2", "smollm2-large", False),
        ("smollm2", "someone/smollm2", False),
        ("smollm2:*", "smollm2:135m", True),
        ("qwen3*", "qwen3:0.6b", True),
        ("qwen3*", "qwen2.5:0.5b", False),
        ("hf.co/*", "hf.co/someone/model:Q4_K_M", True),
        ("hf.co/*", "example.com/hf/model", False),
        ("me/*", "me/model", True),
        ("*", "anything/at:all", True),
        ("gemma[34]", "gemma3", True),
        ("gemma[34]", "gemma2", False),
    ],
)
def test_a_pattern_means_the_names_that_lists_show(pattern: str, name: str, matched: bool) -> None:
    """A name without a tag is the latest, case does not matter, and a star stands for anything."""
    assert matched is matches(pattern, ModelName.parse(name))


def test_each_scope_is_for_itself_and_admin_for_all() -> None:
    """Nothing but admin lets do more than one thing."""
    for held in get_args(KeyScope):
        rights = Rights("k", frozenset({held}))
        assert [rights.has(scope) for scope in get_args(KeyScope)] == [
            held in (scope, "admin") for scope in get_args(KeyScope)
        ]


def test_who_lacks_a_scope_is_told_which() -> None:
    """A refusal says what the key would have to be for."""
    with pytest.raises(ScopeMissing, match='"pull"') as caught:
        Rights("k", frozenset({"infer"})).require("pull")
    assert "pull" == caught.value.scope


def test_who_is_nobody_may_do_nothing() -> None:
    """Before a key is known its holder may do nothing; without keys everyone may do everything."""
    assert not any(NOTHING.has(scope) for scope in get_args(KeyScope))
    assert all(EVERYTHING.has(scope) for scope in get_args(KeyScope))


def test_what_runs_is_seen_by_its_own_key_and_by_admin() -> None:
    """One key's requests are not another's business."""
    mine, yours = Rights("a", frozenset({"infer"})), Rights("b", frozenset({"infer", "pull"}))
    admin = Rights("c", frozenset({"admin"}))

    assert [True, False, False] == [mine.may_see(other) for other in (mine, yours, admin)]
    assert [True, True, True] == [admin.may_see(other) for other in (mine, yours, admin)]


def test_a_key_without_patterns_is_for_all_models() -> None:
    """And one with several for those of each."""
    model, other = ModelName.parse("a"), ModelName.parse("b")

    assert Rights("k", frozenset()).may_use(model)
    assert [True, False] == [Rights("k", frozenset(), ("c", "a")).may_use(one) for one in (model, other)]
