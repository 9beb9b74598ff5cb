"""The model store: where it is, whether it can be written, what it holds, and what it lacks.

Nothing is read but names and sizes, so it is quick; ``puna fsck`` reads every byte.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from puna.diagnosis import Finding, Section
from puna.errors import StoreError
from puna.sizes import size
from puna.store.disk import translated
from puna.store.formats import Layer
from puna.store.model import Model
from puna.store.models import Store

_ADVISED_FREE = 5 * 10**9


def section(root: Path, memory: int) -> Section:
    """The store at ``root`` in words, on a machine with ``memory`` bytes."""
    try:
        with translated():
            return _examined(root, memory)
    except StoreError as error:
        advice = "give the user that the server runs as the right to read it, or name another with OLLAMA_MODELS"
        return Section("Store", (("place", str(root)),), (Finding("error", str(error), advice),))


def _examined(root: Path, memory: int) -> Section:
    if root.exists() and not root.is_dir():
        wrong = Finding("error", f"{root} is not a directory, so it can hold no models", "name one with OLLAMA_MODELS")
        return Section("Store", (("place", str(root)),), (wrong,))
    if not root.is_dir():
        missing = Finding(
            "note", f"there is no model store at {root} yet", "puna pull MODEL makes one with a model in it"
        )
        return Section("Store", (("place", str(root)),), (missing,))
    store = Store(root)
    models = store.models()
    names = [name for name, _ in store.manifests.names()]
    partials = [file for file in store.blobs.files() if file.kind == "partial"]
    total = sum({layer.blob: layer.size for model in models for layer in _layers(model)}.values())
    free = shutil.disk_usage(root).free
    facts = [
        ("place", str(root)),
        ("models", f"{len(names)}, {size(total)}" if names else "none"),
        ("free disk", size(free)),
    ]
    findings = [*_rights(root), *_room(free), *_damage(store, len(names), models), *_too_large(models, memory)]
    if partials:
        begun = size(sum(file.size for file in partials))
        facts.append(("unfinished", f"{begun} of downloads, which the next pull of the same model goes on with"))
    return Section("Store", tuple(facts), tuple(findings))


def _rights(root: Path) -> Iterator[Finding]:
    if not os.access(root, os.W_OK):
        yield Finding(
            "warning",
            f"{root} cannot be written by this user, so models cannot be pulled, made or removed",
            "run the server as the owner of the store, or name another with OLLAMA_MODELS",
        )


def _room(free: int) -> Iterator[Finding]:
    if free < _ADVISED_FREE:
        yield Finding(
            "warning",
            f"only {size(free)} are free on the disk of the model store",
            "puna prune removes what no model needs, puna rm MODEL a model; OLLAMA_MODELS names another disk",
        )


def _damage(store: Store, expected: int, models: list[Model]) -> Iterator[Finding]:
    bad = expected - len(models) + sum(not _whole(store, model) for model in models)
    if bad:
        yield Finding(
            "error",
            f"{bad} of {expected} models are damaged or lack a part",
            "puna fsck --repair tells which, and fetches again what can be",
        )


def _whole(store: Store, model: Model) -> bool:
    try:
        return all(store.blobs.path(layer.blob).stat().st_size == layer.size for layer in _layers(model))
    except OSError:
        return False


def _too_large(models: list[Model], memory: int) -> Iterator[Finding]:
    for model in models:
        if model.size > memory:
            sizes = f"has {size(model.size)} and this machine {size(memory)} of memory"
            yield Finding(
                "warning",
                f"{model.name} {sizes}: it cannot be loaded",
                "take a smaller one, or one with a lower quantization",
            )


def _layers(model: Model) -> tuple[Layer, ...]:
    return (model.manifest.config, *(model.manifest.layers or ()))
