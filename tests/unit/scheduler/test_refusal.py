from __future__ import annotations

from pathlib import Path

from puna.engine import LoadSpec
from puna.scheduler.messages import Need, Request
from puna.scheduler.refusal import too_little

GB = 10**9
SPEC = LoadSpec(Path("weights"), num_ctx=32768, parallel=4, threads=2)


def test_contexts_are_too_large() -> None:
    """All figures are in the text, and which setting would help."""
    request = Request(1, SPEC, Need(9 * GB, 5 * GB))
    assert (
        "the model needs 9 GB of memory, 5 GB of it for 4 x 32768 tokens of context, "
        "and at most 6 GB can be made free: use a smaller num_ctx or a smaller OLLAMA_NUM_PARALLEL"
    ) == str(too_little(request, 6 * GB))


def test_the_model_is_too_large() -> None:
    """Where no context is small enough, that is not what one is told to change."""
    spec = LoadSpec(Path("weights"), num_ctx=4096, parallel=1, threads=2)
    assert (
        "the model needs 9 GB of memory, 5 GB of it for 4096 tokens of context, "
        "and at most 700 MB can be made free: "
        "use a smaller model or a smaller quantization of this one, end other programs, "
        "or raise the limit of puna's service or container, if it has one"
    ) == str(too_little(Request(1, spec, Need(9 * GB, 5 * GB)), 700 * 10**6))
