"""The JSON that llama.cpp's server speaks: requests made from a prompt and sampling, replies turned into pieces.

The fields are those of ``/completion`` and ``/v1/chat/completions`` of llama-server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from puna import media
from puna.engine import Generated, Sampling, Stopped
from puna.engine.calls import CallDelta, Calls
from puna.engine.schema import ANY_OBJECT, ANY_OBJECT_GRAMMAR, enforceable
from puna.errors import ContextTooLong, GenerationFailed, InvalidRequest, PunaError, Unsupported
from puna.events import Piece, PromptProgress
from puna.types import Conversation, Prompt, TokenLogprob, Usage


class _Probability(msgspec.Struct):
    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list[_Probability] = []


class _Timings(msgspec.Struct):
    cache_n: int = 0
    prompt_n: int = 0
    prompt_ms: float = 0.0
    predicted_n: int = 0
    predicted_ms: float = 0.0


class _Progress(msgspec.Struct):
    total: int = 0
    cache: int = 0
    processed: int = 0


class _Error(msgspec.Struct):
    message: str = ""
    code: int | str = 500
    type: str = ""
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class _Logprobs(msgspec.Struct):
    content: list[_Probability] | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[CallDelta] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Event(msgspec.Struct):
    """One event of either stream: the fields of both, since no name means two things."""

    content: str = ""
    stop: bool = False
    stop_type: str = ""
    stopping_word: str = ""
    completion_probabilities: list[_Probability] | None = None
    choices: list[_Choice] | None = None
    timings: _Timings | None = None
    prompt_progress: _Progress | None = None
    error: _Error | None = None


class _Failure(msgspec.Struct):
    error: _Error


class _Props(msgspec.Struct):
    media_marker: str = ""


_DEFAULT_MEDIA_MARKER = "<__media__>"
_BY_TEMPLATE = "Jinja Exception: "
_encode = msgspec.json.Encoder().encode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_failure = msgspec.json.Decoder(_Failure).decode
_decode_props = msgspec.json.Decoder(_Props).decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
"""What msgspec raises on bytes that are not the JSON they should be, or not UTF-8."""


def request(prompt: Prompt | Conversation, sampling: Sampling, media_marker: str = "") -> tuple[str, bytes]:
    """The path and body that ask for a streamed answer to ``prompt``.

    ``media_marker`` is the text in whose place the engine puts a picture or sound, "" if the model takes none.
    """
    if isinstance(prompt, Prompt):
        body = _common(sampling) | {
            "prompt": _given(prompt, media_marker or _DEFAULT_MEDIA_MARKER),
            "n_predict": sampling.max_tokens,
            # Without this the last event repeats the whole prompt and every setting.
            "response_fields": ["content", "stop", "stop_type", "stopping_word", "timings"],
        }
        if prompt.preserved_tokens:
            body["preserved_tokens"] = prompt.preserved_tokens
        if sampling.format == "json":
            body["grammar"] = ANY_OBJECT_GRAMMAR
        elif sampling.format is not None:
            body["json_schema"] = enforceable(sampling.format)
        if sampling.top_logprobs is not None:
            body["n_probs"] = max(sampling.top_logprobs, 1)
        return "/completion", _encode(body)
    body = _common(sampling) | {
        "messages": prompt.messages,
        "max_tokens": sampling.max_tokens,
        "reasoning_format": "auto",
    }
    if prompt.tools:
        # Templates differ in whether several calls at once are their default.
        body |= {"tools": prompt.tools, "parallel_tool_calls": prompt.parallel_calls}
    if prompt.template_kwargs:
        body["chat_template_kwargs"] = prompt.template_kwargs
    if sampling.format == "json":
        body["response_format"] = {"type": "json_object", "schema": ANY_OBJECT}
    elif sampling.format is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "schema", "schema": enforceable(sampling.format)},
        }
    if sampling.top_logprobs is not None:
        alternatives = max(sampling.top_logprobs, 1)
        # The chat route refuses to stream ``logprobs`` together with tools, but not the engine's own word for them.
        body |= {"n_probs": alternatives} if prompt.tools else {"logprobs": True, "top_logprobs": alternatives}
    return "/v1/chat/completions", encode(body, media_marker)


def _common(sampling: Sampling) -> dict[str, Any]:
    options = sampling.options
    bias = {"logit_bias": list(sampling.logit_bias.items())} if sampling.logit_bias else {}
    return bias | {
        "stream": True,
        "return_progress": True,
        "cache_prompt": True,
        "seed": options.seed & 0xFFFFFFFF,
        "temperature": options.temperature,
        "top_k": options.top_k,
        "top_p": options.top_p,
        "min_p": options.min_p,
        "typical_p": options.typical_p,
        "repeat_penalty": options.repeat_penalty,
        "repeat_last_n": options.repeat_last_n,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        "stop": options.stop,
        "n_keep": options.num_keep,
    }


def _given(prompt: Prompt, media_marker: str) -> Any:
    """What the engine is given for ``prompt``: a text, tokens that a text may follow, or text with images."""
    if prompt.tokens:
        return [*prompt.tokens, prompt.text] if prompt.text else prompt.tokens
    return _multimodal(prompt, media_marker) if prompt.images else prompt.text


def _multimodal(prompt: Prompt, media_marker: str) -> dict[str, Any] | str:
    """The prompt with the images whose markers stand in its text, in their order."""
    text: list[str] = []
    images: list[bytes] = []
    for part in media.parts(prompt.text):
        if isinstance(part, str):
            text.append(part.replace(media_marker, _broken(media_marker)))
        elif part < len(prompt.images):
            text.append(media_marker)
            images.append(prompt.images[part])
        else:
            text.append(media.marker(part))
    return {"prompt_string": "".join(text), "multimodal_data": images} if images else "".join(text)


def _broken(media_marker: str) -> str:
    """``media_marker`` as the engine does not know it: in a caller's text it would ask for an image too many."""
    return f"{media_marker[0]}\u200b{media_marker[1:]}"


def encode(body: Mapping[str, Any], media_marker: str = "") -> bytes:
    """A request body as JSON, in which ``media_marker`` is nothing but text."""
    encoded = _encode(body)
    return encoded.replace(media_marker.encode(), _broken(media_marker).encode()) if media_marker else encoded


def media_marker(status: int, body: bytes) -> str:
    """The text in whose place the engine puts a picture or sound, by its reply to ``/props``.

    Today's llama.cpp makes up another one at every start, so that no caller can write it; an older one has one for all.
    """
    if status != 200:
        return _DEFAULT_MEDIA_MARKER
    try:
        return _decode_props(body).media_marker or _DEFAULT_MEDIA_MARKER
    except UNREADABLE:
        return _DEFAULT_MEDIA_MARKER


def failure(status: int, body: bytes) -> PunaError:
    """The error that a reply with an error status means."""
    try:
        return _error(_decode_failure(body).error, status)
    except UNREADABLE:
        return GenerationFailed(f"the engine answered {status}: {body[:500].decode('utf-8', 'replace')}")


def _error(error: _Error, status: int) -> PunaError:
    if error.type == "exceed_context_size_error":
        return ContextTooLong(error.n_prompt_tokens, error.n_ctx)
    message = error.message or f"the engine answered {status}"
    _, by_template, refusal = message.partition(_BY_TEMPLATE)
    refused: PunaError
    if by_template:
        refused = InvalidRequest(f"the model's template refuses this conversation: {refusal.strip()}")
    elif status in {400, 422}:
        refused = InvalidRequest(message)
    else:
        refused = (Unsupported if status == 501 else GenerationFailed)(message)
    refused.quotes = True  # llama.cpp says what it could not make sense of
    return refused


class Decoder:
    """Turns the events of one stream into what the contract calls ``Generated``; ``stopped`` once the last has come."""

    def __init__(self, sampling: Sampling) -> None:
        self.stopped = False
        self._silent = sampling.max_tokens == 0
        self._alternatives = sampling.top_logprobs or 0
        self._finish = ""
        self._calls = Calls()

    def feed(self, data: bytes) -> Iterator[Generated]:
        """The items that one event's data holds.

        Raises:
            GenerationFailed: the event reports an error, or is not one.
        """
        if data == b"[DONE]":
            return
        try:
            event = _decode_event(data.removeprefix(b"error: "))
        except UNREADABLE as error:
            raise GenerationFailed(f"the engine sent what is not an event: {data[:200]!r}") from error
        if event.error is not None:
            raise _error(event.error, int(event.error.code) if str(event.error.code).isdigit() else 500)
        if event.prompt_progress is not None:
            progress = event.prompt_progress
            yield PromptProgress(progress.processed, progress.total, progress.cache)
        elif event.choices is not None:
            yield from self._chat(event)
        else:
            yield from self._completion(event)

    def _completion(self, event: _Event) -> Iterator[Generated]:
        if (event.content or event.completion_probabilities) and not self._silent:
            yield Piece(event.content, logprobs=self._logprobs(event.completion_probabilities))
        if event.stop:
            yield self._stop(event.stop_type == "limit", event.timings, event.stopping_word)

    def _chat(self, event: _Event) -> Iterator[Generated]:
        for choice in event.choices or ():
            if not self._silent:
                yield from self._said(choice)
            self._finish = choice.finish_reason or self._finish
        if self._finish and not self.stopped:
            yield from self._calls.close(cut=self._finish == "length")
            yield self._stop(self._finish == "length", event.timings)

    def _said(self, choice: _Choice) -> Iterator[Piece]:
        text, thinking = choice.delta.content or "", choice.delta.reasoning_content or ""
        logprobs = self._logprobs(choice.logprobs.content if choice.logprobs else None)
        if text or thinking:
            yield from self._calls.close()
        if text or thinking or logprobs:
            yield Piece(text, thinking, logprobs)
        for delta in choice.delta.tool_calls or ():
            yield from self._calls.feed(delta)

    def _stop(self, limit: bool, timings: _Timings | None, stop_sequence: str = "") -> Stopped:
        self.stopped = True
        spent = timings or _Timings()
        usage = Usage(spent.cache_n + spent.prompt_n, 0 if self._silent else spent.predicted_n, spent.cache_n)
        seconds = 0.0 if self._silent else spent.predicted_ms / 1000
        return Stopped("length" if limit else "stop", usage, spent.prompt_ms / 1000, seconds, stop_sequence)

    def _logprobs(self, found: list[_Probability] | None) -> tuple[TokenLogprob, ...]:
        return tuple(self._logprob(one, one.top_logprobs[: self._alternatives]) for one in found or ())

    def _logprob(self, one: _Probability, alternatives: list[_Probability]) -> TokenLogprob:
        content = tuple(one.bytes if one.bytes is not None else one.token.encode())
        return TokenLogprob(one.token, one.logprob, content, tuple(self._logprob(other, []) for other in alternatives))
