"""``/v1/completions``."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from msgspec import UNSET
from starlette.requests import Request
from starlette.types import ASGIApp

from puna import types
from puna.errors import InvalidRequest, ModelNotFound
from puna.events import Answer, Done, Event, Text
from puna.http import parameters as common
from puna.http.body import Fields, first_value
from puna.http.cloud import local_name
from puna.http.dialects import Chat, Route
from puna.http.dialects.openai import choices, described, encode, parameters, replies, wire
from puna.http.dialects.openai.chat import seeded
from puna.http.stream import race
from puna.types import GenerateRequest

_DEFAULTS = {"temperature": 1.0, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0}


@dataclass(frozen=True, slots=True)
class Call:
    """A decoded call: ``count`` texts are wanted of each of ``requests``, the likeliest of ``best_of``.

    ``model`` is the name as replies repeat it; ``alternatives`` are the tokens to be told beside each, None for none at
    all.
    """

    requests: tuple[GenerateRequest, ...]
    model: str
    count: int
    best_of: int
    echo: bool
    alternatives: int | None
    stream: bool
    include_usage: bool

    def answers(self, chat: Chat) -> Iterator[AsyncGenerator[Event, None]]:
        """All texts that are to be made, those of one prompt side by side."""
        return (
            chat.generate(replace(one, options=seeded(dict(one.options), at)))
            for one in self.requests
            for at in range(self.best_of)
        )


def routes(chat: Chat) -> Sequence[Route]:
    """The routes of completions."""
    return (
        Route(
            ("POST",),
            "/v1/completions",
            partial(_complete, chat),
            replies.refuse,
            "infer",
            counted=True,
            about=described.COMPLETIONS,
        ),
    )


def decode(body: bytes) -> Call:
    """Decode a body of ``/v1/completions``.

    Raises:
        InvalidRequest: a field is not what it must be, or what is asked for cannot be done.
        ModelNotFound: no model is named.
        CloudDisabled: a cloud model is.
    """
    fields = Fields(first_value(body), "CompletionRequest")
    model = fields.text("model")
    name = local_name(model, "remote model is")
    options = parameters.options(fields, "max_completion_tokens", **_DEFAULTS)
    options["top_p"] = options["top_p"] or 1.0
    asked = fields.raw("logprobs") is not None
    alternatives = parameters.alternatives(fields, "logprobs") if asked else None
    count = parameters.choices(fields)
    best_of = parameters.choices(fields, "best_of") if fields.raw("best_of") is not None else count
    echo, stream = fields.flag("echo"), fields.flag("stream")
    shared: dict[str, Any] = {
        "model": name,
        "suffix": fields.text("suffix"),
        "options": options,
        "keep_alive": common.keep_alive(fields.raw("keep_alive")),
        "think": parameters.effort(fields),
        "truncate": fields.flag("truncate", default=True),
        # The likeliest of several is found by their probabilities.
        "logprobs": asked or best_of > count,
        "top_logprobs": alternatives or 0,
        "logit_bias": parameters.logit_bias(fields),
    }
    requests = tuple(GenerateRequest(**shared, **prompt) for prompt in _prompts(fields.raw("prompt")))
    if best_of < count:
        raise InvalidRequest("best_of must not be less than n")
    if best_of > count and stream:
        raise InvalidRequest("best_of: the best text is known only when all are finished, so it cannot be streamed")
    if echo and asked:
        raise InvalidRequest("echo: the probabilities of a prompt's tokens are not known, so logprobs must be left out")
    if echo and any(one.tokens for one in requests):
        raise InvalidRequest("echo: a prompt of tokens has no text to be repeated")
    include_usage = parameters.includes_usage(fields)
    if not name:
        raise ModelNotFound("")
    return Call(requests, model, count, best_of, echo, alternatives, stream, include_usage)


def _prompts(value: Any) -> list[dict[str, Any]]:
    match value:
        case None:
            return [{"prompt": ""}]
        case str():
            return [{"prompt": value}]
        case [_, *_] if all(isinstance(one, str) for one in value):
            return [{"prompt": one} for one in value]
        case list() if tokens(value):
            return [{"tokens": tuple(value), "raw": True}]
        case [_, *_] if all(isinstance(one, list) and tokens(one) for one in value):
            return [{"tokens": tuple(one), "raw": True} for one in value]
    raise InvalidRequest("invalid prompt: it must be a string, a list of tokens, or a list of either")


def tokens(value: Sequence[Any]) -> bool:
    """Whether these are tokens, and at least one."""
    return bool(value) and all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in value)


async def _complete(chat: Chat, request: Request) -> ASGIApp:
    """Complete one prompt or several."""
    call = decode(await replies.body(request))
    words = Words(parameters.new_id("cmpl-"), call)
    if not call.stream:
        return replies.json(words.whole(await race(choices.whole(call.answers(chat)), request.receive)))
    return replies.stream(choices.merged(call.answers(chat)), lambda event: words.chunks(*event))


class Words:
    """Says what happens in one call."""

    def __init__(self, id_: str, call: Call) -> None:
        self._id = id_
        self._call = call
        self._created = int(time.time())
        self._begun: set[int] = set()
        self._lengths: dict[int, int] = {}
        self._done: dict[int, Done] = {}

    def chunks(self, index: int, event: Event) -> bytes:
        """What a stream says of ``event``, of the text number ``index``."""
        match event:
            case Text():
                return self._delta(index, event.text, event.logprobs)
            case Done():
                return self._end(index, event)
            case _:
                return b""

    def whole(self, answers: Sequence[Answer]) -> wire.Completion:
        """The reply that has the best of ``answers``."""
        call = self._call
        found: list[wire.TextChoice] = []
        for at, request in enumerate(call.requests):
            mine = answers[at * call.best_of : (at + 1) * call.best_of]
            if call.best_of > call.count:
                mine = sorted(mine, key=_likelihood, reverse=True)[: call.count]
            for answer in mine:
                text = (request.prompt if call.echo else "") + answer.text
                choice = wire.TextChoice(text, len(found), encode.finish_reason(answer.done))
                if call.alternatives is not None:
                    choice.logprobs = _logprobs(answer.logprobs, 0)
                found.append(choice)
        reply = self._completion(found)
        reply.usage = self._usage([answer.done for answer in answers])
        return reply

    def _delta(self, index: int, text: str, found: Sequence[types.TokenLogprob]) -> bytes:
        if index not in self._begun:
            self._begun.add(index)
            if self._call.echo:
                text = self._call.requests[index // self._call.best_of].prompt + text
        choice = wire.TextChoice(text, index, None)
        if found and self._call.alternatives is not None:
            choice.logprobs = _logprobs(found, self._lengths.get(index, 0))
            self._lengths[index] = self._lengths.get(index, 0) + sum(len(one.token) for one in found)
        return self._chunk([choice])

    def _end(self, index: int, done: Done) -> bytes:
        said = self._delta(index, "", ()) if self._call.echo and index not in self._begun else b""
        said += self._chunk([wire.TextChoice("", index, encode.finish_reason(done))])
        self._done[index] = done
        if len(self._done) < len(self._call.requests) * self._call.best_of:
            return said
        if self._call.include_usage:
            last = self._completion([])
            last.usage = self._usage([self._done[at] for at in sorted(self._done)])
            said += replies.event(last)
        return said + encode.DONE

    def _chunk(self, found: Sequence[wire.TextChoice]) -> bytes:
        reply = self._completion(found)
        if self._call.include_usage:
            reply.usage = wire.Usage(0, 0, 0)
        return replies.event(reply)

    def _completion(self, found: Sequence[wire.TextChoice]) -> wire.Completion:
        return wire.Completion(id=self._id, created=self._created, model=self._call.model, choices=found)

    def _usage(self, ends: Sequence[Done]) -> wire.Usage:
        """What all texts took; a prompt counts once, however many texts were made of it."""
        each = [encode.usage(ends[at : at + self._call.best_of]) for at in range(0, len(ends), self._call.best_of)]
        prompt = sum(one.prompt_tokens for one in each)
        completion = sum(done.usage.completion_tokens for done in ends)
        cached = sum(one.prompt_tokens_details.cached_tokens for one in each if one.prompt_tokens_details is not UNSET)
        truncated = any(one.prompt_truncated for one in each)
        reasoning = wire.CompletionDetails(sum(done.usage.reasoning_tokens for done in ends))
        details = wire.PromptDetails(cached)
        return wire.Usage(prompt, completion, prompt + completion, details, reasoning, prompt_truncated=truncated)


def _likelihood(answer: Answer) -> float:
    """How likely a text was, by token: else the shortest would be the best."""
    found = [one.logprob for one in answer.logprobs]
    return sum(found) / len(found) if found else 0.0


def _logprobs(found: Iterable[types.TokenLogprob], offset: int) -> wire.TextLogprobs:
    told = wire.TextLogprobs([], [], [], [])
    for one in found:
        told.tokens.append(one.token)
        told.token_logprobs.append(one.logprob)
        told.top_logprobs.append({other.token: other.logprob for other in one.alternatives})
        told.text_offset.append(offset)
        offset += len(one.token)
    return told
