"""Every setting of puna, in one table: variable, default, what it means, how it is read.

``OLLAMA_*`` variables mean what they mean to Ollama; ``PUNA_*`` ones are puna's own. ``read`` turns an environment
into frozen ``Settings``; the documentation's table of settings is printed from ``TABLE``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from puna.address import Address, clean, parse_address
from puna.durations import FOREVER, parse_keep_alive

log = logging.getLogger(__name__)

LogFormat = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run of puna was told by its environment. Durations in seconds, sizes in bytes, 0 for "choose"."""

    host: Address
    models: Path
    keep_alive: float
    load_timeout: float
    num_parallel: int
    max_loaded_models: int
    max_queue: int
    context_length: int
    origins: tuple[str, ...]
    debug: int
    flash_attention: bool | None
    kv_cache_type: str
    go_template: bool | None
    no_history: bool
    no_prune: bool
    llama_server: str
    max_transfers: int
    max_body: int
    state: Path
    max_responses: int
    tls_cert: str
    tls_key: str
    insecure_no_keys: bool
    log_format: LogFormat
    drain: float


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the table; ``parse`` turns the text into the value and raises ``ValueError`` when it cannot."""

    field: str
    name: str
    default: str
    help: str
    parse: Callable[[str], Any]


def _load_timeout(text: str) -> float:
    seconds = parse_keep_alive(text)
    return seconds if seconds > 0 else FOREVER


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"must be a whole number: {text}") from None


def _whole(text: str) -> int:
    number = _int(text)
    if number < 0:
        raise ValueError(f"must not be negative: {text}")
    return number


def _positive(text: str) -> int:
    number = _int(text)
    if number < 1:
        raise ValueError(f"must be at least 1: {text}")
    return number


_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


def truth(text: str) -> bool:
    """Whether a variable of that value is on: any word is, but those that Go takes for false."""
    return bool(text) and text not in _FALSE


def _maybe_truth(text: str) -> bool | None:
    return truth(text) if text else None


def _debug_level(text: str) -> int:
    if text in _FALSE or not text:
        return 0
    return int(text) if text.isdigit() else 1


_CACHE_TYPES = ("", "f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")


def _cache_type(text: str) -> str:
    if text.lower() not in _CACHE_TYPES:
        raise ValueError(f"must be one of {', '.join(filter(None, _CACHE_TYPES))}")
    return text.lower()


def _log_format(text: str) -> LogFormat:
    if text not in get_args(LogFormat):
        raise ValueError(f"must be one of {', '.join(get_args(LogFormat))}")
    return cast(LogFormat, text)


def _drain(text: str) -> float:
    seconds = parse_keep_alive(text)
    if seconds == FOREVER:
        raise ValueError("must have an end")
    return seconds


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user id that has no name, as in many containers
        return Path("/")


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("no home directory is known for its ~") from error


def _models(text: str) -> Path:
    return _path(text) if text else _home() / ".ollama" / "models"


def _state(text: str) -> Path:
    return _path(text) if text else _home() / ".local" / "state" / "puna"


def _origins(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


TABLE: tuple[Variable, ...] = (
    Variable(
        "host",
        "OLLAMA_HOST",
        "127.0.0.1:11434",
        "where the server listens and the client connects",
        parse_address,
    ),
    Variable("models", "OLLAMA_MODELS", "", "directory of the model store (default ~/.ollama/models)", _models),
    Variable(
        "keep_alive",
        "OLLAMA_KEEP_ALIVE",
        "5m",
        "how long an idle model stays loaded; negative: forever",
        parse_keep_alive,
    ),
    Variable(
        "load_timeout",
        "OLLAMA_LOAD_TIMEOUT",
        "5m",
        "how long a load may show no progress before it is given up; 0: no limit",
        _load_timeout,
    ),
    Variable(
        "num_parallel",
        "OLLAMA_NUM_PARALLEL",
        "0",
        "requests one model answers at once; 0: up to 4",
        _whole,
    ),
    Variable("max_loaded_models", "OLLAMA_MAX_LOADED_MODELS", "0", "models in memory at once; 0: 3", _whole),
    Variable(
        "max_queue",
        "OLLAMA_MAX_QUEUE",
        "512",
        "requests that may wait, for a load or a slot, before new ones get 503",
        _whole,
    ),
    Variable(
        "context_length",
        "OLLAMA_CONTEXT_LENGTH",
        "0",
        "context length in tokens where neither request nor model has num_ctx; 0: 4096, or what is loaded",
        _whole,
    ),
    Variable("origins", "OLLAMA_ORIGINS", "", "comma-separated extra origins that browsers may call from", _origins),
    Variable("debug", "OLLAMA_DEBUG", "", "1: log debug messages; 2: log the engine's too", _debug_level),
    Variable(
        "flash_attention",
        "OLLAMA_FLASH_ATTENTION",
        "",
        "force flash attention on or off; unset: the engine decides",
        _maybe_truth,
    ),
    Variable(
        "kv_cache_type",
        "OLLAMA_KV_CACHE_TYPE",
        "",
        "type of the KV cache: f16 (default), f32, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl",
        _cache_type,
    ),
    Variable(
        "go_template",
        "OLLAMA_GO_TEMPLATE",
        "",
        "force TEMPLATE layers on or off; unset: the better template",
        _maybe_truth,
    ),
    Variable("no_history", "OLLAMA_NOHISTORY", "", "do not keep the chat's input history", truth),
    Variable("no_prune", "OLLAMA_NOPRUNE", "", "do not remove unused blobs", truth),
    Variable("llama_server", "PUNA_LLAMA_SERVER", "", "path of a llama-server binary to use as the engine", str),
    Variable(
        "max_transfers",
        "PUNA_MAX_TRANSFERS",
        "16",
        "connections that all pulls, and each push, may use at once",
        _positive,
    ),
    Variable("max_body", "PUNA_MAX_BODY", str(256 * 1024 * 1024), "largest JSON request body, in bytes", _whole),
    Variable("state", "PUNA_STATE", "", "directory of what the server remembers (default ~/.local/state/puna)", _state),
    Variable(
        "max_responses",
        "PUNA_MAX_RESPONSES",
        str(256 * 1024 * 1024),
        "bytes of answers of `/v1/responses` that are kept, the oldest go first; 0: none",
        _whole,
    ),
    Variable("tls_cert", "PUNA_TLS_CERT", "", "file of the certificate (PEM) to serve HTTPS with", str),
    Variable("tls_key", "PUNA_TLS_KEY", "", "file of its private key (default: the certificate's file)", str),
    Variable(
        "insecure_no_keys", "PUNA_INSECURE_NO_KEYS", "", "listen beyond this machine although there are no keys", truth
    ),
    Variable("log_format", "PUNA_LOG_FORMAT", "text", "how the server logs: text or json", _log_format),
    Variable("drain", "PUNA_DRAIN", "30s", "how long a server that stops lets running answers go on", _drain),
)
CLIENT: Mapping[str, str] = {
    "OLLAMA_API_KEY": "the [key](keys.md) that commands send to the server",
    "OLLAMA_EDITOR": "what Ctrl+g in a chat opens; unset: `VISUAL`, `EDITOR`",
    "NO_COLOR": "set: a chat has no colours",
}
"""What only commands read. The key is none of the settings, so that no secret is among those."""

MEANINGLESS: Mapping[str, str] = {
    "OLLAMA_GPU_OVERHEAD": "puna places nothing on GPUs; a llama-server of your own reads `LLAMA_ARG_FIT_TARGET`",
    "OLLAMA_SCHED_SPREAD": "a llama-server of your own uses all GPUs, unless `main_gpu` names one",
    "OLLAMA_IGPU_ENABLE": "a llama-server of your own uses the devices it was built for",
    "OLLAMA_VULKAN": "a llama-server of your own that was built with Vulkan uses it",
    "OLLAMA_LLM_LIBRARY": "the engine is `PUNA_LLAMA_SERVER`, or the one that comes with puna",
    "OLLAMA_MULTIUSER_CACHE": "every slot keeps its own prompt, and earlier prompts are kept beside them",
    "OLLAMA_NEW_ENGINE": "there is one engine",
    "OLLAMA_DEBUG_LOG_REQUESTS": "no prompt is ever written to a log",
    "OLLAMA_NO_CLOUD": "nothing is ever sent to a cloud",
    "OLLAMA_REMOTES": "no model runs anywhere else",
    "OLLAMA_CLOUD_BASE_URL": "nothing is ever sent to a cloud",
    "OLLAMA_AUTH": "keys say who may use a server: `puna keys`",
    "OLLAMA_MAX_TRANSFER_STREAMS": "`PUNA_MAX_TRANSFERS` says how many connections a transfer has",
    "OLLAMA_MAX_VRAM": "Ollama has dropped it; nothing limits the memory of GPUs",
    "OLLAMA_TMPDIR": "Ollama has dropped it; `TMPDIR` is where the engines' sockets are",
    "OLLAMA_RUNNERS_DIR": "Ollama has dropped it; the engine is `PUNA_LLAMA_SERVER`, or the one that comes with puna",
    "OLLAMA_EXPERIMENT": "Ollama has dropped it",
    "OLLAMA_INTEL_GPU": "a llama-server of your own uses the devices it was built for",
}
"""Variables of Ollama's that there is nothing to set with here, and why."""

assert [row.field for row in TABLE] == [field.name for field in fields(Settings)]


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings from ``environ``; values are trimmed of spaces and quotes.

    A value that cannot be read is logged as a warning and the default is used, as Ollama does.
    """
    values: dict[str, Any] = {}
    for row in TABLE:
        text = clean(environ.get(row.name, ""))
        try:
            values[row.field] = row.parse(text or row.default)
        except ValueError as error:
            log.warning("ignoring %s=%s: %s", row.name, text, error)
            values[row.field] = row.parse(row.default)
    return Settings(**values)
