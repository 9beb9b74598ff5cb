"""What whoever asks may do: for which things their key is, and for which models."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, get_args

from puna.errors import ScopeMissing
from puna.names import DEFAULT_TAG, ModelName

KeyScope = Literal["infer", "pull", "admin"]
"""What a key is for: to use models, to add models, or everything."""

SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)


@dataclass(frozen=True, slots=True)
class Rights:
    """What one caller may do.

    ``key`` is the id of the key they gave, "" if they gave none, and ``name`` what that is called; ``models`` are the
    patterns of the models they may use, all when there are none.
    """

    key: str
    scopes: frozenset[KeyScope]
    models: tuple[str, ...] = ()
    name: str = field(default="", compare=False)

    def has(self, scope: KeyScope) -> bool:
        """Whether they may do what needs ``scope``."""
        return scope in self.scopes or "admin" in self.scopes

    def require(self, scope: KeyScope) -> None:
        """Do nothing if they may do what needs ``scope``.

        Raises:
            ScopeMissing: they may not.
        """
        if not self.has(scope):
            raise ScopeMissing(scope)

    def may_use(self, model: ModelName) -> bool:
        """Whether they may use ``model``, which need not be installed."""
        return not self.models or any(matches(pattern, model) for pattern in self.models)

    def may_see(self, other: Rights) -> bool:
        """Whether what a caller with ``other`` rights has under way is theirs to see, and to end."""
        return "admin" in self.scopes or self.key == other.key


EVERYTHING = Rights("", frozenset({"admin"}))
"""Those of everyone where no keys are, and of puna itself."""

NOTHING = Rights("", frozenset())


def matches(pattern: str, model: ModelName) -> bool:
    """Whether ``pattern`` means ``model``: its name as lists show it, with or without ``:latest``, in any case.

    ``*`` stands for any characters, ``?`` for one, ``[ab]`` for one of these.
    """
    name, pattern = model.short.lower(), pattern.lower()
    return fnmatchcase(name, pattern) or fnmatchcase(name.removesuffix(f":{DEFAULT_TAG}"), pattern)
