"""What a function for templates is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Parameter = Literal["any", "string"]


class FunctionError(Exception):
    """A function cannot do what it is asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function for templates: ``call`` is given as many arguments as ``parameters`` has.

    With ``variadic``, the last parameter stands for any number of arguments. An argument for a ``"string"`` is a
    ``str``; no value arrives as ``None``. ``call`` raises ``FunctionError`` to refuse. Arguments are worked out one
    by one, and none after one for which ``stops`` holds. ``weight`` is how many times a character it is given, or
    makes, counts towards the limit: more than once where each takes long.
    """

    call: Callable[..., Any]
    parameters: tuple[Parameter, ...] = ()
    variadic: bool = False
    stops: Callable[[Any], bool] | None = None
    weight: int = 1

    @property
    def least(self) -> int:
        """The number of arguments there must be."""
        return len(self.parameters) - self.variadic

    def parameter(self, position: int) -> Parameter:
        """What the argument at ``position``, from 0, must be."""
        return self.parameters[min(position, len(self.parameters) - 1)]
