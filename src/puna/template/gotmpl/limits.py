"""What one execution of a template may use. Templates come with models from anywhere, so none may hang or grow at will.

Characters are counted when they are printed, when a function makes text, and when a function is given some:
that bounds both memory and time, as no function takes longer than its arguments and its result are long.
"""

from __future__ import annotations

MAX_STEPS = 1_000_000
"""Parts executed, operands worked out, and turns of loops."""

MAX_CHARACTERS = 64 << 20
"""Characters printed or handled by functions."""

MAX_CALLS = 100
"""How deep templates may call one another."""


class LimitExceeded(Exception):
    """A limit was reached; the text says which."""


class Budget:
    """Counts down what one execution may still use."""

    __slots__ = ("_characters", "_steps")

    def __init__(self) -> None:
        self._steps = MAX_STEPS
        self._characters = MAX_CHARACTERS

    def step(self) -> None:
        """Count one step.

        Raises:
            LimitExceeded: there were too many.
        """
        self._steps -= 1
        if self._steps < 0:
            raise LimitExceeded(f"the template takes more than {MAX_STEPS} steps")

    def characters(self, count: int) -> None:
        """Count ``count`` characters.

        Raises:
            LimitExceeded: there were too many.
        """
        self._characters -= count
        if self._characters < 0:
            raise LimitExceeded(f"the template makes more than {MAX_CHARACTERS} characters of text")
