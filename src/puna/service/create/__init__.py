"""Making a model of another one, or of uploaded files.

Everything that can be wrong with a request is found before anything is written or reported, as far as that can be told
without converting anything. The model that had the name is replaced in the last step, at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from puna import gguf
from puna.errors import CorruptModel, InvalidRequest, ModelNotFound
from puna.events import Progress
from puna.gguf import Gguf
from puna.names import Digest, ModelName
from puna.service.blocking import blocking
from puna.service.create import gathering, making, recipe, remote
from puna.service.create.gathering import File
from puna.service.create.making import Made, Report
from puna.service.create.recipe import Base, Ingredient, Recipe
from puna.service.legacy import translated
from puna.store import formats
from puna.store.blobs import Blobs, digest_of
from puna.store.formats import CONFIG_TYPE, Layer, Manifest
from puna.store.models import Store
from puna.types import CreateRequest

Obtain = Callable[[str], AsyncGenerator[Progress, None]]
"""Gets a model that is not in the store, saying each step."""


async def create(
    store: Store, request: CreateRequest, *, obtain: Obtain | None = None, any_layout: bool = False, parent: str = ""
) -> AsyncGenerator[Progress, None]:
    """Make the model ``request`` asks for, saying each step. Raises as ``Library.create`` says.

    ``obtain`` gets the model it starts from when that is not in the store. ``any_layout`` says that the engine reads
    GGUF files that are laid out for Ollama's own. ``parent`` is what layers made of files note as theirs, in the place
    of the files' names.
    """
    told: asyncio.Queue[Progress | Exception | None] = asyncio.Queue()

    async def report(step: Progress) -> None:
        await told.put(step)
        await told.join()

    async def work() -> None:
        try:
            with store.blobs.claiming() as claim:
                await _Creation(store, report, claim, obtain, any_layout=any_layout, parent=parent).run(request)
        except Exception as error:  # noqa: BLE001 -- it is raised where the steps are heard
            await told.put(error)
        else:
            await told.put(None)

    working = asyncio.create_task(work(), name=f"create {request.model}")
    try:
        while (step := await told.get()) is not None:
            if isinstance(step, Exception):
                raise step
            yield step
            told.task_done()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


class _Creation:
    """One model being made. What it uses and makes is claimed, so that nobody takes it for a leftover meanwhile."""

    def __init__(
        self,
        store: Store,
        report: Report,
        claim: Callable[[Digest], None],
        obtain: Obtain | None,
        *,
        any_layout: bool,
        parent: str,
    ) -> None:
        self._store = store
        self._blobs = store.blobs
        self._said = report
        self._unsaid: list[str] = []
        self._claim = claim
        self._obtain = obtain
        self._any_layout = any_layout
        self._parent = parent

    async def run(self, request: CreateRequest) -> None:
        """Make the model ``request`` asks for."""
        request = await blocking(translated, self._blobs, request)
        await blocking(recipe.check, request)
        # Found out now, not when everything has been made.
        self._store.require_permitted(ModelName.parse(request.model))
        made = await self._written(request)
        await self._claim_all(one.content for one in made.ingredients if isinstance(one.content, Digest))
        layers = []
        for ingredient in made.ingredients:
            layer, status = await blocking(_put, self._blobs, ingredient)
            layers.append(layer)
            await self._say([status])
        await self._say(["writing manifest"])
        await blocking(_write, self._store, made, layers)
        await self._say(["success"])

    async def _written(self, request: CreateRequest) -> Recipe:
        """The recipe, with everything made that it needs."""
        if request.source and request.remote_host:
            ModelName.parse(request.source)
            host = remote.url(request.remote_host)
            if request.draft_files:
                raise InvalidRequest("DRAFT cannot be used with remote models")
            return await blocking(recipe.write_remote, request, host)
        base = await self._based(request)
        base = await self._adapted(base, request.adapters or {})
        base = await self._drafted(base, request)
        return await blocking(recipe.write, base, request)

    async def _based(self, request: CreateRequest) -> Base:
        """What the model is made from, with its weights as they are to be."""
        if request.source:
            base = await self._inherited(request.source)
        elif gathering.has_safetensors(request.files or {}):
            return await self._converted(request)
        else:
            files = await blocking(gathering.opened, self._blobs, request.files)
            self._unsaid += ["parsing GGUF"] * len(files)
            await self._claim_all(file.digest for file in files)
            files = await self._translated(await self._joined(files))
            base = await blocking(gathering.from_files, files, any_layout=self._any_layout, parent=self._parent)
        level = recipe.level(request.quantize, base.header.file_type)
        return gathering.with_weights(base, await self._quantized(base.header, level)) if level else base

    async def _inherited(self, source: str) -> Base:
        try:
            return await blocking(gathering.from_model, self._store, source)
        except ModelNotFound:
            if self._obtain is None:
                raise
            async with aclosing(self._obtain(source)) as steps:
                async for step in steps:
                    if step.status != "success":
                        await self._report(step)
            return await blocking(gathering.from_model, self._store, source)

    async def _converted(self, request: CreateRequest) -> Base:
        digests = await blocking(gathering.digests, self._blobs, request.files or {})
        await self._claim_all(digests.values())
        level = recipe.level(request.quantize, "F32") or ("F32" if request.quantize else "")
        made = await making.converted(self._blobs, digests, level, self._report)
        return await blocking(gathering.from_files, [await self._file(one) for one in made])

    async def _joined(self, files: list[File]) -> list[File]:
        """``files`` with the parts of a split one joined."""
        parts = [file for file in files if file.is_part]
        if not parts:
            return files
        try:
            made = await making.joined(self._blobs, [part.digest for part in parts], self._report)
        except CorruptModel as error:
            raise InvalidRequest(f"{parts[0].name} and the other parts of it cannot be joined: {error}") from error
        return [*(file for file in files if not file.is_part), await self._file(made, parts[0].name)]

    async def _translated(self, files: list[File]) -> list[File]:
        """``files`` with those in Ollama's own layout written anew, where that is possible."""
        if self._any_layout:
            return files
        made = [await making.translated(self._blobs, file.header, self._report) for file in files]
        return [
            file if new is None else await self._file(new, file.name) for file, new in zip(files, made, strict=True)
        ]

    async def _adapted(self, base: Base, files: Mapping[str, str]) -> Base:
        ready, unconverted = await blocking(gathering.adapters, self._blobs, files)
        for file in ready:
            base = gathering.with_adapter(base, file)
        for one in unconverted:
            made = await making.adapted(self._blobs, one.weights, one.config, base.header, self._report)
            base = gathering.with_adapter(base, await self._file(made, one.name))
        return base

    async def _drafted(self, base: Base, request: CreateRequest) -> Base:
        if not request.draft_files:
            return base
        file = await blocking(gathering.draft, self._blobs, request.draft_files)
        if level := recipe.draft_level(request.draft_quantize, file.header.file_type):
            file = replace(await self._quantized(file.header, level), name=file.name)
        return gathering.with_draft(base, file)

    async def _quantized(self, source: Gguf, level: str) -> File:
        return await self._file(await making.quantized(self._blobs, source, level, self._report))

    async def _file(self, made: Made, name: str = "") -> File:
        await blocking(self._claim, made.digest)
        return File(name, made.digest, await blocking(gguf.read, self._blobs.path(made.digest)), made.status)

    async def _claim_all(self, digests: Iterable[Digest]) -> None:
        for digest in digests:
            await blocking(self._claim, digest)

    async def _report(self, step: Progress) -> None:
        """Say ``step``, after what nobody was told as long as the request could still be refused."""
        unsaid, self._unsaid = self._unsaid, []
        for status in unsaid:
            await self._said(Progress(status))
        await self._said(step)

    async def _say(self, statuses: Iterable[str]) -> None:
        for status in statuses:
            await self._report(Progress(status))


def _put(blobs: Blobs, ingredient: Ingredient) -> tuple[Layer, str]:
    content = ingredient.content
    digest = content if isinstance(content, Digest) else digest_of(content)
    known = blobs.exists(digest)
    if isinstance(content, Digest):
        blobs.touch(digest)
    else:
        blobs.put(content)
    layer = Layer(ingredient.media_type, str(digest), blobs.size(digest), ingredient.parent, ingredient.name)
    return layer, ingredient.status or f"{'using existing' if known else 'creating new'} layer {digest}"


def _write(store: Store, made: Recipe, layers: Sequence[Layer]) -> None:
    content = formats.write_config(made.config)
    config = Layer(CONFIG_TYPE, str(store.blobs.put(content)), len(content))
    store.write(made.name, Manifest(config, tuple(layers)))
