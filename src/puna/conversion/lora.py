"""LoRA adapters as PEFT saves them -> GGUF files for the engine. They are small, so this takes a moment and no child.

An adapter has two matrices for each of some of its model's weights. GGUF has the same two under its own names; only
where llama.cpp's converter changes the order of a weight's rows, the rows of the second matrix change with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from puna.conversion import safetensors
from puna.conversion.safetensors import Tensor
from puna.errors import InvalidRequest, NotCapable
from puna.gguf import Gguf, Scalar, writing
from puna.gguf.writing import Planned

_ROTATED = frozenset({"llama", "arcee", "granite", "mistral3", "smollm3"})
"""Architectures whose queries and keys have their rows in another order in GGUF."""

_SUPPORTED = _ROTATED | {"gemma", "gemma2", "gemma3", "phi3", "qwen2", "qwen3"}

_MODULES: Mapping[str, str] = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.qkv_proj": "attn_qkv",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_NAME = re.compile(r"base_model\.model\.(?:.*\.)?layers\.(\d+)\.([a-z_]+\.[a-z_]+)\.lora_([AB])(?:\.default)?\.weight")
_OUTPUT = re.compile(r"base_model\.model\.(?:.*\.)?lm_head\.lora_([AB])(?:\.default)?\.weight")

_TYPES = {"F32": "F32", "F16": "F16", "BF16": "F32"}
"""Type in the adapter -> type in GGUF. Every F32 that begins as a BF16 is exactly that."""


class Config(msgspec.Struct, frozen=True):
    """``adapter_config.json``, as far as it matters."""

    r: Annotated[int, Meta(ge=1)]
    lora_alpha: float
    peft_type: str = "LORA"
    use_rslora: bool = False
    use_dora: bool = False
    alpha_pattern: dict[str, Any] | None = None

    @property
    def alpha(self) -> float:
        """What the engine, which divides it by the rank, must be given to scale the adapter as it was trained."""
        return self.lora_alpha * sqrt(self.r) if self.use_rslora else self.lora_alpha


def read_config(content: bytes) -> Config:
    """Read an ``adapter_config.json``.

    Raises:
        InvalidRequest: it is not one.
        NotCapable: it is of another kind of adapter, which the engine cannot use.
    """
    try:
        config = msgspec.json.decode(content, type=Config)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the adapter's adapter_config.json cannot be used: {error}") from error
    if config.peft_type != "LORA" or config.use_dora or config.alpha_pattern:
        raise NotCapable("the adapter is not a plain LoRA adapter, which is the only kind that can be used")
    return config


def converted(weights: Path, config: Config, base: Gguf) -> Iterator[bytes]:
    """The pieces of a GGUF file with the adapter whose tensors are in ``weights``, for the model ``base``.

    Raises:
        NotCapable: adapters of such models cannot be converted, or this one changes what no adapter may.
        CorruptModel, StoreError: it cannot be read.
    """
    if base.architecture not in _SUPPORTED:
        raise NotCapable(f'unsupported architecture "{base.architecture}" for a safetensors adapter: use a GGUF file')
    tensors = {_name(name): tensor for name, tensor in safetensors.read(weights).items()}
    plan = [Planned(name, _type(name, one), tuple(reversed(one.shape))) for name, one in sorted(tensors.items())]
    told: dict[str, Scalar] = {
        "general.architecture": base.architecture,
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": float(config.alpha),
    }
    values = {key: writing.encode(value) for key, value in told.items()}
    yield writing.header(values, plan)
    with weights.open("rb") as file:
        for one in plan:
            tensor = tensors[one.name]
            file.seek(tensor.start)
            content = file.read(tensor.end - tensor.start)
            if len(tensor.shape) != 2 or len(content) != _size(tensor):
                raise NotCapable(f"the adapter has a tensor that cannot be converted: {one.name}")
            yield _widened(_turned(content, tensor, one.name, base), tensor.dtype)
            yield writing.padding(values, one.size)


def _name(name: str) -> str:
    if found := _OUTPUT.fullmatch(name):
        return f"output.weight.lora_{found[1].lower()}"
    found = _NAME.fullmatch(name)
    if found is None or found[2] not in _MODULES:
        raise NotCapable(f"the adapter changes what the engine's adapters cannot: {name}")
    return f"blk.{found[1]}.{_MODULES[found[2]]}.weight.lora_{found[3].lower()}"


def _type(name: str, tensor: Tensor) -> str:
    if tensor.dtype not in _TYPES:
        raise NotCapable(f"the adapter's tensor {name} is of type {tensor.dtype}, which cannot be converted")
    return _TYPES[tensor.dtype]


def _size(tensor: Tensor) -> int:
    return tensor.count * (4 if tensor.dtype == "F32" else 2)


def _turned(content: bytes, tensor: Tensor, name: str, base: Gguf) -> bytes:
    """``content`` with its rows in GGUF's order: of each head, those of both halves in turn."""
    heads = {"attn_q": base.head_count, "attn_k": base.head_count_kv}.get(name.split(".")[2], 0)
    if base.architecture not in _ROTATED or heads <= 0 or not name.endswith("lora_b"):
        return content
    rows = tensor.shape[0]
    if not rows or rows % (2 * heads):
        raise NotCapable(f"the adapter has a tensor that does not fit the {heads} heads of the model: {name}")
    width = len(content) // rows
    return b"".join(content[row * width : (row + 1) * width] for row in _order(rows, heads))


def _order(rows: int, heads: int) -> Sequence[int]:
    size = rows // heads
    return [
        head * size + half * (size // 2) + at for head in range(heads) for at in range(size // 2) for half in (0, 1)
    ]


def _widened(content: bytes, dtype: str) -> bytes:
    if dtype != "BF16":
        return content
    wide = bytearray(2 * len(content))
    wide[2::4], wide[3::4] = content[0::2], content[1::2]
    return bytes(wide)
