"""Every error puna raises on purpose, as one tree.

::

    PunaError
    ├── RequestError 400
    │   ├── InvalidRequest        the body or a field is not what the route takes
    │   ├── BodyTooLarge 413      a JSON body above the limit
    │   ├── UnsupportedEncoding 415   a body compressed in a way that is not known here
    │   ├── InvalidName           a model name that cannot be parsed
    │   ├── InvalidDigest         not ``sha256:<64 hex>``
    │   ├── InvalidOption         an option of the wrong type
    │   ├── InvalidFormat         ``format`` is neither "json" nor a JSON Schema
    │   ├── ModelfileError        a Modelfile that does not parse
    │   │   └── InvalidParameter  it parses, but a PARAMETER or REQUIRES in it has no such value
    │   ├── TemplateError         a template that does not parse or execute
    │   ├── ContextTooLong        the prompt has more tokens than the context holds
    │   └── NotCapable            the model, or this version of puna, cannot do what is asked
    ├── NotAdmitted 401           who asks may not
    │   ├── InvalidKey            no key was given, or none that is known
    │   ├── NotPermitted 403
    │   │   ├── ScopeMissing      the key is for other things
    │   │   └── ModelNotPermitted it is for other models
    │   └── RateExceeded 429      faster than the key may ask
    ├── CloudDisabled 403         what only ollama.com can do
    ├── NotFound 404
    │   ├── ModelNotFound
    │   ├── BlobNotFound
    │   ├── RequestNotFound       no such request runs
    │   ├── KeyNotFound           there is no key of that name
    │   └── ResponseNotFound      an answer that was to be kept, and is not, or no more
    ├── Canceled 499              someone ended the request
    ├── Unavailable 503
    │   ├── QueueFull
    │   ├── ShuttingDown
    │   ├── InsufficientMemory
    │   └── KeysUnreadable        which keys there are cannot be told, so that nobody may come in
    ├── StoreError 500
    │   ├── DigestMismatch 400    what came is not what it was announced as
    │   ├── CorruptManifest
    │   ├── CorruptModel          a GGUF file that cannot be read
    │   ├── UnknownRenderer       a model wants a renderer that puna does not have
    │   └── DiskFull
    ├── EngineError 500
    │   ├── LoadFailed
    │   ├── GenerationFailed
    │   │   └── Unsupported 501   the engine, as it was built, cannot do this
    │   ├── NotFinite 400         a vector with numbers that are none
    │   ├── EngineGone
    │   ├── QuantizeFailed        500 as Ollama's, though the caller may be at fault
    │   └── ConversionFailed      a model's files cannot be made a GGUF file
    ├── RegistryError 502         a registry, or another place models come from, did not do its part
    │   ├── Unreachable           no answer, or none that is whole
    │   ├── Unauthorized 401      not without credentials, or not with these
    │   ├── RemoteNotFound 404    there is no such model, or blob, at the registry
    │   ├── RateLimited 429       too many requests from here
    │   └── DamagedDownload       what came is not what its digest says
    ├── InvalidSetting            a setting the server cannot start with
    └── ServerUnreachable         what the client library raises when no server answers

Foreign exceptions are translated into these once, where they enter. An error carries what happened as
attributes; its text is the default wording, and a dialect may say it in its own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self


class PunaError(Exception):
    """Base of every error here; ``status`` is the HTTP status a dialect gives it unless it knows better."""

    status: ClassVar[int] = 500

    quotes: bool = False
    """Whether what follows the first colon of the text may be what a caller sent or a model wrote."""

    @property
    def for_log(self) -> str:
        """The text without what a log may not keep."""
        return str(self).partition(":")[0] if self.quotes else str(self)


class RequestError(PunaError):
    """The caller asked for something that cannot be done as asked."""

    status = 400


class InvalidRequest(RequestError):
    """A body, or a field of one, is not what the route takes."""


class BodyTooLarge(RequestError):
    """A JSON body has ``size`` bytes (or more, while it was still coming) and may have ``limit``."""

    status = 413

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the request body is too large: it has {size} bytes and may have {limit}")
        self.size = size
        self.limit = limit


class UnsupportedEncoding(RequestError):
    """A body is compressed by ``encoding``, which is none of the ``supported``."""

    status = 415

    def __init__(self, encoding: str, supported: Sequence[str]) -> None:
        super().__init__(
            f'the Content-Encoding "{encoding}" is not supported: '
            f"send the body as it is, or compressed by one of {', '.join(supported)}"
        )
        self.encoding = encoding


class InvalidName(RequestError):
    """A model name that does not follow ``[host/][namespace/]model[:tag]``."""

    def __init__(self, name: str) -> None:
        super().__init__("invalid model name")
        self.name = name


class InvalidDigest(RequestError):
    """A digest that is not ``sha256:`` (or ``sha256-``) and 64 hexadecimal digits."""

    def __init__(self, digest: str) -> None:
        super().__init__("invalid digest format")
        self.digest = digest


class InvalidOption(RequestError):
    """A model option whose value has the wrong type."""

    def __init__(self, name: str, expected: str, detail: str = "") -> None:
        wanted = f"of {detail}" if detail else f"of type {expected}"
        super().__init__(f'option "{name}" must be {wanted}')
        self.name = name
        self.expected = expected


class InvalidFormat(RequestError):
    """``format`` is neither ``"json"`` nor a JSON Schema object; ``raw`` is the JSON text as it was sent."""

    quotes = True

    def __init__(self, raw: str) -> None:
        quoted = raw.replace("\\", "\\\\").replace('"', '\\"')
        super().__init__(f'invalid format: "{quoted}"; expected "json" or a valid JSON Schema object')
        self.raw = raw


class ModelfileError(RequestError):
    """A Modelfile that does not parse; the text names the line where there is one."""


class InvalidParameter(ModelfileError):
    """A Modelfile that parses, with a PARAMETER or REQUIRES that is unknown or has a value it cannot have."""


class TemplateError(RequestError):
    """A template that does not parse or execute; the text names line and column where they are known."""


class ContextTooLong(RequestError):
    """The prompt does not fit: ``prompt_tokens`` against the ``limit`` of the context, both in tokens."""

    def __init__(self, prompt_tokens: int, limit: int) -> None:
        super().__init__(
            f"the prompt is too long: it has {prompt_tokens} tokens and the context holds {limit}; "
            "shorten the prompt or raise num_ctx"
        )
        self.prompt_tokens = prompt_tokens
        self.limit = limit


class NotCapable(RequestError):
    """The model lacks a capability the request needs."""


class NotAdmitted(PunaError):
    """Whoever asks may not, as far as their key tells."""

    status = 401


class InvalidKey(NotAdmitted):
    """A key is needed, and none was given, or (``given``) none that the server knows."""

    def __init__(self, *, given: bool) -> None:
        super().__init__(
            "the key is not known here: it was mistyped, or revoked"
            if given
            else "a key is needed: send it as Authorization: Bearer <key>, or put it into OLLAMA_API_KEY"
        )
        self.given = given


class NotPermitted(NotAdmitted):
    """The key is for something else."""

    status = 403


class ScopeMissing(NotPermitted):
    """The key lacks ``scope``."""

    def __init__(self, scope: str) -> None:
        super().__init__(f'the key may not do this: it needs the scope "{scope}"')
        self.scope = scope


class ModelNotPermitted(NotPermitted):
    """The key is not for the model ``name``, whether or not that is installed."""

    def __init__(self, name: str) -> None:
        super().__init__(f'the key may not use the model "{name}"')
        self.name = name


class RateExceeded(NotAdmitted):
    """The key was used more often than it may be; it may again in ``retry_after`` seconds."""

    status = 429

    def __init__(self, limit: int, retry_after: float) -> None:
        super().__init__(f"the key may make {limit} requests a minute, and made more")
        self.limit = limit
        self.retry_after = retry_after


class CloudDisabled(PunaError):
    """Only ollama.com could do it, and puna never calls there; ``what`` says what and its verb, "web search is"."""

    status = 403

    def __init__(self, what: str) -> None:
        super().__init__(f"ollama cloud is disabled: {what} unavailable")
        self.what = what


class NotFound(PunaError):
    """Something named in the request does not exist."""

    status = 404


class ModelNotFound(NotFound):
    """No such model in the store; ``name`` is the name as the caller wrote it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"model '{name}' not found")
        self.name = name


class BlobNotFound(NotFound):
    """No such blob in the store."""

    def __init__(self, digest: str) -> None:
        super().__init__(f'blob "{digest}" not found')
        self.digest = digest


class ResponseNotFound(NotFound):
    """No answer of that id is kept: it never was, was deleted, or had to make room for newer ones."""

    def __init__(self, id_: str) -> None:
        super().__init__(f"Response with id '{id_}' not found.")
        self.id = id_


class KeyNotFound(NotFound):
    """No key is called ``name``."""

    def __init__(self, name: str) -> None:
        super().__init__(f'there is no key "{name}"')
        self.name = name


class RequestNotFound(NotFound):
    """No request of that id runs, or none that uses a model."""

    def __init__(self, id_: str) -> None:
        super().__init__(f'request "{id_}" not found')
        self.id = id_


class Canceled(PunaError):
    """The request was ended by someone else than its client."""

    status = 499

    def __init__(self) -> None:
        super().__init__("request canceled")


class Unavailable(PunaError):
    """Possible in general, not now."""

    status = 503


class QueueFull(Unavailable):
    """As many requests wait as the queue may hold."""

    def __init__(self) -> None:
        super().__init__("server busy, please try again.  maximum pending requests exceeded")


class ShuttingDown(Unavailable):
    """The server is stopping and takes no new work."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class OfModel(Exception):
    """Part of errors about a model: the text names it as ``model`` ("": not at all), and ``why`` is the rest of it."""

    def __init__(self, why: str, *, model: str = "") -> None:
        super().__init__(f"failed to load model {model}: {why}" if model else why)
        self.why = why
        self.model = model

    def called(self, model: str) -> Self:
        """The same error for who knows the model by that name."""
        error = type(self)(self.why, model=self.model and model)
        error.__cause__ = self.__cause__
        return error


class InsufficientMemory(Unavailable, OfModel):
    """A model needs more memory than the machine has free."""


class KeysUnreadable(Unavailable):
    """The file of keys cannot be read, or is damaged; the text has no word of what is in it."""


class StoreError(PunaError):
    """The model store could not be read or written."""


class DigestMismatch(StoreError):
    """Content whose SHA-256 is not the digest it was announced with."""

    status = 400

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f'digest mismatch, expected "{expected}", got "{actual}"')
        self.expected = expected
        self.actual = actual


class CorruptManifest(StoreError):
    """A manifest or config in the store that is not what it must be."""


class CorruptModel(StoreError):
    """A GGUF file that is damaged or of a version puna cannot read."""


class UnknownRenderer(StoreError):
    """A model's config names a renderer that puna does not have."""

    def __init__(self, renderer: str) -> None:
        super().__init__(f'unknown renderer "{renderer}"')
        self.renderer = renderer


class DiskFull(StoreError):
    """No space is left where the store lives."""


class EngineError(PunaError):
    """The inference engine failed."""


class LoadFailed(EngineError, OfModel):
    """A model could not be loaded; the text ends with the engine's last words."""


class GenerationFailed(EngineError):
    """The engine refused or failed one generation but goes on living."""

    quotes = True


class Unsupported(GenerationFailed):
    """The engine, as it was built or started, cannot do what is asked of it."""

    status = 501


class NotFinite(EngineError):
    """The engine made a vector in which a number is infinite or none at all."""

    status = 400

    def __init__(self) -> None:
        super().__init__("embedding contains NaN or Inf values")


class EngineGone(EngineError):
    """The engine's process died while it was in use; the text ends with its last words."""


class RegistryError(PunaError):
    """A registry refused, or answered what none should; ``code`` is the HTTP status it answered, 0 without one."""

    status = 502

    def __init__(self, text: str, *, code: int = 0) -> None:
        super().__init__(text)
        self.code = code

    def while_doing(self, what: str) -> Self:
        """Say first, in its text, ``what`` was being done; give it back."""
        self.args = (f"{what}: {self}",)
        return self


class Unreachable(RegistryError):
    """No answer came, or broke off and could not be had in several tries."""


class Unauthorized(RegistryError):
    """The registry wants credentials, or others than it was given."""

    status = 401


class RemoteNotFound(RegistryError):
    """The registry has no such model or blob."""

    status = 404


class RateLimited(RegistryError):
    """The registry wants fewer requests; ``retry_after`` is the seconds it said to wait, None when it said none."""

    status = 429

    def __init__(self, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text, code=429)
        self.retry_after = retry_after


class DamagedDownload(RegistryError):
    """What was downloaded, twice, is not what its digest says; nothing of it was kept."""

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f"digest mismatch, file must be downloaded again: want {expected}, got {actual}")
        self.expected = expected
        self.actual = actual


class InvalidSetting(PunaError):
    """A setting has a value the server cannot start with; the text says which value and what it may be."""


class QuantizeFailed(EngineError):
    """A model cannot be quantized to the type that was asked for."""


class ConversionFailed(EngineError):
    """The files of a model cannot be made a GGUF file; the text says why."""


class ServerUnreachable(PunaError):
    """No puna server answers at the address the client was given."""
