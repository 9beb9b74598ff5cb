"""Tools as Ollama writes them into prompts: its own fields in its own order, whatever the caller's order was."""

from __future__ import annotations

import json
from typing import Any

from puna.template import data
from puna.template.gojson import encode
from puna.types import Tool


def described(tool: Tool) -> dict[str, Any]:
    """``tool`` as plain JSON values, with the keys and the order of Ollama's tool type.

    Keywords of JSON Schema which that type lacks are left out; whole numbers are ints. Renderers format it further.
    """
    value: dict[str, Any] = json.loads(encode(data.tools([tool])[0]))
    parameters = value["function"]["parameters"]
    if properties := parameters["properties"]:  # in a TEMPLATE they are a map, which Go sorts; here they are not
        given = tool.definition["function"]["parameters"]["properties"]
        parameters["properties"] = {str(name): properties[str(name)] for name in given}
    return value
