"""Embeddings: from a request to a vector of each of its inputs, by one lease on a model."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from math import fsum, isfinite, sqrt

from puna.engine import Loaded
from puna.errors import ContextTooLong, NotFinite
from puna.options import merge
from puna.scheduler.pool import Lease
from puna.service.leasing import Leasing
from puna.store.models import Model
from puna.types import Embeddings, EmbedRequest, Timings, Usage

_MOST_INPUTS, _MOST_BYTES = 128, 1 << 16
"""What one call of the engine takes. It works through a call before it turns to the next, so that a large one would
keep every other request to the model waiting."""

_FRAME = 2
"""Tokens that a tokenizer may put around a text. Of the text itself it makes no more than it has bytes."""

_POOLING_LAST = 3
"""llama.cpp's number for vectors that are those of the last token."""

_LEAST_LENGTH = 1e-12
"""A vector this short has no direction, and stays as it is."""


_Input = str | tuple[int, ...]
"""A text, or all of its tokens."""


class EmbedService:
    """Makes embeddings with models that ``leasing`` gives."""

    def __init__(self, leasing: Leasing) -> None:
        self._leasing = leasing

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """Make a vector of each input, in their order; without inputs, only load the model. Cancelling it stops it.

        Raises:
            ContextTooLong: an input does not fit into the context, and may not be cut.
            NotFinite: the model made a vector of what are no numbers.
            RequestError: the request cannot be answered as it is.
            NotFound, Unavailable, EngineError: nor can it now.
        """
        started = self._leasing.clock()
        model = await self._leasing.opened(request.model)
        options = merge(model.parameters, request.options)
        spec = self._leasing.plan(model, options, embedding=True)
        normalize = request.normalize or _made_for_length_one(model)
        vectors: list[array[float]] = []
        tokens = 0
        async with self._leasing.lease(model, spec, options, request.keep_alive) as lease:
            if not request.inputs:
                return Embeddings()
            room = _room(model, lease)
            for texts in _calls(request.inputs, _MOST_INPUTS if _reads_at_once(model) else 1):
                inputs = [await _input(lease.loaded, model, text, room, truncate=request.truncate) for text in texts]
                embedded = await lease.loaded.embed(inputs)
                vectors += [_finished(one, request.dimensions, normalize=normalize) for one in embedded.vectors]
                tokens += embedded.prompt_tokens
            load = lease.load_seconds
        timings = Timings(total=self._leasing.clock() - started, load=load)
        return Embeddings(tuple(vectors), Usage(tokens), timings)


def _reads_at_once(model: Model) -> bool:
    """Whether the model reads a text as a whole, unlike one that reads it token by token, as those do that write.

    What that one computes is rounded otherwise when several texts lie in its memory at once (with quantized weights a
    cosine of 0.999). A text shall have one vector, so such a model gets one at a time; on a CPU that is as fast.
    """
    return model.gguf.of_architecture("pooling_type") not in (None, _POOLING_LAST)


def _calls(texts: Sequence[_Input], most: int) -> Iterator[list[_Input]]:
    """``texts`` in their order, as many at a time as one call takes (at ``most`` so many), and at least one."""
    call: list[_Input] = []
    size = 0
    for text in texts:
        if call and (len(call) == most or size + len(text) > _MOST_BYTES):
            yield call
            call, size = [], 0
        call.append(text)
        size += len(text)
    yield call


def _room(model: Model, lease: Lease) -> int:
    """The most tokens that an input may have."""
    if _reads_at_once(model):
        return min(lease.num_ctx, lease.loaded.spec.batch)
    # It takes any number of batches, and wants room for the token that would follow.
    return lease.num_ctx - 1


async def _input(loaded: Loaded, model: Model, text: _Input, room: int, *, truncate: bool) -> str | Sequence[int]:
    """What the engine is given for ``text``: the text, or its tokens where they may be too many or none."""
    if isinstance(text, str) and text and len(text.encode()) + _FRAME <= room:
        return text
    tokens = await loaded.tokenize(text, framed=True) if isinstance(text, str) else list(text)
    if len(tokens) <= room:
        return tokens or [_blank(model)]
    if not truncate:
        raise ContextTooLong(len(tokens), room)
    end = _common_end(tokens, await loaded.tokenize("", framed=True))
    return tokens[: room - end] + tokens[len(tokens) - end :]


def _common_end(tokens: Sequence[int], frame: Sequence[int]) -> int:
    """How many of the tokens that frame a text stand at the end of ``tokens``."""
    pairs = zip(reversed(tokens), reversed(frame), strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), len(frame))


def _blank(model: Model) -> int:
    """A token to stand for an empty text, where the tokenizer makes none of it."""
    ids = (model.gguf.metadata.get(f"tokenizer.ggml.{kind}_token_id") for kind in ("bos", "eos"))
    return next((token for token in ids if isinstance(token, int)), 0)


def _made_for_length_one(model: Model) -> bool:
    """Whether the model's makers mean its vectors to have the length one."""
    told = model.gguf.of_architecture("normalize_embeddings")
    return told if isinstance(told, bool) else model.gguf.architecture not in {"nomic-bert", "nomic-bert-moe"}


def _finished(vector: array[float], dimensions: int, *, normalize: bool) -> array[float]:
    """``vector`` with no more than ``dimensions`` numbers (0: all of them), which are finite."""
    whole = _of_length_one(vector) if normalize else vector
    if not all(map(isfinite, whole)):
        raise NotFinite
    return _of_length_one(whole[:dimensions]) if 0 < dimensions < len(whole) else whole


def _of_length_one(vector: array[float]) -> array[float]:
    length = sqrt(fsum(number * number for number in vector))
    return array("f", [number / length for number in vector]) if length > _LEAST_LENGTH else vector
