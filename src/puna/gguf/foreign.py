"""GGUF files in Ollama's own layout.

Many models in Ollama's library were published before llama.cpp knew them, in a layout of Ollama's own: one file that is
model and projector, or with names of architectures, keys and tensors that llama.cpp does not use. llama.cpp refuses
some, and reads others wrongly without a word; so they are recognised here. Where only names differ, the file can be
written anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from puna.errors import NotCapable
from puna.gguf import Array, Gguf, writing
from puna.gguf.layout import Scalar

_OTHER_NAMES = frozenset({"deepseekocr", "glm4moelite", "glmocr", "gptoss", "mllama", "olmo3", "qwen25vl"})
"""Architectures that llama.cpp does not know by the names Ollama has for them."""

_OTHER_PARTS = ("v.", "mm.", "a.", "s.", "mtp.")
"""How the names of tensors begin that llama.cpp expects in another file, or under another name."""

_OTHER_KEYS: Mapping[str, tuple[str, ...]] = {
    "gemma3": ("mm.tokens_per_image", "rope.global.freq_base", "rope.local.freq_base"),
    "laguna": ("rope.swa.dimension_count", "rope.swa.freq_base"),
}
_NEEDED_KEYS: Mapping[str, str] = {"gemma3": "attention.layer_norm_rms_epsilon"}

_LAYER = re.compile(r"^blk\.\d+")
_LLAMA3_EOT, _LLAMA3_EOT_NUMBER = "<|eot_id|>", 128009


@dataclass(frozen=True, slots=True)
class _Change:
    """What is different in the file for llama.cpp.

    Keys that begin with the first of ``prefix`` begin with the second; ``values`` replace others, ``missing`` do not;
    ``dropped`` go.
    """

    prefix: tuple[str, str] = ("", "")
    values: Mapping[str, Scalar] = field(default_factory=dict)
    missing: Mapping[str, Scalar] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    rename: Callable[[str], str] = str


def peculiarity(header: Gguf) -> str:
    """What is in the model that llama.cpp cannot read rightly, "" where there is nothing.

    Raises:
        CorruptModel, StoreError: it cannot be read.
    """
    if header.kind != "model":
        return ""
    architecture = header.architecture
    if mixed := sorted({one.name.split(".")[0] for one in header.tensors if one.name.startswith(_OTHER_PARTS)}):
        return f"model and projector are one file, with the tensors {', '.join(f'{part}.*' for part in mixed)}"
    if architecture in _OTHER_NAMES:
        return f'it calls its architecture "{architecture}"'
    for key in _OTHER_KEYS.get(architecture, ()):
        if header.of_architecture(key) is not None:
            return f"it has the key {architecture}.{key}"
    needed = _NEEDED_KEYS.get(architecture)
    if needed and header.of_architecture(needed) is None:
        return f"it lacks the key {architecture}.{needed}"
    if architecture == "gemma3n" and _rows(header, "token_embd.weight") != _rows(header, "per_layer_token_embd.weight"):
        return "its two vocabularies differ in size"
    return ""


def check(header: Gguf) -> None:
    """Do nothing if llama.cpp reads the model rightly.

    Raises:
        NotCapable: it does not; the text says what to do.
        CorruptModel, StoreError: it cannot be read.
    """
    if found := peculiarity(header):
        raise NotCapable(
            f"the GGUF file is laid out for Ollama's own engine ({found}), and llama.cpp cannot read it: "
            "use the same model from Hugging Face, such as hf.co/ggml-org/…-GGUF, "
            "or set PUNA_LLAMA_SERVER to a llama-server that reads it, such as Ollama's"
        )


def translated(header: Gguf) -> tuple[int, Iterator[bytes]] | None:
    """The file written anew as llama.cpp reads it rightly: the bytes of its tensors, and its pieces.

    None where nothing has to be changed, or where new names are not enough.

    Raises:
        CorruptModel, StoreError: it cannot be read.
    """
    change = _change(header)
    if change is None:
        return None
    parts = writing.take_apart(header.path)
    old, new = change.prefix
    kept = {
        re.sub(f"^{re.escape(old)}", new, key): raw for key, raw in parts.values.items() if key not in change.dropped
    }
    values = {key: writing.encode(value) for key, value in change.missing.items()} | kept
    values |= {key: writing.encode(value) for key, value in change.values.items()}
    tensors = {change.rename(tensor.name): tensor for tensor in parts.tensors}
    return sum(tensor.size for tensor in parts.tensors), writing.rewritten(parts, values, tensors)


def _change(header: Gguf) -> _Change | None:
    if header.kind == "projector" and header.architecture == "clip":
        told = header.of_architecture("projector_type") or header.of_architecture("vision.projector_type")
        hears = header.of_architecture("audio.projector_type")
        return None if told or hears else _Change(values={"clip.projector_type": "mlp"})
    if header.kind != "model" or any(one.name.startswith(_OTHER_PARTS) for one in header.tensors):
        return None
    match header.architecture:
        case "gptoss":
            return _gpt_oss(header)
        case "gemma3" if peculiarity(header):
            return _gemma3(header)
        case "llama" if header.metadata.get("tokenizer.ggml.model") == "gpt2":
            return _llama3(header)
        case _:
            return None


def _gpt_oss(header: Gguf) -> _Change:
    gate = next((one.shape for one in header.tensors if one.name == "blk.0.ffn_gate_exps.weight"), ())
    length = {"gpt-oss.expert_feed_forward_length": gate[1]} if len(gate) > 1 else {}
    return _Change(
        prefix=("gptoss.", "gpt-oss."),
        values={"general.architecture": "gpt-oss", "tokenizer.ggml.pre": "gpt-4o"},
        missing={"gpt-oss.rope.scaling.type": "yarn", **length},
        rename=_gpt_oss_name,
    )


def _gpt_oss_name(name: str) -> str:
    if not _LAYER.match(name):
        return name
    name = re.sub(r"\.attn_out\.", ".attn_output.", name)
    name = re.sub(r"\.attn_sinks$", ".attn_sinks.weight", name)
    return re.sub(r"\.ffn_norm\.", ".post_attention_norm.", name)


def _gemma3(header: Gguf) -> _Change | None:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, Array) and len(tokens) != _rows(header, "token_embd.weight"):
        return None
    far, near = header.of_architecture("rope.global.freq_base"), header.of_architecture("rope.local.freq_base")
    long = header.context_length >= 131072
    return _Change(
        missing={
            "gemma3.attention.layer_norm_rms_epsilon": 1e-6,
            "gemma3.rope.freq_base": far if isinstance(far, float) else 1e6,
            "gemma3.rope.freq_base_swa": near if isinstance(near, float) else 1e4,
            **({"gemma3.rope.scaling.type": "linear", "gemma3.rope.scaling.factor": 8.0} if long else {}),
        },
        dropped=tuple(f"gemma3.{key}" for key in _OTHER_KEYS["gemma3"]),
    )


def _llama3(header: Gguf) -> _Change | None:
    """Llama 3 as it was converted before GGUF said how texts are split into words: without that, it reads badly."""
    if header.metadata.get("tokenizer.ggml.pre", "default") not in ("", "default"):
        return None
    tokens = header.tokens()
    if len(tokens) <= _LLAMA3_EOT_NUMBER or tokens[_LLAMA3_EOT_NUMBER] != _LLAMA3_EOT:
        return None
    ends = {f"tokenizer.ggml.{name}_token_id": _LLAMA3_EOT_NUMBER for name in ("eos", "eot")}
    return _Change(values={"tokenizer.ggml.pre": "llama-bpe", **ends})


def _rows(header: Gguf, name: str) -> int:
    return next((one.shape[-1] for one in header.tensors if one.name == name), 0)
