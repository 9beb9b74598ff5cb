"""A model that sees, small enough for a test: a llama of two layers that speaks bytes, and its SigLIP projector.

``python tiny_vision.py FOLDER`` writes ``model.gguf`` and ``projector.gguf`` into the folder.

The weights are random, the same every time. A picture of any size becomes 16 embeddings, between the texts
``<start_of_image>`` and ``<end_of_image>`` that llama.cpp puts around one of this kind of projector.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np

_WIDTH, _LAYERS, _HEADS, _INNER = 32, 2, 2, 64
_PATCH, _MERGED, _SIDE = 4, 2, 32
_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


class _Weights:
    def __init__(self, writer: gguf.GGUFWriter) -> None:
        self._writer = writer
        self._random = np.random.default_rng(7)

    def random(self, name: str, *shape: int) -> None:
        self._writer.add_tensor(name, self._random.normal(0, 0.2, shape).astype(np.float32))

    def ones(self, name: str, size: int) -> None:
        self._writer.add_tensor(name, np.ones(size, np.float32))

    def zeros(self, name: str, size: int) -> None:
        self._writer.add_tensor(name, np.zeros(size, np.float32))

    def save(self) -> None:
        self._writer.write_header_to_file()
        self._writer.write_kv_data_to_file()
        self._writer.write_tensors_to_file()
        self._writer.close()


def write_model(path: Path) -> None:
    """Write the text model: its vocabulary is the 256 bytes, and ASCII once more as text."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny vision")
    writer.add_context_length(4096)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    # A format needs tokens that are text; the bytes are for everything else.
    letters = ["\u2581", *map(chr, range(ord("!"), ord("~") + 1))]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]
    kinds += [gguf.TokenType.NORMAL] * len(letters)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template(_TEMPLATE)
    weights = _Weights(writer)
    weights.random("token_embd.weight", len(tokens), _WIDTH)
    weights.random("output.weight", len(tokens), _WIDTH)
    weights.ones("output_norm.weight", _WIDTH)
    for layer in (f"blk.{number}" for number in range(_LAYERS)):
        weights.ones(f"{layer}.attn_norm.weight", _WIDTH)
        weights.ones(f"{layer}.ffn_norm.weight", _WIDTH)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights.random(f"{layer}.{part}.weight", _WIDTH, _WIDTH)
        weights.random(f"{layer}.ffn_gate.weight", _INNER, _WIDTH)
        weights.random(f"{layer}.ffn_up.weight", _INNER, _WIDTH)
        weights.random(f"{layer}.ffn_down.weight", _WIDTH, _INNER)
    weights.save()


def write_projector(path: Path) -> None:
    """Write the projector: pictures are scaled to a square, cut into patches, and merged two by two."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_name("tiny eyes")
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(gguf.VisionProjectorType.GEMMA3)
    writer.add_vision_projection_dim(_WIDTH)
    writer.add_vision_image_size(_SIDE)
    writer.add_vision_patch_size(_PATCH)
    writer.add_vision_embedding_length(_WIDTH)
    writer.add_vision_feed_forward_length(_INNER)
    writer.add_vision_block_count(_LAYERS)
    writer.add_vision_head_count(_HEADS)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_use_gelu(True)
    writer.add_vision_projector_scale_factor(_MERGED)
    weights = _Weights(writer)
    weights.random("v.patch_embd.weight", _WIDTH, 3, _PATCH, _PATCH)
    weights.zeros("v.patch_embd.bias", _WIDTH)
    weights.random("v.position_embd.weight", (_SIDE // _PATCH) ** 2, _WIDTH)
    for layer in (f"v.blk.{number}" for number in range(_LAYERS)):
        for norm in ("ln1", "ln2"):
            weights.ones(f"{layer}.{norm}.weight", _WIDTH)
            weights.zeros(f"{layer}.{norm}.bias", _WIDTH)
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            weights.random(f"{layer}.{part}.weight", _WIDTH, _WIDTH)
            weights.zeros(f"{layer}.{part}.bias", _WIDTH)
        weights.random(f"{layer}.ffn_up.weight", _INNER, _WIDTH)
        weights.zeros(f"{layer}.ffn_up.bias", _INNER)
        weights.random(f"{layer}.ffn_down.weight", _WIDTH, _INNER)
        weights.zeros(f"{layer}.ffn_down.bias", _WIDTH)
    weights.ones("v.post_ln.weight", _WIDTH)
    weights.zeros("v.post_ln.bias", _WIDTH)
    weights.random("mm.input_projection.weight", _WIDTH, _WIDTH)
    weights.ones("mm.soft_emb_norm.weight", _WIDTH)
    weights.save()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_model(folder / "model.gguf")
    write_projector(folder / "projector.gguf")
