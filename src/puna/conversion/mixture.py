"""Which type each tensor of a quantized model gets: llama.cpp's own mixtures, as far as they need no importance matrix.

A level such as Q4_K_M names a mixture: most tensors get one type, those that suffer most a better one. Files made by
these rules are byte for byte those of ``llama-quantize``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from puna.gguf import Gguf
from puna.gguf.kinds import BY_NAME, FILE_TYPES
from puna.types import Tensor

LEVELS: Mapping[str, str] = {
    "F32": "F32",
    "F16": "F16",
    "BF16": "BF16",
    "Q2_K": "Q2_K",
    "Q3_K_S": "Q3_K",
    "Q3_K_M": "Q3_K",
    "Q3_K_L": "Q3_K",
    "Q4_0": "Q4_0",
    "Q4_1": "Q4_1",
    "Q4_K_S": "Q4_K",
    "Q4_K_M": "Q4_K",
    "Q5_0": "Q5_0",
    "Q5_1": "Q5_1",
    "Q5_K_S": "Q5_K",
    "Q5_K_M": "Q5_K",
    "Q6_K": "Q6_K",
    "Q8_0": "Q8_0",
    "IQ4_NL": "IQ4_NL",
    "IQ4_XS": "IQ4_XS",
}
"""Level -> the type of most of its tensors."""

_ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}

FLOATS = frozenset({"F32", "F16", "BF16"})
"""The types, and the levels, that a model can be quantized from."""

_Role = Literal["output", "embedding", "value", "key", "attention output", "down", "other"]

_ROLES: Sequence[tuple[str, _Role]] = (
    ("attn_qkv.weight", "value"),
    ("attn_kv_b.weight", "value"),
    ("attn_v.weight", "value"),
    ("attn_k.weight", "key"),
    ("attn_output.weight", "attention output"),
    ("ffn_down", "down"),
)
"""What is in a tensor's name -> its role, the first that is found."""

_KEPT = (
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    "time_mix_first.weight",
    "time_mix_w0.weight",
    "time_mix_w1.weight",
    "time_mix_w2.weight",
    "time_mix_v0.weight",
    "time_mix_v1.weight",
    "time_mix_v2.weight",
    "time_mix_a0.weight",
    "time_mix_a1.weight",
    "time_mix_a2.weight",
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    "attn_rel_b.weight",
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
)
"""What is in the names of tensors that are small, or that everything depends on: these stay as they are."""

_KEPT_WHOLE = frozenset({"position_embd.weight", "token_types.weight"})

_OVERRIDES: Mapping[str, Sequence[tuple[str, str]]] = {
    "deepseek2": (("attn_k_b.weight", "Q8_0"), ("attn_v_b.weight", "Q8_0")),
    "gemma3n": (("per_layer_token_embd.weight", "F16"),),
    "glm4": (("token_embd.weight", "F16"), ("output.weight", "F16")),
    "qwen35": (("nextn.eh_proj.weight", "Q8_0"),),
    "qwen35moe": (("nextn.eh_proj.weight", "Q8_0"),),
}
"""Architecture -> ends of names and the types that these tensors get in every quantized model, as Ollama has it."""

_NARROWER = {
    "IQ4_XS": "IQ4_NL",
    "Q2_K": "Q4_0",
    "Q3_K": "Q4_0",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
"""What rows get that cannot be cut into blocks of 256."""

_LAYER = re.compile(r"blk\.(\d+)\.")


def level(name: str) -> str | None:
    """The level that ``name`` means, whatever its case; None for one that cannot be made."""
    found = _ALIASES.get(name.upper(), name.upper())
    return found if found in LEVELS else None


def file_type(level: str) -> int:
    """The number that a file of that ``level`` says of itself."""
    return next(number for number, name in FILE_TYPES.items() if name == level)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the rules need to know of a model; ``sharing`` is how many heads share the keys and values of one."""

    layers: int
    experts: int
    sharing: int
    values: int
    tied: bool
    is_llama_70b: bool


def ordered(tensors: Sequence[Tensor]) -> list[Tensor]:
    """``tensors`` in the order that llama.cpp writes them in: those of no layer, then layer by layer, by name."""
    return sorted(tensors, key=lambda one: (_layer(one.name), one.name.encode()))


def choose(header: Gguf, level: str) -> dict[str, str]:
    """The type of each tensor by its name, in the order they are to be written, for a model of that ``level``."""
    tensors = ordered(header.tensors)
    facts = _facts(header)
    seen: dict[_Role, int] = {}
    chosen: dict[str, str] = {}
    for tensor in tensors:
        if not _may_change(tensor):
            chosen[tensor.name] = tensor.type
        elif level in FLOATS:
            chosen[tensor.name] = LEVELS[level]
        else:
            role = _role(tensor.name)
            number = seen.get(role, 0)
            seen[role] = number + 1
            if role == "down" and facts.experts > 1:
                number = _layer(tensor.name)
            wanted = _overridden(header.architecture, tensor.name) or _mixed(level, role, number, tensor, facts)
            chosen[tensor.name] = _fitting(wanted, tensor.shape[0])
    return chosen


def _facts(header: Gguf) -> _Facts:
    experts = header.of_architecture("expert_count")
    sharing = header.head_count // header.head_count_kv if header.head_count_kv else 0
    return _Facts(
        layers=header.block_count,
        experts=experts if isinstance(experts, int) else 0,
        sharing=sharing,
        values=sum(_role(tensor.name) == "value" for tensor in header.tensors),
        tied=not any(tensor.name == "output.weight" for tensor in header.tensors),
        is_llama_70b=header.architecture == "llama" and header.block_count == 80 and sharing != 1,
    )


def _may_change(tensor: Tensor) -> bool:
    name = tensor.name
    return (
        tensor.type in FLOATS
        and any(size > 1 for size in tensor.shape[1:])
        and name.endswith("weight")
        and name not in _KEPT_WHOLE
        and not any(part in name for part in _KEPT)
    )


def _role(name: str) -> _Role:
    if name == "output.weight":
        return "output"
    if name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return "embedding"
    return next((role for part, role in _ROLES if part in name), "other")


def _overridden(architecture: str, name: str) -> str:
    return next((kind for end, kind in _OVERRIDES.get(architecture, ()) if name.endswith(end)), "")


def _mixed(level: str, role: _Role, number: int, tensor: Tensor, facts: _Facts) -> str:
    """The type that the mixture has for a tensor, the ``number``-th of its role."""
    usual = LEVELS[level]
    match role:
        case "output":
            return _of_output(usual, tensor)
        case "embedding":
            return _of_output(usual, tensor) if facts.tied else usual
        case "value":
            return _of_values(level, number, facts)
        case "key":
            return "Q8_0" if facts.experts == 8 else usual
        case "attention output":
            return _of_attention_output(level, facts)
        case "down":
            return _of_down(level, number, facts.layers)
        case _:
            return usual


def _of_output(usual: str, tensor: Tensor) -> str:
    narrow = tensor.shape[0] % BY_NAME[usual].elements
    return "Q8_0" if narrow or usual == "Q8_0" else "Q6_K"


def _of_values(level: str, number: int, facts: _Facts) -> str:
    chosen = LEVELS[level]
    match level:
        case "Q2_K":
            chosen = "Q4_K" if facts.sharing >= 4 else "Q3_K"
        case "Q3_K_M":
            chosen = "Q5_K" if number < 2 else "Q4_K"
        case "Q3_K_L":
            chosen = "Q5_K"
        case "IQ4_NL" | "IQ4_XS" if facts.sharing >= 4:
            chosen = "Q5_K"
        case "Q4_K_M" | "Q5_K_M" if _matters(number, facts.values):
            chosen = "Q6_K"
        case "Q4_K_S" if number < 4:
            chosen = "Q5_K"
    if facts.is_llama_70b and chosen in ("Q3_K", "Q4_K"):
        chosen = "Q5_K"
    return "Q8_0" if facts.experts == 8 else chosen


def _of_attention_output(level: str, facts: _Facts) -> str:
    if facts.experts == 8:
        better = level in {"Q2_K", "Q3_K_S", "Q3_K_M", "IQ4_NL", "IQ4_XS", "Q4_K_S", "Q4_K_M"}
        return "Q5_K" if better else LEVELS[level]
    return {"Q2_K": "Q3_K", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K"}.get(level, LEVELS[level])


def _of_down(level: str, number: int, layers: int) -> str:
    match level:
        case "Q2_K":
            return "Q3_K"
        case "Q3_K_M":
            return "Q5_K" if number < layers // 16 else "Q4_K"
        case "Q3_K_L":
            return "Q5_K"
        case "Q4_K_M" | "Q5_K_M" if _matters(number, layers):
            return "Q6_K"
        case "IQ4_NL" | "IQ4_XS" | "Q4_K_S" if number < layers // 8:
            return "Q5_K"
        case _:
            return LEVELS[level]


def _matters(number: int, count: int) -> bool:
    """Whether a layer is one of the first or last eighth, or every third between them."""
    return number < count // 8 or number >= 7 * count // 8 or (number - count // 8) % 3 == 2


def _fitting(wanted: str, columns: int) -> str:
    """``wanted``, or the next type whose blocks rows of so many ``columns`` can be cut into."""
    if columns % BY_NAME[wanted].elements:
        wanted = _NARROWER.get(wanted, "F16")
    return "F16" if columns % BY_NAME[wanted].elements else wanted


def _layer(name: str) -> int:
    found = _LAYER.match(name)
    return int(found.group(1)) if found else -1
