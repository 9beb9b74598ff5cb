"""An answer that the engine could make nothing of is had once more, as text.

llama.cpp renders and reads by a parser that it makes of a model's template, and fails where a model writes what that
does not know, or where template and format do not go together. The text of such an answer is the answer all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from puna.errors import PunaError
from puna.events import Event, PromptProgress, Text, Thinking, ToolCalled


class Repeated:
    """Takes from the second making of an answer what was ``said`` in the first, which ended with ``error``."""

    def __init__(self, said: Sequence[Event], error: PunaError) -> None:
        self._left = {kind: "".join(one.text for one in said if isinstance(one, kind)) for kind in (Thinking, Text)}
        self._again = bool(said)
        self._raw = ""
        self._error = error

    def news(self, event: Event) -> Event | None:
        """What of ``event`` has not been said, None if all of it was.

        Raises:
            PunaError: the first error, where the second answer is another one.
        """
        if isinstance(event, PromptProgress):
            return None if self._again else event
        if isinstance(event, ToolCalled) and any(self._left.values()):
            raise self._error
        if not isinstance(event, Text | Thinking):
            return event
        if isinstance(event, Text) and self._left[Thinking]:
            return self._after_reasoning(event)
        left, text = self._left[type(event)], event.text
        if not left:
            return event
        if not (left.startswith(text) or text.startswith(left)):
            raise self._error
        self._left[type(event)] = left[len(text) :]
        return replace(event, text=text[len(left) :], logprobs=()) if len(text) > len(left) else None

    def _after_reasoning(self, event: Text) -> Event | None:
        """What comes after reasoning that the engine told apart, and that is in the text now, by whatever tags."""
        self._raw += event.text
        _, found, after = self._raw.partition(self._left[Thinking].strip())
        if not found:
            return None
        self._left[Thinking] = ""
        return self.news(Text(after)) if after else None

    def close(self) -> None:
        """The second answer has ended. Raises the first error if it has nothing of what was said."""
        if self._raw and self._left[Thinking]:
            raise self._error
