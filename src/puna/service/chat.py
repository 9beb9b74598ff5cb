"""Chat and generate: from a request to a stream of events, each holding one lease on a model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace

from puna.errors import InvalidRequest, NotCapable
from puna.events import Done, Event, Rendered
from puna.families import Chat, Parser
from puna.families.finding import find
from puna.families.generic import Plain
from puna.media import shielded
from puna.options import merge
from puna.scheduler.pool import Lease
from puna.service import conversation, media, vocabulary
from puna.service.answering import Answered, Answering, Rendering, text_of
from puna.service.blocking import blocking
from puna.service.job import Job
from puna.service.leasing import Leasing
from puna.service.toolchoice import offered
from puna.template.prompt import DEFAULT_TEMPLATE, PromptTemplate
from puna.types import (
    ChatRequest,
    Conversation,
    GenerateRequest,
    Inference,
    Message,
    Prompt,
    RunningModel,
    Timings,
)

_PAINTS = "image"
"""What the config of a model that makes images says it can do."""


class ChatService:
    """Answers chat and generate requests with models that ``leasing`` gives."""

    def __init__(self, leasing: Leasing) -> None:
        self._leasing = leasing

    def resolve(self, name: str) -> None:
        """Do nothing if the model ``name`` is installed.

        Raises:
            InvalidName: it cannot be a model's name.
            ModelNotFound: it is not.
            CloudDisabled: it runs elsewhere.
        """
        self._leasing.model(name)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Continue a conversation; without messages, only load the model.

        Raises:
            RequestError: the request cannot be answered as it is.
            NotFound, Unavailable, EngineError: nor can it now.
        """
        job = replace(await self._job(request, "chat"), tools=offered(request.tools, request.tool_choice))
        if job.tools and "tools" not in job.model.capabilities:
            raise NotCapable(f"{job.model.name.full} does not support tools")
        messages = await _readable(job, conversation.of_chat(job.model, request.messages))
        await job.check()
        async with self._lease(job) as lease:
            if not request.messages:
                yield Done("load")
                return

            async def rendering(kept: Sequence[Message]) -> Prompt | Conversation:
                return await _rendered(job, lease, kept)

            async with aclosing(self._answer(job, lease, messages, rendering, job.family.parser)) as events:
                async for event in events:
                    yield event

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        """Complete a prompt; without one, only load the model. Raises as ``chat``."""
        if _PAINTS in (self._leasing.model(request.model).config.capabilities or ()):
            raise NotCapable("image generation models are not currently supported")
        if request.raw and (request.system or request.template or request.context):
            raise InvalidRequest("raw mode does not support template, system, or context")
        job = await self._job(request, "generate")
        if request.suffix and "insert" not in job.model.capabilities:
            raise NotCapable(f"{job.model.name.full} does not support insert")
        vocabulary.check(job.model, request.context)
        messages = await _readable(job, conversation.of_prompt(job.model, request))
        await job.check()
        async with self._lease(job) as lease:
            if not request.prompt and not request.tokens:
                yield Done("load")
                return
            rendering = await _prompt_rendering(job, request, lease)
            parser = _prompt_parser(job, request)
            async with aclosing(self._answer(job, lease, messages, rendering, parser)) as events:
                async for event in events:
                    yield event

    async def unload(self, name: str) -> None:
        """Free the model's memory once no request uses it; one that is not loaded is fine. Raises as ``resolve``."""
        await self._leasing.unload(name)

    def running(self) -> list[RunningModel]:
        """The models in memory, the one that stays longest first."""
        return self._leasing.running()

    async def _job(self, request: Inference, what: str) -> Job:
        started = self._leasing.clock()
        model = await self._leasing.opened(request.model)
        if "completion" not in model.capabilities:
            raise NotCapable(f'"{request.model}" does not support {what}')
        thinks = "thinking" in model.capabilities
        if request.think and not thinks and not request.think_if_able:
            raise NotCapable(f'"{request.model}" does not support thinking')
        asked = request.think if thinks or not request.think else None
        think = True if thinks and asked is None else asked
        options = merge(model.parameters, request.options)
        return Job(request, model, find(model), options, self._leasing.plan(model, options), think, started)

    def _lease(self, job: Job) -> AbstractAsyncContextManager[Lease]:
        return self._leasing.lease(job.model, job.spec, job.options, job.request.keep_alive)

    async def _answer(
        self,
        job: Job,
        lease: Lease,
        messages: Sequence[Message],
        rendering: Rendering,
        parser: Callable[[Chat, str], Parser],
    ) -> AsyncGenerator[Event, None]:
        """Answer ``messages`` and say how it ended."""
        if job.request.render_only:
            text = await text_of(lease.loaded, await rendering(messages))
            tokens = await lease.loaded.tokenize(text, framed=True)
            yield Rendered(text, len(media.images(messages)), tuple(tokens))
            return
        chat = job.chat(messages)
        answering = Answering(
            lease.loaded,
            rendering,
            lambda prompt: parser(chat, prompt),
            job.sampling(lease.num_ctx),
            truncate=job.request.truncate,
            shift=job.shift,
            thinks_first=bool(job.think),
            must_call=job.tools if job.must_call else (),
            one_call=not job.choice.parallel,
            as_text=lambda conversation: _as_text(job, lease, conversation),
        )
        async with aclosing(answering.answer(messages)) as events:
            async for event in events:
                if isinstance(event, Answered):
                    yield await self._done(job, lease, event)
                else:
                    yield event

    async def _done(self, job: Job, lease: Lease, answered: Answered) -> Done:
        stopped = answered.stopped
        tokens: tuple[int, ...] = ()
        if isinstance(job.request, GenerateRequest) and not job.request.raw:
            prompt = await text_of(lease.loaded, answered.prompt)
            tokens = tuple(await lease.loaded.tokenize(prompt + answered.raw))
        return Done(
            reason=stopped.reason,
            usage=stopped.usage._replace(reasoning_tokens=await _reasoning_tokens(lease, answered)),
            timings=Timings(
                total=self._leasing.clock() - job.started,
                load=lease.load_seconds,
                prompt=stopped.prompt_seconds,
                completion=stopped.completion_seconds,
            ),
            context=tokens,
            prompt_truncated=answered.truncated,
            stop_sequence=stopped.stop_sequence,
        )


async def _reasoning_tokens(lease: Lease, answered: Answered) -> int:
    """How many tokens of an answer are its reasoning: those of its text, since engines do not count them apart."""
    if not answered.thinking:
        return 0
    found = await lease.loaded.tokenize(answered.thinking)
    return min(len(found), answered.stopped.usage.completion_tokens)


async def _readable(job: Job, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """``messages`` with their images as the engine reads them, if the model may have them."""
    media.check(job.model, messages)
    return await blocking(media.readable, messages) if media.images(messages) else messages


async def _rendered(job: Job, lease: Lease, messages: Sequence[Message]) -> Prompt | Conversation:
    """What the engine is given for ``messages``, by the family of the model."""
    prompt = job.rendered(media.marked(job.model, messages))
    return await _as_read(job, lease, prompt, media.images(messages))


async def _as_read(
    job: Job, lease: Lease, prompt: Prompt | Conversation, images: tuple[bytes, ...]
) -> Prompt | Conversation:
    """``prompt`` made such that the family's parser can read the answer: as text, where that is what it reads."""
    if isinstance(prompt, Conversation):
        if not job.family.reads_text and not job.must_call:
            return prompt
        prompt = Prompt(await lease.loaded.render(prompt))
    return _completed(job, prompt, images)


async def _as_text(job: Job, lease: Lease, conversation: Conversation) -> Prompt:
    """What the engine makes of a ``conversation`` without images, as the text that it goes on with."""
    return _completed(job, Prompt(await lease.loaded.render(conversation)))


def _completed(job: Job, prompt: Prompt, images: tuple[bytes, ...] = ()) -> Prompt:
    # The engine puts it there itself, and a second one makes a model worse.
    text = prompt.text.removeprefix(job.model.leading_token)
    return replace(prompt, text=text, images=images, preserved_tokens=job.family.tokens)


async def _prompt_rendering(job: Job, request: GenerateRequest, lease: Lease) -> Rendering:
    """How generate's prompt becomes what the engine is given."""
    before = await lease.loaded.detokenize(request.context) if request.context else ""
    # A model without any template is a base model: its prompt is what the caller wrote.
    wanted = request.template or (DEFAULT_TEMPLATE if job.model.template_choice == "none" else "")
    template = PromptTemplate.parse(wanted) if wanted else None
    own = request.template or job.model.template or ""
    infill = PromptTemplate.parse(own) if request.suffix and not request.raw else None

    async def rendering(messages: Sequence[Message]) -> Prompt | Conversation:
        images, last = media.images(messages), messages[-1].content
        prompt: Prompt | Conversation
        if request.tokens:
            prompt = Prompt("", tokens=request.tokens)
        elif request.raw:
            prompt = Prompt(media.raw(last, len(images)))
        elif infill is not None:
            before_gap = media.placed(messages)[-1].content
            prompt = Prompt(infill.render_infill(before_gap, request.suffix, think=job.think))
        elif template is not None:
            prompt = Prompt(template.render(media.placed(messages), think=job.think))
        else:
            prompt = job.rendered(media.marked(job.model, messages))
        if before:
            text = prompt.text if isinstance(prompt, Prompt) else await lease.loaded.render(prompt)
            prompt = Prompt((shielded(before) if images else before) + text)
        return await _as_read(job, lease, prompt, images)

    return rendering


def _prompt_parser(job: Job, request: GenerateRequest) -> Callable[[Chat, str], Parser]:
    """How the answer to generate's prompt is read: as the model's, except where the model is not at its own job.

    A family's own parser knows answers to what its renderer makes, and would take any text for reasoning.
    """
    if request.suffix or (request.raw and job.family.reads_text):
        return lambda _chat, _prompt: Plain()
    return job.family.parser
