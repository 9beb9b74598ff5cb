"""The JSON objects of Ollama's replies. A field with a default is left out while it has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field


class Error(Struct):
    """What went wrong."""

    error: str


class Logprob(Struct, omit_defaults=True):
    """A token, its log-probability and its bytes."""

    token: str
    logprob: float
    bytes: tuple[int, ...] = ()
    top_logprobs: Sequence[Logprob] = ()


class Function(Struct):
    """What a tool call calls."""

    index: int
    name: str
    arguments: Mapping[str, Any]


class ToolCall(Struct, omit_defaults=True, kw_only=True):
    """A tool call; those of generate have no id."""

    id: str = ""
    function: Function


class Message(Struct, omit_defaults=True, gc=False):
    """The message of a chat's reply."""

    role: str
    content: str
    thinking: str = ""
    tool_calls: Sequence[ToolCall] = ()


class DebugInfo(Struct, omit_defaults=True):
    """The prompt the model would get."""

    rendered_template: str
    image_count: int = 0


class ChatReply(Struct, omit_defaults=True, kw_only=True, gc=False):
    """An object of ``/api/chat``. Durations in nanoseconds."""

    model: str
    created_at: str
    message: Message
    done: bool
    done_reason: str = ""
    prompt_truncated: bool = False
    debug_info: DebugInfo | None = field(default=None, name="_debug_info")
    logprobs: Sequence[Logprob] = ()
    total_duration: int = 0
    load_duration: int = 0
    prompt_eval_count: int = 0
    prompt_eval_duration: int = 0
    eval_count: int = 0
    eval_duration: int = 0


class GenerateReply(Struct, omit_defaults=True, kw_only=True, gc=False):
    """An object of ``/api/generate``. Durations in nanoseconds."""

    model: str
    created_at: str
    response: str
    thinking: str = ""
    done: bool
    done_reason: str = ""
    prompt_truncated: bool = False
    context: Sequence[int] = ()
    total_duration: int = 0
    load_duration: int = 0
    prompt_eval_count: int = 0
    prompt_eval_duration: int = 0
    eval_count: int = 0
    eval_duration: int = 0
    tool_calls: Sequence[ToolCall] = ()
    debug_info: DebugInfo | None = field(default=None, name="_debug_info")
    logprobs: Sequence[Logprob] = ()


class Progress(Struct, omit_defaults=True):
    """A step of create, pull or push."""

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0


class Details(Struct, omit_defaults=True):
    """What kind of model it is."""

    parent_model: str
    format: str
    family: str
    families: tuple[str, ...] | None
    parameter_size: str
    quantization_level: str
    context_length: int = 0
    embedding_length: int = 0


class ListedModel(Struct, omit_defaults=True, kw_only=True):
    """A model of ``/api/tags``."""

    name: str
    model: str
    remote_model: str = ""
    remote_host: str = ""
    modified_at: str
    size: int
    digest: str
    details: Details
    capabilities: tuple[str, ...] = ()


class RunningModel(Struct):
    """A model of ``/api/ps``."""

    name: str
    model: str
    size: int
    digest: str
    details: Details
    expires_at: str
    size_vram: int
    context_length: int


class Listed(Struct):
    """The reply of ``/api/tags``, the newest model first."""

    models: Sequence[ListedModel]


class Running(Struct):
    """The reply of ``/api/ps``, the model that stays longest first."""

    models: Sequence[RunningModel]


class ShownMessage(Struct):
    """A message of a model."""

    role: str
    content: str


class Tensor(Struct):
    """A tensor of a model."""

    name: str
    type: str
    shape: tuple[int, ...]


class Version(Struct):
    """The version of Ollama whose API this is."""

    version: str


class Cloud(Struct):
    """Whether models are run on ollama.com."""

    disabled: bool
    source: str


class Status(Struct):
    """The reply of ``/api/status``."""

    cloud: Cloud


class Recommendations(Struct):
    """The reply of ``/api/experimental/model-recommendations``."""

    recommendations: Sequence[Mapping[str, Any]]


class Show(Struct, omit_defaults=True, kw_only=True):
    """The reply of ``/api/show``."""

    license: str = ""
    modelfile: str = ""
    parameters: str = ""
    template: str = ""
    system: str = ""
    details: Details
    messages: Sequence[ShownMessage] = ()
    remote_model: str = ""
    remote_host: str = ""
    model_info: Mapping[str, Any]
    projector_info: Mapping[str, Any] | None = None
    tensors: Sequence[Tensor] = ()
    capabilities: tuple[str, ...] = ()
    modified_at: str
    requires: str = ""
