"""Which tensor gets which type: llama.cpp's mixtures, which files made here must match byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from puna import gguf
from puna.conversion import mixture

WriteGguf = Callable[..., Path]

LAYERS = 32
PER_LAYER = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


@pytest.fixture
def choose(tmp_path: Path, write_gguf: WriteGguf) -> Callable[..., dict[str, str]]:
    """Choose for a model of 32 layers with these keys, and these tensors beside the usual ones."""

    def choose(
        level: str, values: dict[str, Any] | None = None, tensors: dict[str, tuple[int, ...]] | None = None
    ) -> dict[str, str]:
        known = {"llama.block_count": LAYERS, "llama.attention.head_count": 8, "llama.attention.head_count_kv": 8}
        usual = {f"blk.{layer}.{name}.weight": (256, 2) for layer in range(LAYERS) for name in PER_LAYER}
        shapes = {"token_embd.weight": (256, 4), "output.weight": (256, 4), **usual, **(tensors or {})}
        path = write_gguf(tmp_path / "a.gguf", known | (values or {}), tensors=shapes)
        return mixture.choose(gguf.read(path), level)

    return choose


Choose = Callable[..., dict[str, str]]


def layers_of(chosen: dict[str, str], name: str, kind: str) -> list[int]:
    """The layers whose tensor ``name`` has the type ``kind``."""
    return [layer for layer in range(LAYERS) if chosen[f"blk.{layer}.{name}.weight"] == kind]


def test_q4_k_m(choose: Choose) -> None:
    """The first and last eighth and every third layer between get better values and down projections."""
    better = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    chosen = choose("Q4_K_M")
    assert better == layers_of(chosen, "attn_v", "Q6_K") == layers_of(chosen, "ffn_down", "Q6_K")
    assert ("Q6_K", "Q4_K") == (chosen["output.weight"], chosen["token_embd.weight"])
    assert {"Q4_K"} == {chosen[f"blk.{layer}.attn_q.weight"] for layer in range(LAYERS)}


@pytest.mark.parametrize(
    ("level", "values", "down", "output"),
    [
        ("Q2_K", "Q3_K", "Q3_K", "Q3_K"),
        ("Q3_K_S", "Q3_K", "Q3_K", "Q3_K"),
        ("Q3_K_M", "Q5_K", "Q5_K", "Q4_K"),
        ("Q3_K_L", "Q5_K", "Q5_K", "Q5_K"),
        ("Q4_0", "Q4_0", "Q4_0", "Q4_0"),
        ("Q4_K_S", "Q5_K", "Q5_K", "Q4_K"),
        ("Q5_K_M", "Q6_K", "Q6_K", "Q5_K"),
        ("Q6_K", "Q6_K", "Q6_K", "Q6_K"),
        ("Q8_0", "Q8_0", "Q8_0", "Q8_0"),
        ("IQ4_XS", "IQ4_XS", "Q5_K", "IQ4_XS"),
        ("F16", "F16", "F16", "F16"),
    ],
)
def test_the_first_layer(choose: Choose, level: str, values: str, down: str, output: str) -> None:
    """The first layer's most sensitive tensors, by level."""
    chosen = choose(level)
    names = ("attn_v", "ffn_down", "attn_output")
    assert [values, down, output] == [chosen[f"blk.0.{name}.weight"] for name in names]


def test_shared_weights(choose: Choose, tmp_path: Path, write_gguf: WriteGguf) -> None:
    """Where embeddings are the output too, they are kept as well as an output is."""
    path = write_gguf(tmp_path / "tied.gguf", {"llama.block_count": 1}, tensors={"token_embd.weight": (256, 4)})
    assert {"token_embd.weight": "Q6_K"} == mixture.choose(gguf.read(path), "Q4_K_M")
    assert "Q8_0" == mixture.choose(gguf.read(path), "Q8_0")["token_embd.weight"]


def test_eight_experts(choose: Choose) -> None:
    """In a model of eight experts, keys and values are small beside the rest, and kept well."""
    chosen = choose("Q4_K_M", {"llama.expert_count": 8})
    assert {"Q8_0"} == {
        chosen[f"blk.{layer}.{name}.weight"] for layer in range(LAYERS) for name in ("attn_k", "attn_v")
    }
    assert "Q5_K" == chosen["blk.5.attn_output.weight"]


def test_llama_70b(choose: Choose) -> None:
    """Llama 70B shares its values among eight heads, and keeps them better."""
    values = {"llama.block_count": 80, "llama.attention.head_count_kv": 1}
    assert "Q5_K" == choose("Q4_K_M", values)["blk.4.attn_v.weight"]


def test_what_stays(choose: Choose) -> None:
    """Norms, biases, routers and what is tiny are not quantized."""
    kept = {
        "blk.0.attn_norm.weight": (256,),
        "blk.0.attn_q.bias": (256,),
        "blk.0.ffn_gate_inp.weight": (256, 8),
        "blk.0.ssm_conv1d.weight": (256, 4),
        "blk.0.laurel_l.weight": (256, 4),
        "token_types.weight": (256, 2),
        "v.patch_embd.weight": (256, 4),
    }
    chosen = choose("Q4_K_M", tensors=kept)
    assert {"F16"} == {chosen[name] for name in kept}


@pytest.mark.parametrize(
    ("columns", "level", "kind"),
    [(96, "Q4_K_M", "Q5_0"), (96, "Q6_K", "Q8_0"), (96, "IQ4_XS", "IQ4_NL"), (40, "Q4_0", "F16")],
)
def test_rows_of_odd_lengths(choose: Choose, columns: int, level: str, kind: str) -> None:
    """Rows that cannot be cut into the blocks of a type get one with smaller blocks, or stay 16 bits wide."""
    assert kind == choose(level, tensors={"other.weight": (columns, 2)})["other.weight"]


def test_order(choose: Choose) -> None:
    """Tensors are written layer by layer: 10 after 9, not after 1."""
    names = list(choose("Q8_0"))
    assert ["output.weight", "token_embd.weight", "blk.0.attn_k.weight"] == names[:3]
    assert names.index("blk.9.attn_k.weight") < names.index("blk.10.attn_k.weight")


@pytest.mark.parametrize(
    ("name", "level"),
    [("q4_K_M", "Q4_K_M"), ("Q4_K", "Q4_K_M"), ("q8_0", "Q8_0"), ("bf16", "BF16"), ("q9_z", None), ("iq2_xxs", None)],
)
def test_levels(name: str, level: str | None) -> None:
    """Levels are known in any case; those that need more than the model are not."""
    assert level == mixture.level(name)


def test_ollamas_exceptions(tmp_path: Path, write_gguf: WriteGguf) -> None:
    """Tensors that Ollama keeps better in some architectures are kept so here."""
    values = {"general.architecture": "gemma3n", "gemma3n.block_count": 1}
    path = write_gguf(tmp_path / "a.gguf", values, tensors={"per_layer_token_embd.weight": (256, 4)})
    assert "F16" == mixture.choose(gguf.read(path), "Q4_K_M")["per_layer_token_embd.weight"]
