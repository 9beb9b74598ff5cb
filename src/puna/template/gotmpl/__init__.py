"""Go's text/template language: parse a template, look at its trees, execute it.

Pure and bounded: a template sees the data it is given and nothing else, and no template can hang or grow at will.
"""

from puna.template.gotmpl.limits import MAX_CALLS, MAX_CHARACTERS, MAX_STEPS
from puna.template.gotmpl.signatures import Function, FunctionError
from puna.template.gotmpl.template import Template, parse
from puna.template.gotmpl.values import Printed, Struct

__all__ = [
    "MAX_CALLS",
    "MAX_CHARACTERS",
    "MAX_STEPS",
    "Function",
    "FunctionError",
    "Printed",
    "Struct",
    "Template",
    "parse",
]
