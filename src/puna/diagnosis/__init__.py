"""What there is to know of puna on this machine, and what is wrong with it: a module for each part that is examined.

A part is a function that returns a ``Section``. What is wrong is a ``Finding`` that says what to do about it; a part
that cannot be examined is a finding too, never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "warning", "error"]
"""``note``: good to know. ``warning``: works, but not as well as it could. ``error``: does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, and what to do about it."""

    severity: Severity
    problem: str
    advice: str


@dataclass(frozen=True, slots=True)
class Section:
    """What was found out about one part: ``facts`` by name, and what is wrong."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    findings: tuple[Finding, ...] = ()
