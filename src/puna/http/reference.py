"""An OpenAPI document as a page for people, who need no network and no program to read it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import msgspec

_CODE = re.compile(r"`{1,2}([^`]+)`{1,2}")

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:54em;margin:1.5em auto;padding:0 1em;overflow-wrap:break-word}
code,pre{font:14px/1.45 ui-monospace,monospace}
pre{overflow:auto;background:#8882;padding:.8em;border-radius:.4em}
details,section{border-bottom:1px solid #8885;padding:.35em 0}
summary{cursor:pointer}
h2{margin-top:2em}h3{margin:.6em 0 .2em;font-size:1em}h4{margin:.8em 0 .2em;font-size:.95em}
dl{margin:.3em 0}dt{margin-top:.4em}dd{margin:0 0 0 1.2em}
dt small,dd{opacity:.85}
b{display:inline-block;min-width:4.6em;font-size:.85em}
:target{background:#fc03}
"""


def page(about: Mapping[str, Any]) -> str:
    """The document ``about`` as a page of HTML that needs nothing else."""
    return "\n".join(_parts(about))


def _parts(about: Mapping[str, Any]) -> Iterator[str]:
    info, schemas = about["info"], about["components"]["schemas"]
    yield "<!doctype html><html lang=en><meta charset=utf-8>"
    yield "<meta name=viewport content='width=device-width,initial-scale=1'>"
    yield f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>"
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    yield f"<p>{escape(info['description'])} For programs: <a href=/openapi.json>/openapi.json</a>.</p>"
    for tag in about["tags"]:
        yield f"<h2>{escape(tag['description'])}</h2>"
        for path, operations in about["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation["tags"]:
                    yield from _operation(method, path, operation)
    yield "<h2>Types</h2>"
    for name, schema in schemas.items():
        yield f"<section id='{escape(name)}'><h3><code>{escape(name)}</code></h3>{_described(schema)}"
        yield from _fields(schema)
        yield "</section>"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<details><summary><b>{escape(method.upper())}</b> <code>{escape(path)}</code> "
    yield f"{escape(operation['summary'])}</summary>"
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        yield f"<h4><code>{escape(parameter['name'])}</code>: {_type(schema)}</h4>{_described(schema)}"
    if body := operation.get("requestBody"):
        for media_type, content in body["content"].items():
            yield f"<h4>takes {escape(media_type)}: {_type(content['schema'])}</h4>"
            for name, example in content.get("examples", {}).items():
                yield f"<p>{escape(name)}:</p><pre>{_pretty(example['value'])}</pre>"
    yield "<dl>"
    for status, response in operation["responses"].items():
        yield f"<dt><code>{escape(status)}</code> {_marked(response['description'])}</dt>"
        for media_type, content in response.get("content", {}).items():
            schema = content["schema"]
            if media_type == "text/event-stream":
                schema = schema["properties"]["data"]
            yield f"<dd>{escape(media_type)}: {_type(schema)}</dd>"
    yield "</dl></details>"


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    if not schema.get("properties"):
        return
    yield "<dl>"
    for name, field in schema["properties"].items():
        needed = " <small>required</small>" if name in required else ""
        default = field.get("default")
        said = f" <small>default {escape(_json(default))}</small>" if default not in (None, "", [], {}) else ""
        yield f"<dt><code>{escape(name)}</code>: {_type(field)}{needed}{said}</dt>"
        if text := field.get("description"):
            yield f"<dd>{_marked(text)}</dd>"
    yield "</dl>"


def _described(schema: Mapping[str, Any]) -> str:
    return f"<p>{_marked(text)}</p>" if (text := schema.get("description")) else ""


def _marked(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _type(schema: Mapping[str, Any]) -> str:
    """What a value of ``schema`` is, in a few words, the names of types as links."""
    if reference := schema.get("$ref"):
        name = escape(reference.rpartition("/")[2])
        return f"<a href='#{name}'>{name}</a>"
    if encoded := schema.get("contentSchema"):
        return _type(encoded)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return " or ".join(_type(one) for one in schema[keyword])
    if "const" in schema or "enum" in schema:
        return " or ".join(f"<code>{escape(_json(one))}</code>" for one in schema.get("enum", [schema.get("const")]))
    kinds = schema.get("type", "anything")
    if isinstance(kinds, list):
        return " or ".join(_type({**schema, "type": kind}) for kind in kinds)
    if kinds == "array":
        return f"list of {_type(schema.get('items') or {})}"
    return f"{escape(kinds)}{_bounds(schema)}"


def _bounds(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    said = [f"from {least}"] if least is not None else []
    said += [f"to {most}"] if most is not None else []
    return f" ({' '.join(said)})" if said else ""


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _pretty(value: Any) -> str:
    return escape(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
