"""Bodies of ``/v1/responses`` -> puna's requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from puna.errors import InvalidRequest
from puna.http import parameters as common
from puna.http.body import Fields, first_value
from puna.http.cloud import local_name
from puna.http.dialects.openai import messages, parameters
from puna.http.dialects.openai.responses import items, wire
from puna.types import ChatRequest, Tool

_MOST_METADATA = 16


@dataclass(frozen=True, slots=True)
class Call:
    """A decoded call: the request without its messages, which are to be made of ``items``, and of what came before.

    ``echo`` is what the reply repeats of what was asked, and nothing that was said.
    """

    request: ChatRequest
    instructions: str
    items: Sequence[Any]
    previous: str
    stream: bool
    echo: wire.Response

    def asked(self, history: Sequence[Any]) -> ChatRequest:
        """The request, when ``history`` are the items of the responses it goes on from."""
        return replace(self.request, messages=items.messages(self.instructions, [*history, *self.items], len(history)))


def decode(body: bytes, id_: str, now: int) -> Call:
    """Decode a body; the response is to have ``id_``, and ``now`` is the time in seconds since the epoch.

    Raises:
        InvalidRequest: a field is not what it must be, or no model is named.
        CloudDisabled: a cloud model is.
    """
    fields = Fields(first_value(body), "ResponsesRequest")
    model = fields.text("model")
    name = local_name(model, "remote model is")
    asked = items.items(fields.raw("input"))
    if not name:
        raise InvalidRequest("model is required")
    if fields.raw("conversation") is not None:
        raise InvalidRequest("conversation is not supported: send previous_response_id, or the conversation itself")
    if fields.flag("background"):
        raise InvalidRequest("background is not supported: leave it out, and have the answer streamed if it is long")
    # How many of the best tokens are told only matters where they are asked for.
    alternatives = parameters.alternatives(fields, "top_logprobs")
    truncation = fields.text("truncation")
    if truncation not in {"", "auto", "disabled"}:
        raise InvalidRequest('truncation must be "auto" or "disabled"')
    wanted = Fields(Fields(fields.mapping("text"), "ResponsesText").mapping("format"), "ResponsesTextFormat")
    options = parameters.options(fields, "max_output_tokens", temperature=1.0)
    tools, echoed = _tools(fields.raw("tools"))
    parallel = fields.flag("parallel_tool_calls", default=True)
    request = ChatRequest(
        model=name,
        tools=tools,
        tool_choice=parameters.tool_choice(fields.raw("tool_choice"), parallel=parallel),
        options=options,
        keep_alive=common.keep_alive(fields.raw("keep_alive")),
        format=parameters.format_(wanted.text("type"), wanted.mapping("schema"), "text.format"),
        think=parameters.effort(fields),
        truncate=truncation != "disabled",
        logprobs="message.output_text.logprobs" in fields.texts("include"),
        top_logprobs=alternatives,
    )
    echo = wire.Response(
        id=id_,
        created_at=now,
        model=model,
        previous_response_id=fields.text("previous_response_id") or None,
        instructions=fields.text("instructions") or None,
        tools=echoed,
        tool_choice=fields.raw("tool_choice") or "auto",
        truncation=truncation or "auto",
        parallel_tool_calls=parallel,
        text=_text(fields.mapping("text") or {}),
        top_p=_number(options.get("top_p"), 1.0),
        presence_penalty=_number(options.get("presence_penalty"), 0.0),
        frequency_penalty=_number(options.get("frequency_penalty"), 0.0),
        top_logprobs=alternatives,
        temperature=_number(options.get("temperature"), 1.0),
        reasoning=fields.mapping("reasoning") or None,
        max_output_tokens=_whole(fields, "max_output_tokens"),
        max_tool_calls=_whole(fields, "max_tool_calls"),
        store=fields.flag("store", default=True),
        metadata=_metadata(fields),
        safety_identifier=fields.text("safety_identifier") or None,
        prompt_cache_key=fields.text("prompt_cache_key") or None,
    )
    return Call(
        request, fields.text("instructions"), asked, fields.text("previous_response_id"), fields.flag("stream"), echo
    )


def _number(value: Any, default: float) -> float:
    return value if isinstance(value, int | float) else default


def _whole(fields: Fields, name: str) -> int | None:
    return fields.whole(name) if fields.raw(name) is not None else None


def _text(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """``said`` of the text, with the format it has if none is."""
    return said if said.get("format") else {**said, "format": {"type": "text"}}


def _metadata(fields: Fields) -> Mapping[str, Any]:
    found = fields.mapping("metadata") or {}
    if len(found) > _MOST_METADATA:
        raise InvalidRequest(f"metadata may have {_MOST_METADATA} keys")
    return found


def _tools(values: Any) -> tuple[tuple[Tool, ...], list[Any]]:
    """The tools a model is offered, and all of them as a reply repeats them.

    Those that only OpenAI's own servers could run are repeated, and not offered.
    """
    if not isinstance(values, list | None):
        raise InvalidRequest("tools must be a list")
    found: list[Tool] = []
    echoed: list[Any] = []
    for value in values or ():
        fields = Fields(value, "ResponsesTool")
        match fields.text("type"):
            case "function" | "":
                found.append(messages.tool(value))
                echoed.append(_echoed(fields))
            case "namespace":
                found += _members(fields)
                echoed.append(value)
            case _:
                echoed.append(value)
    return tuple(found), echoed


def _members(space: Fields) -> tuple[Tool, ...]:
    name = space.text("name")

    def read(value: Any) -> Tool:
        member = Fields(value, "ResponsesTool")
        return messages.tool({**(value or {}), "name": f"{name}.{member.text('name')}"})

    return space.objects("tools", "openai.ResponsesTool", read)


def _echoed(fields: Fields) -> dict[str, Any]:
    keys = ("name", "description", "strict", "parameters")
    return {"type": "function", **{key: fields.raw(key) for key in keys}}
