"""What is said of work on the store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of work on the store: its status text and, for a transfer, the blob and the bytes done of the total."""

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0
