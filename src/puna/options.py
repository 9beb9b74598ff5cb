"""The model options of Ollama's API: names, types, defaults, and how values from several sources are merged.

An option is a value a caller may set in a request, a Modelfile's PARAMETER, or ``parameters`` of create.
Precedence, per key: the defaults, then the model's own, then the request's.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from puna.errors import InvalidOption

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """One complete set of options. The first group decides how a model is loaded, the second how text is sampled.

    ``num_ctx`` 0 means the server's default and ``num_batch`` 0 what suits the model; ``num_thread`` 0 means one per
    physical core; ``num_gpu`` -1 means as many layers as fit; ``seed`` -1 means a random one; ``num_predict`` -1 means
    until the model stops.
    """

    num_ctx: int = 0
    num_batch: int = 0
    num_gpu: int = -1
    main_gpu: int | None = None
    use_mmap: bool | None = None
    num_thread: int = 0
    draft_num_predict: int | None = None

    num_keep: int = 4
    seed: int = -1
    num_predict: int = -1
    top_k: int = 40
    top_p: float = 0.9
    min_p: float = 0.0
    typical_p: float = 1.0
    repeat_last_n: int = 64
    temperature: float = 0.8
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    stop: tuple[str, ...] = ()


TYPES: Mapping[str, str] = {
    "num_ctx": "integer",
    "num_batch": "integer",
    "num_gpu": "integer",
    "main_gpu": "integer",
    "use_mmap": "boolean",
    "num_thread": "integer",
    "draft_num_predict": "integer",
    "num_keep": "integer",
    "seed": "integer",
    "num_predict": "integer",
    "top_k": "integer",
    "top_p": "float32",
    "min_p": "float32",
    "typical_p": "float32",
    "repeat_last_n": "integer",
    "temperature": "float32",
    "repeat_penalty": "float32",
    "presence_penalty": "float32",
    "frequency_penalty": "float32",
    "stop": "array",
}
"""The type of each, as errors call it."""

MEANINGS: Mapping[str, str] = {
    "num_ctx": "tokens of context for one request; 0: the server's default",
    "num_batch": "tokens of a prompt that are read in one step; 0: what suits the model",
    "num_gpu": "layers to hold on a GPU; -1: as many as fit",
    "main_gpu": "the GPU to use alone",
    "use_mmap": "false: read the file into memory instead of mapping it",
    "num_thread": "threads that compute; 0: one per physical core",
    "draft_num_predict": "taken, and without effect in this version",
    "num_keep": "tokens at the beginning that stay when the context is full and an answer goes on",
    "seed": "makes an answer repeatable; -1: a random one",
    "num_predict": "most tokens of an answer; -1: until the model ends it; 0: none",
    "top_k": "choose among the likeliest so many tokens",
    "top_p": "choose among the likeliest that together have this probability",
    "min_p": "leave out tokens less likely than this share of the likeliest",
    "typical_p": "choose among tokens about as surprising as is to be expected; 1: all",
    "repeat_last_n": "how many tokens back repetition is looked for; -1: in the whole context, 0: nowhere",
    "temperature": "how freely to choose; 0: always the likeliest",
    "repeat_penalty": "makes what was said less likely; 1: no difference",
    "presence_penalty": "makes what was said less likely, once for each token that was said",
    "frequency_penalty": "makes what was said less likely, for each time it was said",
    "stop": "texts that end an answer and are not part of it",
}
"""What each is for, in a few words."""

assert set(TYPES) == set(MEANINGS) == {field.name for field in dataclasses.fields(Options)}

_ALIASES = {"max_tokens": "num_predict"}
"""Names other APIs use for the same thing; the option's own name wins when both are given."""

REMOVED = frozenset(
    [
        "mirostat",
        "mirostat_tau",
        "mirostat_eta",
        "tfs_z",
        "penalize_newline",
        "low_vram",
        "f16_kv",
        "logits_all",
        "vocab_only",
        "use_mlock",
        "numa",
    ]
)
"""Options Ollama once had: accepted everywhere, and ignored."""

_MOST = (1 << 31) - 1
"""The engine's integers have 32 bits; a number beyond them stands for the largest. Of a seed it takes the last 32."""


def check(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known options among ``values``, each in its own type; ``None`` values and unknown names are left out.

    JSON numbers for integer options are truncated. Unknown names are logged, since a typo is the usual reason.

    Raises:
        InvalidOption: a value has the wrong type.
    """
    checked: dict[str, Any] = {}
    for name, value in values.items():
        known = _ALIASES.get(name, name)
        if value is None or (known != name and values.get(known) is not None):
            continue
        if known not in TYPES:
            log.warning(
                "ignoring the option %r: %s",
                name,
                "it was removed" if name in REMOVED else "there is none of that name",
            )
            continue
        checked[known] = _convert(name, TYPES[known], value)
    return checked


def named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` by the options' own names, and otherwise as they are, names that are not known among them."""
    return {
        _ALIASES.get(name, name): value
        for name, value in values.items()
        if name not in _ALIASES or values.get(_ALIASES[name]) is None
    }


def merge(*sources: Mapping[str, Any]) -> Options:
    """Build a complete set of options from ``sources``, later ones winning key by key; empty stops are left out.

    Raises:
        InvalidOption: a value has the wrong type.
    """
    merged: dict[str, Any] = {}
    for source in sources:
        merged.update(check(source))
    options = Options(**merged)
    # An empty text is found everywhere, and would end every answer before it began.
    return options if all(options.stop) else dataclasses.replace(options, stop=tuple(filter(None, options.stop)))


def parse_parameter(name: str, values: list[str]) -> Any:
    """Convert the texts of a PARAMETER instruction (one per line that named it) to the option's type.

    Raises:
        KeyError: there is no such option.
        ValueError: a text is not a value of the option's type; the message is ``invalid <type> value [x]``.
    """
    kind, last = TYPES[name], values[-1]
    if kind in _NUMBERS:
        parse, told = _NUMBERS[kind]
        try:
            number = parse(last.replace("_", "?"))  # Python takes 1_000, and nobody else does
        except ValueError:
            number = math.nan
        # What 64 bits hold is what every server that shares the model can read.
        if not -(2**63) <= number < 2**63:
            raise ValueError(f"invalid {told} value [{last}]")
        return number
    if kind == "boolean":
        truth = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}.get(last.lower())
        if truth is None:
            raise ValueError(f"invalid bool value [{last}]")
        return truth
    return values


_NUMBERS: Mapping[str, tuple[Callable[[str], float], str]] = {"integer": (int, "int"), "float32": (float, "float")}


def _convert(name: str, kind: str, value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer" and number:
        return int(value) if name == "seed" else max(-_MOST, min(int(value), _MOST))
    if kind == "float32" and number and abs(value) <= sys.float_info.max:
        return float(value)
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "array" and isinstance(value, list | tuple):
        if not all(isinstance(item, str) for item in value):
            raise InvalidOption(name, "array", "an array of strings")
        return tuple(value)
    raise InvalidOption(name, kind)
