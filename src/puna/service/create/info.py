"""What a request to create tells of a model itself, in the place of what its weights tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from puna.errors import InvalidRequest
from puna.store.formats import Config

_TEXTS = {"model_family": "model_family", "base_name": "base_name", "quantization_level": "file_type"} | {
    "parameter_size": "model_type"
}
_LENGTHS = ("context_length", "embedding_length")
"""Fields by their names in a request; those of texts with the names a config has for them."""


def check(info: Mapping[str, Any]) -> None:
    """Do nothing if all is well with ``info``; names that are not known are ignored.

    Raises:
        InvalidRequest: a field has another type.
    """
    capabilities = info.get("capabilities") or []
    if not isinstance(capabilities, list):
        raise InvalidRequest('info field "capabilities" must be an array of strings')
    for at, item in enumerate(capabilities):
        if not isinstance(item, str):
            raise InvalidRequest(f'info field "capabilities" element {at} must be a string')
    for name in _TEXTS:
        if not isinstance(info.get(name, ""), str | None):
            raise InvalidRequest(f'info field "{name}" must be a string')
    for name in _LENGTHS:
        value = info.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise InvalidRequest(f'info field "{name}" must be a number')
        if value is not None and (not 0 <= value < 1 << 63 or value != int(value)):
            raise InvalidRequest(f'info field "{name}" must be a non-negative integer')


def apply(config: Config, info: Mapping[str, Any]) -> Config:
    """``config`` with what ``info``, which was checked, says otherwise."""
    given = {name: value for name, value in info.items() if value is not None}
    changes: dict[str, Any] = {known: given[name] for name, known in _TEXTS.items() if name in given}
    changes |= {name: int(given[name]) for name in _LENGTHS if name in given}
    if "model_family" in given:
        changes["model_families"] = (given["model_family"],) if given["model_family"] else None
    if "capabilities" in given:
        changes["capabilities"] = tuple(given["capabilities"])
    return msgspec.structs.replace(config, **changes)
