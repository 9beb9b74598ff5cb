"""The environment: variables that puna does not know, that set nothing here, or whose values it cannot read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from puna.address import clean
from puna.config import CLIENT, MEANINGLESS, TABLE
from puna.diagnosis import Finding, Section

_OF_THE_BUILD = "PUNA_MAKE_"


def section(environ: Mapping[str, str]) -> Section:
    """What ``environ`` sets. Values are not shown but of settings: the others may be secrets."""
    known = {row.name for row in TABLE}
    facts = tuple((name, environ[name]) for name in sorted(known & environ.keys()) if environ[name].strip())
    return Section("Settings", facts, tuple(_findings(environ, known | CLIENT.keys())))


def _findings(environ: Mapping[str, str], known: set[str]) -> Iterator[Finding]:
    for row in TABLE:
        text = clean(environ.get(row.name, ""))
        try:
            row.parse(text or row.default)
        except ValueError as error:
            default = f"{row.default!r}, the default, counts" if row.default else "it is ignored"
            yield Finding(
                "warning", f"{row.name}={text} cannot be read ({error}): {default}", f"{row.name}: {row.help}"
            )
    for name in sorted(environ):
        if name in MEANINGLESS:
            yield Finding("note", f"{name} sets nothing here", f"unset it: {MEANINGLESS[name]}")
        elif name.startswith(("OLLAMA_", "PUNA_")) and name not in known and not name.startswith(_OF_THE_BUILD):
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.8)
            advice = f"did you mean {near[0]}?" if near else "docs/settings.md lists all there are"
            yield Finding("warning", f"{name} is no setting of puna, and does nothing", advice)
