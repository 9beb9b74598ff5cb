"""A parsed template, ready to be executed any number of times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from puna.template.gotmpl import nodes, parser
from puna.template.gotmpl.execution import Execution
from puna.template.gotmpl.functions import BUILTINS
from puna.template.gotmpl.signatures import Function


@dataclass(frozen=True, slots=True)
class Template:
    """A template and those it defines: ``trees`` holds all by name, its own under ``name``."""

    name: str
    text: str
    trees: Mapping[str, nodes.List]
    functions: Mapping[str, Function]

    @property
    def root(self) -> nodes.List:
        """The template's own tree."""
        return self.trees[self.name]

    def with_root(self, root: nodes.List) -> Template:
        """The same template with another tree of its own."""
        return replace(self, trees={**self.trees, self.name: root})

    def execute(self, data: Any, *, functions: Mapping[str, Function] | None = None) -> str:
        """What the template prints with ``data`` at hand; ``functions`` replace those of the same names.

        Raises:
            TemplateError: the template cannot be executed with ``data``, or takes more than the limits allow.
        """
        known = {**self.functions, **functions} if functions else self.functions
        return Execution(self.name, self.text, self.trees, known).run(data)


def parse(text: str, *, name: str = "", functions: Mapping[str, Function] | None = None) -> Template:
    """Parse ``text``; ``functions`` are known to it beside Go's own, and go before them.

    Raises:
        TemplateError: the text is not a template; the message has its name and the line.
    """
    known = {**BUILTINS, **(functions or {})}
    return Template(name, text, parser.parse(text, name, known), known)
