"""What the description of the API says of OpenAI's routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from puna.http.dialects import About
from puna.http.dialects.openai import bodies, wire
from puna.http.dialects.openai.responses import wire as responses
from puna.http.dialects.openai.responses.bodies import ResponsesBody

_HI: dict[str, Any] = {"model": "smollm2", "messages": [{"role": "user", "content": "Hi"}]}
_SKY = {"type": "object", "properties": {"sky": {"type": "string"}}, "required": ["sky"]}
_SSE = "text/event-stream"
_DONE = Literal["[DONE]"]

CHAT = About(
    takes=bodies.ChatBody,
    gives=wire.Chat,
    streams=(wire.Chunk, wire.Error, _DONE),
    streams_as=_SSE,
    fails=wire.Error,
    refuses=(404,),
    examples={
        "a chat": _HI,
        "a stream": _HI | {"stream": True, "stream_options": {"include_usage": True}, "max_completion_tokens": 16},
        "JSON": _HI | {"response_format": {"type": "json_schema", "json_schema": {"name": "sky", "schema": _SKY}}},
        "two answers": _HI | {"n": 2, "logprobs": True, "top_logprobs": 2},
    },
)
COMPLETIONS = About(
    takes=bodies.CompletionBody,
    gives=wire.Completion,
    streams=(wire.Completion, wire.Error, _DONE),
    streams_as=_SSE,
    fails=wire.Error,
    refuses=(404,),
    examples={
        "a text": {"model": "smollm2", "prompt": "Once upon a time", "max_tokens": 16},
        "several": {"model": "smollm2", "prompt": ["The sky is", "The grass is"], "logprobs": 2, "max_tokens": 4},
    },
)
EMBEDDINGS = About(
    takes=bodies.EmbeddingsBody,
    gives=wire.Embeddings,
    fails=wire.Error,
    refuses=(404,),
    examples={
        "a text": {"model": "smollm2", "input": "Why is the sky blue?"},
        "several, packed": {"model": "smollm2", "input": ["sky", "grass"], "encoding_format": "base64"},
    },
)
MODELS = About(gives=wire.Models, fails=wire.Error)
MODEL = About(
    gives=wire.Model,
    fails=wire.Error,
    refuses=(400, 404),
    parameters={
        "model": Annotated[
            str, Meta(min_length=1, description="The name of a model, which may have slashes.", examples=["smollm2"])
        ]
    },
)
TRANSCRIPTIONS = About(
    takes=bodies.TranscriptionForm,
    takes_as="multipart/form-data",
    gives=wire.Transcription,
    texts=("text/plain",),
    fails=wire.Error,
    refuses=(404,),
)

_ID = {"id": Annotated[str, Meta(pattern="^[A-Za-z0-9_-]+$", description="The id of a response that is kept.")]}

RESPONSES = About(
    takes=ResponsesBody,
    gives=responses.Response,
    streams=responses.Event,
    streams_as=_SSE,
    fails=wire.Error,
    refuses=(404,),
    examples={
        "a text": {"model": "smollm2", "input": "Hi", "max_output_tokens": 16},
        "a stream": {"model": "smollm2", "input": "Hi", "stream": True, "store": False},
    },
)
RESPONSE = About(gives=responses.Response, fails=wire.Error, refuses=(400, 404), parameters=_ID)
DELETED = About(gives=responses.Deleted, fails=wire.Error, refuses=(404,), parameters=_ID)
CANCELED = About(fails=wire.Error, succeeds=(), refuses=(400, 404), parameters=_ID)
INPUT_TOKENS = About(
    takes=ResponsesBody,
    gives=responses.InputTokens,
    fails=wire.Error,
    refuses=(404,),
    examples={"a text": {"model": "smollm2", "input": "Hi"}},
)
INPUT_ITEMS = About(
    gives=responses.Items,
    fails=wire.Error,
    refuses=(400, 404),
    parameters=_ID,
    query={
        "limit": Annotated[int, Meta(ge=1, le=100, description="The most items of a page.")],
        "order": Literal["asc", "desc"],
        "after": Annotated[str, Meta(description="The id of the item before the page.")],
    },
)
