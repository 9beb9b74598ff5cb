"""What is said to a request whose model cannot fit into memory."""

from __future__ import annotations

from puna.errors import InsufficientMemory
from puna.scheduler.messages import Request
from puna.sizes import size


def too_little(request: Request, most: int) -> InsufficientMemory:
    """What ``request`` needs, the ``most`` bytes there can be for it, and what can be done about it."""
    need, spec = request.need, request.spec
    contexts = f"{spec.parallel} x {spec.num_ctx}" if spec.parallel > 1 else f"{spec.num_ctx}"
    if need.total - need.contexts < most:
        fewer = " or a smaller OLLAMA_NUM_PARALLEL" if spec.parallel > 1 else ""
        remedy = f"use a smaller num_ctx{fewer}"
    else:
        remedy = (
            "use a smaller model or a smaller quantization of this one, end other programs, "
            "or raise the limit of puna's service or container, if it has one"
        )
    return InsufficientMemory(
        f"the model needs {size(need.total)} of memory, {size(need.contexts)} of it for {contexts} tokens of "
        f"context, and at most {size(most)} can be made free: {remedy}"
    )
