"""What every engine promises: the same suite for llama.cpp itself and for a scripted binary in its place."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from math import hypot
from operator import mul
from pathlib import Path
from typing import Any

import pytest

from puna.engine import Generated, LoadSpec, Sampling, Stopped
from puna.engine.connection import Connections
from puna.engine.llamacpp import LlamaCpp, LlamaCppModel
from puna.engine.turns import Kind, Turns
from puna.errors import ContextTooLong, EngineGone, GenerationFailed, InvalidRequest, LoadFailed
from puna.events import Piece, PromptProgress
from puna.options import Options
from puna.types import Conversation, Prompt, ToolCall
from support import cross_encoder

SCRIPTED = Path(__file__).parent.parent / "support" / "scripted_llama_server.py"
OWN_BINARY = os.environ.get("PUNA_LLAMA_SERVER", "")
"""A real llama-server to try as well: ``PUNA_LLAMA_SERVER=/path make test``."""
PATIENCE = 120


def sampling(max_tokens: int = 8, num_ctx: int = 512, **options: Any) -> Sampling:
    return Sampling(Options(temperature=0.0, seed=1, **options), max_tokens=max_tokens, num_ctx=num_ctx)


def spec(model: Path) -> LoadSpec:
    return LoadSpec(model, num_ctx=512, parallel=2, threads=2, pooling="last")


async def gather(items: AsyncIterator[Generated]) -> tuple[str, list[PromptProgress], Stopped]:
    text, progress, stopped = "", [], []
    async for item in items:
        if isinstance(item, Piece):
            text += item.text
        elif isinstance(item, PromptProgress):
            progress.append(item)
        else:
            stopped.append(item)
    assert len(stopped) == 1
    return text, progress, stopped[0]


@pytest.fixture(params=["llama.cpp", "scripted", *(["binary"] if OWN_BINARY else [])])
def make_engine(request: pytest.FixtureRequest, smollm2: Path, tmp_path: Path) -> Callable[[], tuple[LlamaCpp, Path]]:
    if request.param == "scripted":
        fake = tmp_path / "fake.gguf"
        fake.write_bytes(b"GGUF")
        return lambda: (LlamaCpp(binary=str(SCRIPTED)), fake)
    return lambda: (LlamaCpp(binary=OWN_BINARY if request.param == "binary" else ""), smollm2)


def play(
    make_engine: Callable[[], tuple[LlamaCpp, Path]], scene: Callable[[LlamaCppModel], Coroutine[Any, Any, None]]
) -> None:
    async def run() -> None:
        engine, model = make_engine()
        try:
            await scene(await engine.load(spec(model)))
        finally:
            await engine.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_an_answer_ends_with_stopped_and_counts_its_tokens(make_engine: Any) -> None:
    """Text comes in pieces, and the last item says why it ended and how many tokens there were."""

    async def scene(model: LlamaCppModel) -> None:
        prompt = Prompt("say:a say:b say:c say:d say:e")
        text, progress, stopped = await gather(model.generate(prompt, sampling(max_tokens=3)))
        assert text
        assert progress
        assert ("length", 3) == (stopped.reason, stopped.usage.completion_tokens)
        assert stopped.usage.prompt_tokens > 0

    play(make_engine, scene)


def test_a_conversation_is_answered_with_the_models_own_template(make_engine: Any) -> None:
    """Messages need no rendering by the caller."""

    async def scene(model: LlamaCppModel) -> None:
        conversation = Conversation([{"role": "user", "content": "say:hello"}])
        text, _, stopped = await gather(model.generate(conversation, sampling()))
        assert text
        assert stopped.usage.prompt_tokens > 0
        assert "say:hello" in await model.render(conversation)

    play(make_engine, scene)


def test_a_limit_of_zero_says_nothing(make_engine: Any) -> None:
    """num_predict 0 evaluates the prompt and returns at once, without a token."""

    async def scene(model: LlamaCppModel) -> None:
        text, _, stopped = await gather(model.generate(Prompt("say:a"), sampling(max_tokens=0)))
        assert ("", "length", 0) == (text, stopped.reason, stopped.usage.completion_tokens)

    play(make_engine, scene)


def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers(make_engine: Any) -> None:
    """The engine's own limit, and a lower one of the request's."""

    async def scene(model: LlamaCppModel) -> None:
        with pytest.raises(ContextTooLong) as refused:
            await gather(model.generate(Prompt("word " * 700), sampling()))
        assert refused.value.prompt_tokens >= 700
        assert refused.value.limit == 512
        with pytest.raises(ContextTooLong) as refused:
            await gather(model.generate(Prompt("word " * 100), sampling(num_ctx=64)))
        assert refused.value.limit == 64

    play(make_engine, scene)


def test_a_model_can_be_read_into_memory_instead_of_mapped(make_engine: Any) -> None:
    """use_mmap false is a load like any other."""

    async def run() -> None:
        engine, model = make_engine()
        try:
            loaded = await engine.load(replace(spec(model), mmap=False))
            assert (await gather(loaded.generate(Prompt("say:a"), sampling(max_tokens=1))))[0]
        finally:
            await engine.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(mul, one, other)) / hypot(*one) / hypot(*other)


def test_a_model_that_writes_makes_embeddings_too(make_engine: Any) -> None:
    """Each text of a batch has the vector it has alone, in the order they were given; so have its tokens."""

    async def scene(model: LlamaCppModel) -> None:
        texts = ["A cat sat on the mat.", "Rain", "Il pleut à Orléans, 東京 😀"]
        tokens = await model.tokenize(texts[0], framed=True)
        together = await model.embed([*texts, tokens])
        alone = [await model.embed([text]) for text in texts]
        assert together.prompt_tokens == sum(one.prompt_tokens for one in alone) + len(tokens)
        for text, other in zip(together.vectors, [*alone, alone[0]], strict=True):
            assert len(text) == len(alone[0].vectors[0])
            assert cosine(text, other.vectors[0]) > 0.995
        assert cosine(together.vectors[0], together.vectors[1]) < 0.995
        assert (await gather(model.generate(Prompt("say:a say:b"), sampling())))[0]

    play(make_engine, scene)


@pytest.mark.parametrize("kind", ["answer", "embedding"])
def test_answers_and_embeddings_take_turns(make_engine: Any, kind: Kind) -> None:
    """A row of one kind of request does not keep the other waiting for its end."""

    async def scene(model: LlamaCppModel) -> None:
        model._turns = Turns(patience=0)
        ask = model.embed(["a"]) if kind == "answer" else gather(model.generate(Prompt("say:a"), sampling()))
        async with model._turns.turn(kind):
            other = asyncio.ensure_future(ask)
            for _ in range(20):
                await model.tokenize("a")
            assert not other.done()
        await other

    play(make_engine, scene)


def test_a_text_too_long_for_an_embedding_is_refused_with_both_numbers(make_engine: Any) -> None:
    """As a prompt is."""

    async def scene(model: LlamaCppModel) -> None:
        with pytest.raises(ContextTooLong) as refused:
            await model.embed(["short", "word " * 700])
        assert refused.value.prompt_tokens >= 700
        assert refused.value.limit == 512

    play(make_engine, scene)


@pytest.fixture(params=["llama.cpp", "scripted", *(["binary"] if OWN_BINARY else [])])
def make_ranker(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], tuple[LlamaCpp, LoadSpec]]:
    """An engine, and how a model made for ranking is loaded in it."""
    model = tmp_path / "ranker.gguf"
    if request.param == "scripted":
        model.write_bytes(b"GGUF")
    else:
        cross_encoder.write_gguf(model)
    binary = {"scripted": str(SCRIPTED), "binary": OWN_BINARY}.get(request.param, "")
    return lambda: (LlamaCpp(binary=binary), replace(spec(model), pooling="rank"))


def test_a_model_made_for_it_tells_how_well_documents_answer(make_ranker: Any) -> None:
    """A score for each, in the order they were given, which is the one a document has alone; and their tokens."""

    async def run() -> None:
        engine, wanted = make_ranker()
        try:
            model = await engine.load(wanted)
            query, documents = "a brown bear", ["a brown bear sleeps", "rain", "the bear"]
            together = await model.rank(query, documents)
            alone = [await model.rank(query, [document]) for document in documents]
            assert 3 == len(together.scores)
            for one, score in zip(alone, together.scores, strict=True):
                assert [score] == pytest.approx(one.scores, abs=5e-3)
            assert together.prompt_tokens == sum(one.prompt_tokens for one in alone) > len(documents)
            assert 3 == len(set(together.scores))
        finally:
            await engine.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_text_becomes_tokens_and_tokens_text(make_engine: Any) -> None:
    """Tokenising adds nothing, and both ways are there."""

    async def scene(model: LlamaCppModel) -> None:
        tokens = await model.tokenize("one two three")
        assert len(tokens) >= 3
        assert await model.detokenize(tokens)

    play(make_engine, scene)


def test_two_answers_run_at_once(make_engine: Any) -> None:
    """A second request does not wait for the first to end."""

    async def scene(model: LlamaCppModel) -> None:
        words = " ".join(f"say:{n}" for n in range(60))
        async with aclosing(model.generate(Prompt(words), sampling(max_tokens=40))) as first:
            await anext(first)
            text, _, _ = await gather(model.generate(Prompt("say:x"), sampling(max_tokens=2)))
            assert text
            assert (await gather(first))[0]

    play(make_engine, scene)


def test_a_killed_engine_is_noticed_at_once(make_engine: Any) -> None:
    """Whoever is waiting for it learns that it is gone, and why."""

    async def scene(model: LlamaCppModel) -> None:
        answer = model.generate(Prompt("Once upon a time, say:a hang"), sampling(max_tokens=400))
        await anext(answer)
        os.kill(model.pid, signal.SIGKILL)
        with pytest.raises(EngineGone, match="SIGKILL"):
            await gather(answer)
        assert "SIGKILL" in await model.wait_gone()

    play(make_engine, scene)


def test_closing_leaves_nothing_behind(make_engine: Any) -> None:
    """The child has ended when close returns, and its socket is gone."""

    async def scene(model: LlamaCppModel) -> None:
        assert model.connections.socket.exists()
        await model.close()
        with pytest.raises(ProcessLookupError):
            os.kill(model.pid, 0)
        assert not model.connections.socket.exists()
        assert await model.wait_gone() == ""

    play(make_engine, scene)


def test_a_model_that_cannot_be_read_is_a_failed_load(tmp_path: Path) -> None:
    """The error ends with the engine's last words."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))

    async def run() -> None:
        engine = LlamaCpp()
        with pytest.raises(LoadFailed, match=r"^failed to load model broken\.gguf: .*`puna fsck`$"):
            await engine.load(spec(broken))
        await engine.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_model_whose_file_is_gone_is_told_so(tmp_path: Path) -> None:
    """With what to do about it."""

    async def run() -> None:
        engine = LlamaCpp()
        with pytest.raises(LoadFailed, match=r"no weights: no such file or directory: .*`puna fsck`$"):
            await engine.load(spec(tmp_path / "gone.gguf"))
        await engine.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_an_engine_that_cannot_be_started_is_a_failed_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a user may have no more processes, or Python is out of reach."""
    model = tmp_path / "some.gguf"
    model.touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    async def run() -> None:
        engine = LlamaCpp()
        with pytest.raises(LoadFailed, match="its engine cannot be started: no such file"):
            await engine.load(spec(model))
        await engine.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


@asynccontextmanager
async def scripted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **environ: str
) -> AsyncIterator[tuple[LlamaCpp, Path]]:
    fake = tmp_path / "fake.gguf"
    fake.write_bytes(b"GGUF")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    engine = LlamaCpp(binary=str(SCRIPTED))
    try:
        yield engine, fake
    finally:
        await engine.close()


def test_a_binary_that_exits_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator's llama-server that fails to start is a failed load with its own words."""

    async def run() -> None:
        async with scripted(tmp_path, monkeypatch, SCRIPTED_MODE="never-start") as (engine, fake):
            with pytest.raises(LoadFailed, match="cannot read the tensors"):
                await engine.load(spec(fake))

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_load_waits_until_the_binary_is_healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers 503 while it loads is waited for."""
    gate = tmp_path / "gate"

    async def run() -> None:
        environ = {"SCRIPTED_MODE": "slow-start", "SCRIPTED_GATE": str(gate)}
        async with scripted(tmp_path, monkeypatch, **environ) as (engine, fake):
            loading = asyncio.create_task(engine.load(spec(fake)))
            done, _ = await asyncio.wait({loading}, timeout=0.5)
            assert not done
            gate.touch()
            assert (await (await loading).tokenize("a b")) == [0, 1]

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def children() -> set[str]:
    """The process ids of this process's children (Linux)."""
    return {child for file in Path("/proc/self/task").glob("*/children") for child in file.read_text().split()}


def test_a_cancelled_load_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelling ends the child before it returns."""
    environ = {"SCRIPTED_MODE": "slow-start", "SCRIPTED_GATE": str(tmp_path / "never")}

    async def run() -> None:
        async with scripted(tmp_path, monkeypatch, **environ) as (engine, fake):
            before = children()
            loading = asyncio.create_task(engine.load(spec(fake)))
            while children() <= before:
                await asyncio.sleep(0.01)
            loading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await loading
            assert children() <= before

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_leaving_an_answer_is_told_to_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the iterator closes the connection, so that the slot is free again."""
    seen = tmp_path / "log"

    async def run() -> None:
        async with scripted(tmp_path, monkeypatch, SCRIPTED_LOG=str(seen)) as (engine, fake):
            model = await engine.load(spec(fake))
            answer = model.generate(Prompt("say:a hang"), sampling())
            assert isinstance(await anext(answer), PromptProgress)
            assert await anext(answer) == Piece("a")
            await answer.aclose()
            while "left" not in seen.read_text():
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_tool_calls_come_whole_and_in_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the texts they were written between; one that a limit cut comes as text, and none is lost."""
    tool = {"type": "function", "function": {"name": "add"}}
    words = 'say:so call:add:{"a":1} call:add:{"b":[{}]} say:and call:add:{"c":'

    async def run() -> None:
        async with scripted(tmp_path, monkeypatch) as (engine, fake):
            model = await engine.load(spec(fake))
            talk = Conversation([{"role": "user", "content": words}], tools=[tool])
            items = [item async for item in model.generate(talk, sampling(max_tokens=5))]
            assert items[1:-1] == [
                Piece("so"),
                Piece(call=ToolCall("add", {"a": 1}, "id0")),
                Piece(call=ToolCall("add", {"b": [{}]}, "id1")),
                Piece("and"),
                Piece('{"name": "add", "arguments": {"c":'),
            ]
            assert isinstance(items[-1], Stopped)
            assert items[-1].reason == "length"

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


@pytest.mark.parametrize("ask", [lambda model: model.embed(["a", "hang"]), lambda model: model.rank("hang", ["a"])])
def test_giving_up_what_has_no_pieces_is_told_to_the_engine(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embeddings and scores: cancelling closes the connection, so that nobody computes for nobody."""
    seen = tmp_path / "log"

    async def run() -> None:
        async with scripted(tmp_path, monkeypatch, SCRIPTED_LOG=str(seen)) as (engine, fake):
            model = await engine.load(spec(fake))
            asking = asyncio.create_task(ask(model))
            while not (seen.exists() and "hang" in seen.read_text()):
                await asyncio.sleep(0.01)
            asking.cancel()
            while "left" not in seen.read_text():
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_what_the_engine_refuses_is_the_callers_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 400 of the engine is an invalid request; an error inside a stream is a failed generation."""

    async def run() -> None:
        async with scripted(tmp_path, monkeypatch) as (engine, fake):
            model = await engine.load(spec(fake))
            with pytest.raises(InvalidRequest, match="refused"):
                await gather(model.generate(Prompt("refuse"), sampling()))
            with pytest.raises(InvalidRequest, match="refused"):
                await model.embed(["refuse"])
            with pytest.raises(InvalidRequest, match="refused"):
                await model.rank("refuse", ["a"])
            with pytest.raises(GenerationFailed, match="it failed"):
                await gather(model.generate(Prompt("say:a fail"), sampling()))
            assert (await gather(model.generate(Prompt("say:ok"), sampling())))[0] == "ok"

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_child_does_not_outlive_a_killed_parent(smollm2: Path) -> None:
    """SIGKILL of the process that loaded a model leaves no child."""
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from puna.engine import LoadSpec\nfrom puna.engine.llamacpp import LlamaCpp\n"
        "async def main():\n"
        "    model = await LlamaCpp().load(LoadSpec(Path(sys.argv[1]), 512, 1, 1))\n"
        "    print(model.pid, flush=True)\n    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )

    async def run() -> None:
        parent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(smollm2), stdout=asyncio.subprocess.PIPE
        )
        assert parent.stdout is not None
        child = int(await parent.stdout.readline())
        parent.kill()
        await parent.wait()
        while Path(f"/proc/{child}/cmdline").exists() and Path(f"/proc/{child}/cmdline").read_bytes():
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_what_a_dead_engine_held_can_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when its model's file is gone: whoever lists the models in that moment gets his list."""

    async def run() -> None:
        async with scripted(tmp_path, monkeypatch) as (engine, fake):
            model = await engine.load(spec(fake))
            fake.unlink()
            os.kill(model.pid, signal.SIGKILL)
            assert "signal: SIGKILL" == await model.wait_gone()
            assert 4 == model.memory == model.mapped

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_an_engine_whose_socket_is_gone_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could reach it any more; so the next request loads the model again."""

    async def run() -> None:
        async with scripted(tmp_path, monkeypatch) as (engine, fake):
            model = await engine.load(spec(fake))
            model.connections.close()
            model.connections = Connections(tmp_path / "gone.sock")
            with pytest.raises(EngineGone, match="unexpectedly stopped"):
                await model.tokenize("hello")
            assert "signal: SIGKILL" == await model.wait_gone()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
