"""A request for an answer, made ready: what it asks of which model, and what holds for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from puna.engine import LoadSpec, Sampling
from puna.engine.compiling import compiling
from puna.engine.schema import enforceable
from puna.families import Chat
from puna.families.finding import Family
from puna.options import Options
from puna.service.toolchoice import call_schema
from puna.store.models import Model
from puna.types import ChatRequest, Conversation, Inference, Message, Prompt, Think, Tool, ToolChoice

_MOST_CONTEXTS = 10
"""An answer without a limit of its own ends after this many contexts' worth of tokens, so that none runs for ever."""

_NO_SHIFT = frozenset({"deepseek2"})
"""Architectures whose context cannot be shifted while they generate."""


@dataclass(frozen=True, slots=True)
class Job:
    """``request`` of ``model``; ``options`` and ``think`` are those that hold, ``spec`` is how it has to be loaded.

    ``started`` is when it came, in seconds of the clock that the leases have.
    """

    request: Inference
    model: Model
    family: Family
    options: Options
    spec: LoadSpec
    think: Think
    started: float
    tools: tuple[Tool, ...] = ()
    """Those that the model is offered."""

    def sampling(self, num_ctx: int) -> Sampling:
        """How the answer is drawn, in a context of ``num_ctx`` tokens."""
        request, most = self.request, _MOST_CONTEXTS * num_ctx
        wanted, back, kept = self.options.num_predict, self.options.repeat_last_n, self.options.num_keep
        return Sampling(
            options=replace(self.options, repeat_last_n=back if back >= 0 else num_ctx, num_keep=max(kept, -1)),
            max_tokens=wanted if 0 <= wanted <= most else most,
            num_ctx=num_ctx,
            # An answer that has to be a tool call has no text.
            format=None if self.must_call else request.format,
            top_logprobs=request.top_logprobs if request.logprobs else None,
            logit_bias=request.logit_bias,
        )

    @property
    def choice(self) -> ToolChoice:
        """What was said of the calling of tools."""
        return self.request.tool_choice if isinstance(self.request, ChatRequest) else ToolChoice()

    @property
    def must_call(self) -> bool:
        """Whether the answer has to be a tool call."""
        return self.choice.mode == "required"

    @property
    def shift(self) -> bool:
        """Whether generation may go on when the context is full."""
        return self.request.shift if self.request.shift is not None else self.model.details.family not in _NO_SHIFT

    async def check(self) -> None:
        """Find out, before a model is loaded for it, whether an answer can be held to what is asked.

        Raises:
            InvalidRequest: the schema of the answer, or of a call that it must be, cannot be followed.
        """
        if self.request.render_only:
            return
        if self.must_call:
            await compiling(self.tools, call_schema, self.tools)
        elif isinstance(self.request.format, Mapping):
            await compiling(self.request.format, enforceable, self.request.format)

    def chat(self, messages: Sequence[Message]) -> Chat:
        """The chat that ``messages`` make with the rest of the request."""
        return Chat(tuple(messages), self.tools, self.think)

    def rendered(self, messages: Sequence[Message]) -> Prompt | Conversation:
        """What the engine is given for ``messages``, which hold the markers of their images."""
        prompt = self.family.render(self.family.prepare(self.chat(messages)))
        if isinstance(prompt, Conversation):
            return replace(prompt, parallel_calls=self.choice.parallel)
        return prompt
