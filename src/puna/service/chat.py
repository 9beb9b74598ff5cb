"""Chat and generate: from a request to a stream of events, each holding one lease on a model."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from math import inf

from puna import families, timestamps
from puna.config import Settings
from puna.engine import Loaded, LoadSpec, Sampling
from puna.errors import InvalidRequest, NotCapable
from puna.events import Done, Event, Rendered
from puna.families import Family
from puna.options import Options, merge
from puna.scheduler.machine import available_memory, physical_cores
from puna.scheduler.messages import Key
from puna.scheduler.plan import ModelFacts, estimate, plan
from puna.scheduler.pool import Lease, Pool, Running
from puna.service.answering import Answered, Rendering, answer, text_of
from puna.store.models import Model, Store
from puna.template.prompt import DEFAULT_TEMPLATE, PromptTemplate
from puna.types import ChatRequest, Conversation, GenerateRequest, Inference, Message, Prompt, RunningModel, Timings

_MOST_CONTEXTS = 10
"""An answer without a limit of its own ends after this many contexts' worth of tokens, so that none runs for ever."""

_NO_SHIFT = frozenset({"deepseek2"})
"""Architectures whose context cannot be shifted while they generate."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A request made ready: what it asks of which model, and what holds for it."""

    request: Inference
    model: Model
    family: Family
    options: Options
    spec: LoadSpec
    started: float

    @property
    def sampling(self) -> Sampling:
        """How the answer is drawn."""
        request, most = self.request, _MOST_CONTEXTS * self.spec.num_ctx
        wanted = self.options.num_predict
        return Sampling(
            options=self.options,
            max_tokens=wanted if 0 <= wanted <= most else most,
            num_ctx=self.spec.num_ctx,
            format=request.format,
            top_logprobs=request.top_logprobs if request.logprobs else None,
        )

    @property
    def shift(self) -> bool:
        """Whether generation may go on when the context is full."""
        return self.request.shift if self.request.shift is not None else self.model.details.family not in _NO_SHIFT


class ChatService:
    """Answers chat and generate requests with models of ``store``, leased from ``pool``."""

    def __init__(
        self, store: Store, pool: Pool, settings: Settings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._cores = physical_cores()
        self._memory, self._memory_read = 0, -inf

    def resolve(self, name: str) -> None:
        """Do nothing if the model ``name`` is installed.

        Raises:
            InvalidName: it cannot be a model's name.
            ModelNotFound: it is not.
        """
        self._store.model(name)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Continue a conversation; without messages, only load the model.

        Raises:
            RequestError: the request cannot be answered as it is.
            NotFound, Unavailable, EngineError: nor can it now.
        """
        job = self._job(request, "chat")
        _check_thinking(job)
        _check_tools(job.model, request)
        _check_images(job.model, [image for message in request.messages for image in message.images])

        async def rendering(messages: Sequence[Message]) -> Prompt | Conversation:
            return job.family.render(job.model, messages, tools=request.tools, think=request.think)

        async with self._lease(job) as lease:
            if not request.messages:
                yield Done("load")
                return
            messages = _conversation(job.model, request.messages)
            async with aclosing(self._answer(job, lease, messages, rendering)) as events:
                async for event in events:
                    yield event

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        """Complete a prompt; without one, only load the model. Raises as ``chat``."""
        self.resolve(request.model)
        if request.raw and (request.system or request.template or request.context):
            raise InvalidRequest("raw mode does not support template, system, or context")
        job = self._job(request, "generate")
        if request.suffix and "insert" not in job.model.capabilities:
            raise NotCapable(f"{job.model.name.full} does not support insert")
        _check_thinking(job)
        _check_images(job.model, request.images)
        async with self._lease(job) as lease:
            if not request.prompt:
                yield Done("load")
                return
            messages = _prompt_messages(job.model, request)
            rendering = await _prompt_rendering(job, request, lease.loaded)
            async with aclosing(self._answer(job, lease, messages, rendering, context=not request.raw)) as events:
                async for event in events:
                    yield event

    async def unload(self, name: str) -> None:
        """Free the model's memory as soon as no request uses it; one that is not loaded is fine.

        Raises:
            InvalidName: it cannot be a model's name.
            ModelNotFound: it is not installed.
        """
        model = self._store.model(name)
        await self._pool.unload(Key.of(self._plan(model, Options())))

    def running(self) -> list[RunningModel]:
        """The models in memory, the one that stays longest first."""
        found = sorted(self._pool.running(), key=lambda one: one.expires_in, reverse=True)
        return [_running_model(one) for one in found]

    def _job(self, request: Inference, what: str) -> _Job:
        started = self._clock()
        model = self._store.model(request.model)
        if "completion" not in model.capabilities:
            raise NotCapable(f'"{request.model}" does not support {what}')
        options = merge(model.parameters, request.options)
        return _Job(request, model, families.find(model), options, self._plan(model, options), started)

    def _plan(self, model: Model, options: Options) -> LoadSpec:
        return plan(
            _facts(model),
            options,
            context_length=self._settings.context_length,
            num_parallel=self._settings.num_parallel,
            free_memory=self._free_memory(),
            cores=self._cores,
            kv_cache_type=self._settings.kv_cache_type,
            flash_attention=self._settings.flash_attention,
        )

    def _free_memory(self) -> int:
        """The machine's available memory, at most a second old: it only guides how many slots a load gets."""
        now = self._clock()
        if now - self._memory_read > 1:
            self._memory, self._memory_read = available_memory(), now
        return self._memory

    def _lease(self, job: _Job) -> AbstractAsyncContextManager[Lease]:
        return self._pool.lease(
            job.spec,
            name=job.model.name.short,
            tag=job.model,
            keep_alive=job.request.keep_alive,
            need=estimate(job.model.size, job.model.gguf.kv_bytes_per_token, job.spec),
            exact_threads=job.options.num_thread > 0,
        )

    async def _answer(
        self, job: _Job, lease: Lease, messages: Sequence[Message], rendering: Rendering, *, context: bool = False
    ) -> AsyncGenerator[Event, None]:
        """Answer ``messages`` and say how it ended; ``context`` asks for the tokens of prompt and answer too."""
        if job.request.render_only:
            yield Rendered(await text_of(lease.loaded, await rendering(messages)))
            return
        tools = job.request.tools if isinstance(job.request, ChatRequest) else ()
        events = answer(
            lease.loaded,
            messages,
            rendering,
            job.sampling,
            job.family.parser(job.model, tools=tools, think=job.request.think),
            truncate=job.request.truncate,
            shift=job.shift,
        )
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Answered):
                    yield await self._done(job, lease, event, context=context)
                else:
                    yield event

    async def _done(self, job: _Job, lease: Lease, answered: Answered, *, context: bool) -> Done:
        stopped = answered.stopped
        tokens: tuple[int, ...] = ()
        if context:
            prompt = await text_of(lease.loaded, answered.prompt)
            tokens = tuple(await lease.loaded.tokenize(prompt + answered.raw))
        return Done(
            reason=stopped.reason,
            usage=stopped.usage,
            timings=Timings(
                total=self._clock() - job.started,
                load=lease.load_seconds,
                prompt=stopped.prompt_seconds,
                completion=stopped.completion_seconds,
            ),
            context=tokens,
            prompt_truncated=answered.truncated,
        )


def _conversation(model: Model, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The whole conversation: the model's own messages, the caller's, and the model's system message if none leads."""
    system = (Message("system", model.system),) if model.system and messages[0].role != "system" else ()
    return (*system, *model.messages, *messages)


def _prompt_messages(model: Model, request: GenerateRequest) -> tuple[Message, ...]:
    """The conversation that a prompt of generate stands for."""
    user = Message("user", request.prompt)
    if request.raw or request.suffix:
        return (user,)
    system = request.system or model.system
    before = () if request.context else model.messages
    return (*((Message("system", system),) if system else ()), *before, user)


async def _prompt_rendering(job: _Job, request: GenerateRequest, loaded: Loaded) -> Rendering:
    """How generate's prompt becomes text. Always text: the reply's ``context`` is made of it."""
    before = await loaded.detokenize(request.context) if request.context else ""

    async def rendering(messages: Sequence[Message]) -> Prompt:
        last = messages[-1].content
        if request.raw:
            return Prompt(last)
        if request.suffix:
            return Prompt(
                PromptTemplate.parse(job.model.template or "").render_infill(last, request.suffix, think=request.think)
            )
        # A model without any template is a base model: its prompt is what the caller wrote.
        template = request.template or (DEFAULT_TEMPLATE if job.model.template_choice == "none" else "")
        if template:
            return Prompt(before + PromptTemplate.parse(template).render(messages, think=request.think))
        prompt = job.family.render(job.model, messages, tools=(), think=request.think)
        return Prompt(before + await text_of(loaded, prompt))

    return rendering


def _check_thinking(job: _Job) -> None:
    if job.request.think and "thinking" not in job.model.capabilities:
        raise NotCapable(f'"{job.request.model}" does not support thinking')
    if job.request.think and not job.family.splits_thinking:
        raise NotCapable("thinking with a model's TEMPLATE is not supported by this version of puna")


def _check_tools(model: Model, request: ChatRequest) -> None:
    if request.tools and "tools" not in model.capabilities:
        raise NotCapable(f"{model.name.full} does not support tools")
    if request.tools or any(message.role == "tool" or message.tool_calls for message in request.messages):
        raise NotCapable("tools are not supported by this version of puna")


def _check_images(model: Model, images: Sequence[bytes]) -> None:
    if images and "vision" not in model.capabilities:
        raise NotCapable(f"{model.name.full} does not support vision")
    if images:
        raise NotCapable("images are not supported by this version of puna")


def _facts(model: Model) -> ModelFacts:
    return ModelFacts(
        weights=model.weights,
        file_bytes=model.size,
        context_length=model.gguf.context_length,
        kv_bytes_per_token=model.gguf.kv_bytes_per_token,
        adapters=model.adapters,
        projector=model.projectors[0] if model.projectors else None,
    )


def _running_model(running: Running) -> RunningModel:
    model: Model = running.tag
    return RunningModel(
        name=running.name,
        size=running.memory,
        size_vram=0,
        digest=model.digest.hex,
        details=model.details,
        expires=timestamps.after(running.expires_in),
        context_length=running.num_ctx,
    )
