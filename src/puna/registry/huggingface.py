"""Models at Hugging Face: ``hf.co/user/repo[:quantization]``, which it serves as Ollama's registry does.

``HF_ENDPOINT`` names another server of the kind, a mirror; ``HF_TOKEN`` opens what is private or gated.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from puna import registry
from puna.errors import InvalidName
from puna.names import ModelName
from puna.registry import Registry
from puna.registry.session import Session

_HOSTS = frozenset({"hf.co", "huggingface.co"})


def claims(reference: str) -> bool:
    """Whether it is the name of a model at Hugging Face."""
    try:
        return ModelName.parse(reference).host.lower() in _HOSTS
    except InvalidName:
        return False


def open(reference: str, *, insecure: bool) -> Registry:  # noqa: A001 - the contract's word
    """The model ``reference`` there."""
    name = ModelName.parse(reference)
    endpoint = urlsplit(os.environ.get("HF_ENDPOINT", "").strip())
    if endpoint.netloc:
        return registry.repository(name, Session(endpoint.netloc, scheme=endpoint.scheme, insecure=insecure))
    return registry.repository(name, Session(name.host.lower(), insecure=insecure))
