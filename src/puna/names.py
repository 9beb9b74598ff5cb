"""Model names and blob digests: parse, complete with the defaults, print.

The grammar is Ollama's: ``[scheme://][host/][namespace/]model[:tag]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from puna.errors import InvalidDigest, InvalidName

DEFAULT_SCHEME = "https"
DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

_SHORTENED = frozenset({"docker.io"})
"""Hosts whose names may leave out the default namespace, as people write them."""

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True, order=True)
class ModelName:
    """A complete model name. Case is kept; ``same_as`` compares without it, as the store does."""

    host: str
    namespace: str
    model: str
    tag: str
    scheme: str = DEFAULT_SCHEME

    @classmethod
    def parse(cls, text: str) -> ModelName:
        """Parse ``text`` and fill in the defaults.

        Raises:
            InvalidName: a part is empty, too long, or holds a character names do not have.
        """
        rest, scheme, host, namespace, tag = text.strip(), DEFAULT_SCHEME, DEFAULT_HOST, DEFAULT_NAMESPACE, DEFAULT_TAG
        if "://" in rest:
            scheme, _, rest = rest.partition("://")
        if rest.rfind(":") > rest.rfind("/"):
            rest, _, tag = rest.rpartition(":")
        if "/" in rest:
            rest, _, model = rest.rpartition("/")
            if "/" in rest:
                host, _, namespace = rest.rpartition("/")
            elif rest.lower() in _SHORTENED:
                host = rest
            else:
                namespace = rest
        else:
            model = rest
        name = cls(host, namespace, model, tag, scheme)
        if scheme not in ("http", "https") or not name._valid():
            raise InvalidName(text)
        return name

    @classmethod
    def from_parts(cls, host: str, namespace: str, model: str, tag: str) -> ModelName | None:
        """The name whose manifest lies at ``host/namespace/model/tag``, or None when a part is not valid."""
        name = cls(host, namespace, model, tag)
        return name if name._valid() else None

    def _valid(self) -> bool:
        return bool(
            _HOST.fullmatch(self.host)
            and _NAMESPACE.fullmatch(self.namespace)
            and _PART.fullmatch(self.model)
            and _PART.fullmatch(self.tag)
        )

    @property
    def short(self) -> str:
        """The shortest form that still names it, always with its tag: what lists show."""
        name = f"{self.model}:{self.tag}"
        if self.host != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{name}"
        return name if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{name}"

    @property
    def full(self) -> str:
        """All four parts: ``host/namespace/model:tag``."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """``(host, namespace, model, tag)``: the path of its manifest."""
        return (self.host, self.namespace, self.model, self.tag)

    def same_as(self, other: ModelName) -> bool:
        """Whether both name the same model: parts are compared without regard to case."""
        return self.full.lower() == other.full.lower()

    def __str__(self) -> str:
        return self.short


@dataclass(frozen=True, slots=True)
class Digest:
    """A SHA-256 digest; ``hex`` is 64 lower-case hexadecimal digits."""

    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Parse ``sha256:<hex>`` or ``sha256-<hex>``.

        Raises:
            InvalidDigest: it is neither.
        """
        found = _DIGEST.fullmatch(text)
        if found is None:
            raise InvalidDigest(text)
        return cls(found.group(1).lower())

    @property
    def filename(self) -> str:
        """``sha256-<hex>``: the name of its blob's file."""
        return f"sha256-{self.hex}"

    def __str__(self) -> str:
        return f"sha256:{self.hex}"
