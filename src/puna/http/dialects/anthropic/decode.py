"""Bodies of Anthropic's API -> puna's requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from puna.errors import CloudDisabled, InvalidRequest
from puna.http.body import Fields, first_value
from puna.http.cloud import local_name
from puna.http.dialects.anthropic.content import conversation
from puna.http.parameters import keep_alive
from puna.types import ChatRequest, Format, Think, Tool, ToolChoice

_EFFORTS: dict[str, Think] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "max"}


@dataclass(frozen=True, slots=True)
class Call:
    """A decoded call. ``model`` is the name as the caller wrote it, which replies repeat."""

    request: ChatRequest
    model: str
    stream: bool
    stop_sequences: tuple[str, ...]


def messages(body: bytes) -> Call:
    """Decode a body of ``/v1/messages``, which may have ``options`` and ``keep_alive`` as Ollama's own API.

    Raises:
        InvalidRequest: something is missing, has the wrong type, or asks for what cannot be.
        CloudDisabled: a cloud model is named, or a search of the web is offered.
    """
    fields = Fields(first_value(body), "MessagesRequest")
    name = _name(fields)
    max_tokens = fields.whole("max_tokens")
    if max_tokens <= 0:
        raise InvalidRequest("max_tokens is required and must be positive")
    stop = tuple(filter(None, fields.texts("stop_sequences")))
    options: dict[str, Any] = {**(fields.mapping("options") or {}), "num_predict": max_tokens}
    options |= {name: value for name in ("temperature", "top_p", "top_k") if (value := fields.raw(name)) is not None}
    if stop:
        options["stop"] = list(stop)
    return Call(_request(fields, name, options), fields.text("model"), fields.flag("stream"), stop)


def count_tokens(body: bytes) -> ChatRequest:
    """Decode a body of ``/v1/messages/count_tokens``; raises as ``messages``."""
    fields = Fields(first_value(body), "CountTokensRequest")
    return _request(fields, _name(fields), dict(fields.mapping("options") or {}))


def _name(fields: Fields) -> str:
    if not (name := local_name(fields.text("model"), "remote model is")):
        raise InvalidRequest("model is required")
    return name


def _request(fields: Fields, name: str, options: dict[str, Any]) -> ChatRequest:
    said = fields.raw("messages")
    if not isinstance(said, list | None):
        raise InvalidRequest("messages: must be a list")
    if not said:
        raise InvalidRequest("messages is required")
    config = Fields(fields.mapping("output_config"), "OutputConfig")
    return ChatRequest(
        model=name,
        options=options,
        keep_alive=keep_alive(fields.raw("keep_alive")),
        messages=conversation(fields.raw("system"), said),
        tools=_tools(fields),
        tool_choice=_tool_choice(fields.mapping("tool_choice")),
        think=_think(fields, config),
        think_if_able=True,
        format=_format(config.mapping("format") or fields.mapping("output_format")),
    )


def _tools(fields: Fields) -> tuple[Tool, ...]:
    offered = fields.raw("tools")
    if not isinstance(offered, list | None):
        raise InvalidRequest("tools: must be a list")
    return tuple(_tool(Fields(tool, "Tool"), at) for at, tool in enumerate(offered or ()))


def _tool(fields: Fields, at: int) -> Tool:
    """A tool in the form that templates and the engine know, which is OpenAI's."""
    kind, name = fields.text("type"), fields.text("name")
    if kind.startswith("web_search"):
        raise CloudDisabled("web search is")
    if kind not in {"", "custom"}:
        raise InvalidRequest(
            f'tools.{at}.type: "{kind}" is a tool of Anthropic\'s; only "custom" ones are possible here'
        )
    if not name:
        raise InvalidRequest(f"tools.{at}.name: is required")
    function: dict[str, Any] = {"name": name}
    if description := fields.text("description"):
        function["description"] = description
    function["parameters"] = fields.mapping("input_schema") or {"type": "object", "properties": {}}
    return Tool(name, {"type": "function", "function": function})


def _tool_choice(value: Mapping[str, Any] | None) -> ToolChoice:
    fields = Fields(value, "ToolChoice")
    parallel, name = not fields.flag("disable_parallel_tool_use"), fields.text("name")
    match fields.text("type"):
        case "" | "auto":
            return ToolChoice(parallel=parallel)
        case "none":
            return ToolChoice("none")
        case "any":
            return ToolChoice("required", parallel=parallel)
        case "tool" if name:
            return ToolChoice("required", (name,), parallel)
        case "tool":
            raise InvalidRequest("tool_choice.name: is required")
        case kind:
            raise InvalidRequest(f'tool_choice.type: must be "auto", "any", "tool" or "none", not "{kind}"')


def _think(fields: Fields, config: Fields) -> Think:
    effort = _EFFORTS.get(config.text("effort").strip().lower())
    match Fields(fields.mapping("thinking"), "ThinkingConfig").text("type"):
        case "enabled":
            return True
        case "adaptive" | "between_tools":
            return effort or True
        case "disabled":
            return False
        case _:
            return effort


def _format(format_: Mapping[str, Any] | None) -> Format:
    if format_ is None:
        return None
    fields = Fields(format_, "OutputFormat")
    schema = fields.mapping("schema")
    if fields.text("type") != "json_schema" or schema is None:
        raise InvalidRequest('output_config.format: must be {"type": "json_schema", "schema": {...}}')
    return schema
