"""Models in Ollama's own layout: known for what they are, written anew where names are all that differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from puna import gguf
from puna.errors import NotCapable
from puna.gguf import foreign

WriteGguf = Callable[..., Path]

GEMMA3 = {"general.architecture": "gemma3", "gemma3.block_count": 1, "gemma3.attention.layer_norm_rms_epsilon": 1e-6}
GPT_OSS = {
    "general.architecture": "gptoss",
    "gptoss.block_count": 1,
    "gptoss.context_length": 131072,
    "tokenizer.ggml.pre": "default",
}
GPT_OSS_TENSORS = {
    "token_embd.weight": (8, 4),
    "blk.0.attn_out.weight": (8, 8),
    "blk.0.attn_out.bias": (8,),
    "blk.0.attn_sinks": (8,),
    "blk.0.ffn_norm.weight": (8,),
    "blk.0.ffn_gate_exps.weight": (8, 16, 2),
}


def translated(path: Path, target: Path) -> gguf.Gguf:
    """The model at ``path``, written anew."""
    found = foreign.translated(gguf.read(path))
    assert found is not None
    target.write_bytes(b"".join(found[1]))
    return gguf.read(target)


@pytest.mark.parametrize(
    ("values", "tensors", "found"),
    [
        ({"llama.block_count": 1}, {"token_embd.weight": (4, 4)}, ""),
        (GEMMA3, {"token_embd.weight": (4, 4)}, ""),
        (
            GEMMA3,
            {"token_embd.weight": (4, 4), "v.blk.0.attn_q.weight": (4, 4), "mm.proj.weight": (4, 4)},
            "model and projector are one file, with the tensors mm.*, v.*",
        ),
        ({"general.architecture": "qwen25vl", "qwen25vl.block_count": 1}, {}, 'it calls its architecture "qwen25vl"'),
        ({**GEMMA3, "gemma3.rope.global.freq_base": 1e6}, {}, "it has the key gemma3.rope.global.freq_base"),
        (
            {"general.architecture": "gemma3", "gemma3.block_count": 1},
            {},
            "it lacks the key gemma3.attention.layer_norm_rms_epsilon",
        ),
        (
            {"general.architecture": "gemma3n", "gemma3n.block_count": 1},
            {"token_embd.weight": (4, 9), "per_layer_token_embd.weight": (4, 8)},
            "its two vocabularies differ in size",
        ),
        (
            {"general.architecture": "clip", "clip.has_vision_encoder": True, "clip.projector_type": "mlp"},
            {"v.blk.0.attn_q.weight": (4, 4), "mm.0.weight": (4, 4)},
            "",
        ),
    ],
)
def test_peculiarities(
    tmp_path: Path, write_gguf: WriteGguf, values: dict[str, Any], tensors: dict[str, tuple[int, ...]], found: str
) -> None:
    """What llama.cpp would refuse or read wrongly is named; what it reads is not touched."""
    header = gguf.read(write_gguf(tmp_path / "a.gguf", values, tensors=tensors))
    assert found == foreign.peculiarity(header)
    if not found:
        foreign.check(header)
        assert foreign.translated(header) is None
    else:
        with pytest.raises(NotCapable, match=r"hf\.co/.*PUNA_LLAMA_SERVER"):
            foreign.check(header)


def test_gpt_oss(tmp_path: Path, write_gguf: WriteGguf) -> None:
    """Ollama's gpt-oss becomes llama.cpp's: its name, its keys, its tensors and how texts are split."""
    path = write_gguf(tmp_path / "a.gguf", GPT_OSS, tensors=GPT_OSS_TENSORS)
    new = translated(path, tmp_path / "b.gguf")
    assert "" == foreign.peculiarity(new)
    assert ("gpt-oss", 131072, 16, "yarn", "gpt-4o") == (
        new.architecture,
        new.context_length,
        new.of_architecture("expert_feed_forward_length"),
        new.of_architecture("rope.scaling.type"),
        new.metadata["tokenizer.ggml.pre"],
    )
    assert {
        "token_embd.weight",
        "blk.0.attn_output.weight",
        "blk.0.attn_output.bias",
        "blk.0.attn_sinks.weight",
        "blk.0.post_attention_norm.weight",
        "blk.0.ffn_gate_exps.weight",
    } == {tensor.name for tensor in new.tensors}


def test_projectors_of_old(tmp_path: Path, write_gguf: WriteGguf) -> None:
    """A projector from before there were several kinds is told to be of the first kind."""
    values = {"general.architecture": "clip", "clip.has_vision_encoder": True}
    new = translated(write_gguf(tmp_path / "a.gguf", values), tmp_path / "b.gguf")
    assert ("projector", "mlp") == (new.kind, new.metadata["clip.projector_type"])


def test_gemma3_text(tmp_path: Path, write_gguf: WriteGguf) -> None:
    """Gemma 3 for texts alone gets the keys that llama.cpp needs, from those that Ollama has."""
    values = {
        "general.architecture": "gemma3",
        "gemma3.block_count": 1,
        "gemma3.context_length": 32768,
        "gemma3.rope.global.freq_base": 2e6,
        "gemma3.rope.local.freq_base": 2e4,
        "tokenizer.ggml.tokens": ["a", "b"],
    }
    path = write_gguf(tmp_path / "a.gguf", values, tensors={"token_embd.weight": (4, 2)})
    new = translated(path, tmp_path / "b.gguf")
    assert "" == foreign.peculiarity(new)
    keys = ("rope.freq_base", "rope.freq_base_swa", "attention.layer_norm_rms_epsilon", "rope.scaling.type")
    assert [2e6, 2e4, 1e-6, None] == [new.of_architecture(key) for key in keys]


def test_gemma3_with_too_many_tokens(tmp_path: Path, write_gguf: WriteGguf) -> None:
    """One whose vocabulary does not fit its weights is refused, not made to fit."""
    values = {"general.architecture": "gemma3", "gemma3.block_count": 1, "tokenizer.ggml.tokens": ["a", "b", "c"]}
    path = write_gguf(tmp_path / "a.gguf", values, tensors={"token_embd.weight": (4, 2)})
    assert foreign.translated(gguf.read(path)) is None


def test_llama3_of_old(tmp_path: Path, write_gguf: WriteGguf) -> None:
    """Llama 3 that does not say how texts are split gets told, and ends its turns."""
    tokens = [f"t{number}" for number in range(128009)]
    values = {
        "llama.block_count": 1,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.eos_token_id": 128001,
        "tokenizer.ggml.tokens": [*tokens, "<|eot_id|>"],
    }
    new = translated(write_gguf(tmp_path / "a.gguf", values), tmp_path / "b.gguf")
    assert ("llama-bpe", "<|eot_id|>", "<|eot_id|>") == (
        new.metadata["tokenizer.ggml.pre"],
        new.token("eos_token_id"),
        new.token("eot_token_id"),
    )
    known = {**values, "tokenizer.ggml.pre": "llama-bpe"}
    assert foreign.translated(gguf.read(write_gguf(tmp_path / "c.gguf", known))) is None
