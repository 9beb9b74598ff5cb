"""One answer of one model: what comes out, in which order, and what happens when it does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.engine import Generated, Loaded, LoadSpec, Sampling, Stopped
from puna.errors import ContextTooLong, GenerationFailed, TemplateError
from puna.events import Event, Piece, PromptProgress, Text, Thinking, ToolCalled
from puna.families import Found, Parser
from puna.families.generic import Plain
from puna.options import Options
from puna.service.answering import Answered, Answering
from puna.types import Conversation, Format, Message, Prompt, ToolCall, Usage

STOPPED = Stopped("stop", Usage(5, 2), 0.5, 1.5)
USER = Message("user", "Hi")


class ScriptedModel:
    """A model whose tokens are words, which puts one more in front of each prompt, and which says what is laid down.

    ``script`` is what it says each time, or the scripts of one run after another.
    """

    def __init__(self, *script: Generated | Exception | list[Any], num_ctx: int = 1000, finds: int = 0) -> None:
        self.spec = LoadSpec(Path("scripted.gguf"), num_ctx, parallel=1, threads=1)
        self.memory = 0
        self.asked: list[tuple[Prompt | Conversation, Sampling]] = []
        self.tokenized = 0
        self.closed = 0
        self._script = script
        self._finds = finds

    async def generate(self, prompt: Prompt | Conversation, sampling: Sampling) -> AsyncGenerator[Generated, None]:
        self.asked.append((prompt, sampling))
        text = prompt.text if isinstance(prompt, Prompt) else await self.render(prompt)
        tokens = self._finds or len(text.split()) + 1
        if tokens >= sampling.num_ctx:
            raise ContextTooLong(tokens, sampling.num_ctx)
        try:
            for item in self._script:
                if isinstance(item, Exception):
                    raise item
                if not isinstance(item, list):
                    yield item
            runs = [run for run in self._script if isinstance(run, list)]
            for item in runs[len(self.asked) - 1] if runs else ():
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed += 1

    async def render(self, conversation: Conversation) -> str:
        return " ".join(f"<{one['role']}> {one['content']}" for one in conversation.messages)

    async def tokenize(self, text: str) -> list[int]:
        self.tokenized += 1
        return list(range(len(text.split())))

    async def detokenize(self, tokens: Sequence[int]) -> str:
        raise NotImplementedError

    async def wait_gone(self) -> str:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class Hesitant:
    """A parser that is sure of a piece only when the next has come, and swallows question marks."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> Iterator[Found]:
        yield Text(self._held)
        self._held = text.replace("?", "")

    def close(self) -> Iterator[Found]:
        yield Text(self._held)


class Tagged:
    """A parser that knows reasoning by its tags, which come in pieces of their own."""

    def __init__(self) -> None:
        self._thinks = False

    def feed(self, text: str) -> Iterator[Found]:
        if text in {"<think>", "</think>"}:
            self._thinks = text == "<think>"
        elif text == "<call>":
            yield ToolCalled(ToolCall("f", {}))
        else:
            yield Thinking(text) if self._thinks else Text(text)

    def close(self) -> Iterator[Found]:
        return iter(())


async def as_prompt(messages: Sequence[Message]) -> Prompt:
    """One token for the role, and one for each word."""
    return Prompt(" ".join(f"<{message.role}> {message.content}" for message in messages))


async def as_conversation(messages: Sequence[Message]) -> Conversation:
    return Conversation([{"role": message.role, "content": message.content} for message in messages])


def answered(
    model: ScriptedModel,
    messages: Sequence[Message] = (USER,),
    *,
    rendering: Any = as_prompt,
    parser: Parser | None = None,
    max_tokens: int = 100,
    truncate: bool = True,
    shift: bool = True,
    thinks: bool = False,
    wanted: Format = None,
    as_text: Any = None,
) -> list[Event | Answered]:
    async def run() -> list[Event | Answered]:
        loaded: Loaded = model
        sampling = Sampling(Options(), max_tokens=max_tokens, num_ctx=model.spec.num_ctx, format=wanted)
        answering = Answering(
            loaded,
            rendering,
            lambda _prompt: parser or Plain(),
            sampling,
            truncate=truncate,
            shift=shift,
            thinks_first=thinks,
            as_text=as_text,
        )
        async with aclosing(answering.answer(messages)) as items:
            return [item async for item in items]

    return asyncio.run(run())


def test_an_answer_is_what_the_parser_makes_of_the_pieces() -> None:
    """Progress and events in the order they become certain, what was held back at the end, then how it ended."""
    model = ScriptedModel(PromptProgress(1, 2), Piece("Hel?"), Piece("lo"), STOPPED)

    assert [
        PromptProgress(1, 2),
        Text("Hel"),
        Text("lo"),
        Answered(STOPPED, Prompt("<user> Hi"), "Hel?lo", truncated=False),
    ] == answered(model, parser=Hesitant())
    assert 1 == model.closed


def test_a_prompt_that_fits_costs_nothing_more() -> None:
    """The engine is asked once, and nothing is counted beforehand."""
    model = ScriptedModel(STOPPED)
    answered(model)
    assert (1, 0) == (len(model.asked), model.tokenized)


CONVERSATION = (
    Message("system", "be kind"),
    Message("user", "one two"),
    Message("assistant", "three"),
    Message("system", "be brief"),
    Message("user", "four"),
    Message("assistant", "five"),
    Message("user", "six"),
)
"""18 tokens: each message has its words and one more; the model adds one."""


@pytest.mark.parametrize(
    ("num_ctx", "kept"),
    [
        (19, ["be kind", "one two", "three", "be brief", "four", "five", "six"]),
        (18, ["be kind", "be brief", "four", "five", "six"]),
        (15, ["be kind", "be brief", "four", "five", "six"]),
        (13, ["be kind", "be brief", "six"]),
        (10, ["be kind", "be brief", "six"]),
    ],
)
def test_whole_oldest_turns_are_left_out_until_it_fits(num_ctx: int, kept: list[str]) -> None:
    """Never a system message, never the last, no more than must be; and the answer says that it was so."""
    model = ScriptedModel(Piece("ok"), STOPPED, num_ctx=num_ctx)
    events = answered(model, CONVERSATION)

    prompt = asyncio.run(as_prompt([message for message in CONVERSATION if message.content in kept]))
    assert [Text("ok"), Answered(STOPPED, prompt, "ok", truncated=num_ctx < 19)] == events


@pytest.mark.parametrize(
    ("num_ctx", "kept"),
    [
        (23, ["a", "b", "task", "call 1", "result 1", "result 2", "call 2", "result 3"]),
        (22, ["task", "call 1", "result 1", "result 2", "call 2", "result 3"]),
        (19, ["task", "call 1", "result 1", "result 2", "call 2", "result 3"]),
        (18, ["task", "call 2", "result 3"]),
        (10, ["task", "call 2", "result 3"]),
    ],
)
def test_a_long_row_of_tool_calls_is_cut_between_them(num_ctx: int, kept: list[str]) -> None:
    """What the user wants stays, and no result loses the call it belongs to."""
    call = (ToolCall("f", {}),)
    messages = (
        *(Message("user", "a"), Message("assistant", "b"), Message("user", "task")),
        *(Message("assistant", "call 1", tool_calls=call), Message("tool", "result 1"), Message("tool", "result 2")),
        *(Message("assistant", "call 2", tool_calls=call), Message("tool", "result 3")),
    )
    last = answered(ScriptedModel(Piece("ok"), STOPPED, num_ctx=num_ctx), messages)[-1]

    assert isinstance(last, Answered)
    assert asyncio.run(as_prompt([one for one in messages if one.content in kept])) == last.prompt


def test_where_a_long_conversation_may_be_cut_is_found_in_one_go() -> None:
    """However many results of tools are in it, each message is looked at a few times only."""

    class Counted(list[Message]):
        looks = 0

        def __getitem__(self, at: Any) -> Any:
            self.looks += 1
            return super().__getitem__(at)

    call = Message("assistant", "call", tool_calls=(ToolCall("f", {}),))
    result = Message("tool", "result")
    messages = Counted([Message("user", "task"), call, *[result] * 200, call, result])
    last = answered(ScriptedModel(Piece("ok"), STOPPED, num_ctx=10), messages)[-1]

    assert isinstance(last, Answered)
    assert Prompt("<user> task <assistant> call <tool> result") == last.prompt
    assert messages.looks < 5 * len(messages)


def test_a_conversation_that_the_engine_renders_is_cut_alike() -> None:
    """Its own template is used for counting."""
    model = ScriptedModel(Piece("ok"), STOPPED, num_ctx=10)
    last = answered(model, CONVERSATION, rendering=as_conversation)[-1]

    assert isinstance(last, Answered)
    assert isinstance(last.prompt, Conversation)
    assert ["be kind", "be brief", "six"] == [one["content"] for one in last.prompt.messages]
    assert last.truncated


@pytest.mark.parametrize(
    ("messages", "truncate"),
    [(CONVERSATION, True), (CONVERSATION[-1:], True), (CONVERSATION, False)],
    ids=["not even the last fits", "there is one only", "not allowed"],
)
def test_what_cannot_be_made_to_fit_is_refused_with_both_numbers(messages: Sequence[Message], truncate: bool) -> None:
    """Those of the whole prompt, as the engine found them; nothing is ever cut silently."""
    model = ScriptedModel(num_ctx=3)
    tokens = sum(len(message.content.split()) + 1 for message in messages) + 1

    with pytest.raises(ContextTooLong) as refused:
        answered(model, messages, truncate=truncate)

    assert (tokens, 3) == (refused.value.prompt_tokens, refused.value.limit)
    assert 1 == len(model.asked)


def test_an_engine_that_counts_more_is_asked_twice_at_most() -> None:
    """What was cut to fit and still does not is refused."""
    model = ScriptedModel(num_ctx=18, finds=500)
    with pytest.raises(ContextTooLong) as refused:
        answered(model, CONVERSATION)
    assert (500, 2) == (refused.value.prompt_tokens, len(model.asked))


@given(
    st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.sampled_from(["", "a", "a b"]))),
    st.integers(1, 40),
)
def test_as_much_as_possible_of_any_conversation_is_kept(before: list[Message], num_ctx: int) -> None:
    """As if the oldest turns, each of which the user begins, were taken away one by one until the rest fits."""
    messages = [*before, Message("user", "last")]

    def kept(dropped: int) -> list[Message]:
        return [message for at, message in enumerate(messages) if at >= dropped or message.role == "system"]

    def fits(some: list[Message]) -> bool:
        return sum(len(message.content.split()) + 1 for message in some) + 1 < num_ctx

    cuts = [at for at, message in enumerate(messages) if at == 0 or message.role == "user"]
    expected = next((kept(dropped) for dropped in cuts if fits(kept(dropped))), None)
    model = ScriptedModel(STOPPED, num_ctx=num_ctx)
    if expected is None:
        with pytest.raises(ContextTooLong):
            answered(model, messages)
        return
    (last,) = answered(model, messages)
    assert isinstance(last, Answered)
    assert (asyncio.run(as_prompt(expected)), expected != messages) == (last.prompt, last.truncated)


@pytest.mark.parametrize("rendering", [as_prompt, as_conversation])
@pytest.mark.parametrize(("wanted", "given_"), [(3, 3), (6, 6), (7, 7), (8, 7), (1000, 7), (0, 0)])
def test_without_shift_the_answer_ends_where_the_context_does(rendering: Any, wanted: int, given_: int) -> None:
    """3 of 10 tokens are the prompt's, so 7 are left; a smaller limit of the caller's stands."""
    model = ScriptedModel(STOPPED, num_ctx=10)
    answered(model, rendering=rendering, max_tokens=wanted, shift=False)
    assert [given_] == [sampling.max_tokens for _, sampling in model.asked]


def test_with_shift_the_limit_is_the_callers() -> None:
    """The engine makes room as it goes on."""
    model = ScriptedModel(STOPPED, num_ctx=10)
    answered(model, max_tokens=1000)
    assert [1000] == [sampling.max_tokens for _, sampling in model.asked]


def test_without_shift_turns_that_are_left_out_make_room() -> None:
    """The limit is that of the prompt which is answered."""
    model = ScriptedModel(STOPPED, num_ctx=15)
    answered(model, CONVERSATION, max_tokens=1000, shift=False)
    assert [1, 2] == [sampling.max_tokens for _, sampling in model.asked]


def test_leaving_an_answer_cancels_it() -> None:
    """The engine's place is free when the closing is done."""
    model = ScriptedModel(Piece("a"), Piece("b"), STOPPED)

    async def run() -> None:
        sampling = Sampling(Options(), max_tokens=10, num_ctx=1000)
        answering = Answering(model, as_prompt, lambda _prompt: Plain(), sampling, truncate=True, shift=True)
        items = answering.answer([USER])
        assert Text("a") == await anext(items)
        assert 0 == model.closed
        await items.aclose()
        assert 1 == model.closed

    asyncio.run(run())


def test_what_came_before_a_failure_was_said() -> None:
    """The error follows the events, and no end does."""
    model = ScriptedModel(Piece("a"), GenerationFailed("no"))

    async def run() -> None:
        sampling = Sampling(Options(), max_tokens=10, num_ctx=1000)
        answering = Answering(model, as_prompt, lambda _prompt: Plain(), sampling, truncate=True, shift=True)
        async with aclosing(answering.answer([USER])) as items:
            assert Text("a") == await anext(items)
            with pytest.raises(GenerationFailed):
                await anext(items)

    asyncio.run(run())


def test_messages_that_cannot_be_rendered_are_the_callers_error() -> None:
    """The engine is not asked."""
    model = ScriptedModel(STOPPED)

    async def failing(messages: Sequence[Message]) -> Prompt:
        raise TemplateError("line 1: no such function")

    with pytest.raises(TemplateError):
        answered(model, rendering=failing)
    assert [] == model.asked


async def as_text(conversation: Conversation) -> Prompt:
    return Prompt(" ".join(f"<{one['role']}> {one['content']}" for one in conversation.messages))


UNREAD = GenerationFailed("the output does not match")


@pytest.mark.parametrize(
    "before", [[], [Piece("", thinking="h"), Piece("", thinking="m")], [Piece("", thinking="hm"), Piece("a")]]
)
def test_an_answer_that_the_engine_cannot_read_is_read_as_text(before: list[Generated]) -> None:
    """It is had once more, from the same seed, and what was said of it is not said again."""
    again = [*map(Piece, ("<think>", "hm", "</think>", "a", "<bad call>")), STOPPED]
    model = ScriptedModel([*before, UNREAD], again)
    events = answered(model, rendering=as_conversation, parser=Tagged(), as_text=as_text)
    assert "hm" == "".join(event.text for event in events if isinstance(event, Thinking))
    assert "a<bad call>" == "".join(event.text for event in events if isinstance(event, Text))
    assert isinstance(events[-1], Answered)
    (_, first), (prompt, second) = model.asked
    assert Prompt("<user> Hi") == prompt
    assert first.options.seed == second.options.seed >= 0


def test_reasoning_in_tags_that_only_the_engine_knows_is_not_said_again() -> None:
    """What follows it is the answer."""
    model = ScriptedModel([Piece("", thinking="hm"), UNREAD], [*map(Piece, ("[T]", "hm", "[/T]", "a")), STOPPED])
    events = answered(model, rendering=as_conversation, parser=Tagged(), as_text=as_text)
    assert [Thinking("hm"), Text("[/T]"), Text("a")] == events[:-1]


@pytest.mark.parametrize(
    ("before", "again"),
    [
        ([Piece("a")], [Piece("other"), STOPPED]),
        ([Piece("", thinking="hm")], [Piece("other"), STOPPED]),
        ([Piece("a")], [Piece("<call>"), STOPPED]),
        ([Piece(call=ToolCall("f", {}))], [STOPPED]),
        ([], [GenerationFailed("nor this"), STOPPED]),
    ],
)
def test_an_answer_that_is_another_the_second_time_ends_with_the_error(before: Any, again: Any) -> None:
    """What was said cannot be taken back; and nothing is tried three times."""
    model = ScriptedModel([*before, UNREAD], again)
    with pytest.raises(GenerationFailed):
        answered(model, rendering=as_conversation, parser=Tagged(), as_text=as_text)
    assert len(model.asked) <= 2


def test_an_answer_to_text_is_not_had_again() -> None:
    """The engine reads nothing there: its error is one."""
    model = ScriptedModel([UNREAD], [STOPPED])
    with pytest.raises(GenerationFailed):
        answered(model, as_text=as_text)
    assert 1 == len(model.asked)


SCHEMA = {"type": "object"}


def test_a_format_binds_the_answer_and_not_the_reasoning_before_it() -> None:
    """The first run is free until the answer begins; the second goes on from there, bound; they count as one."""
    first: list[Generated] = [PromptProgress(3, 3), *map(Piece, ["<think>", "hm", "</think>", "\n", "Sure, "]), STOPPED]
    stopped = Stopped("stop", Usage(7, 2), 0.0, 0.25)
    second: list[Generated] = [PromptProgress(7, 7), Piece('{"a"'), Piece(":1}"), stopped]
    model = ScriptedModel(first, second)

    *events, last = answered(model, parser=Tagged(), thinks=True, wanted=SCHEMA, max_tokens=20)

    assert [PromptProgress(3, 3), Thinking("hm"), Text('{"a"'), Text(":1}")] == events
    (_, free), (prompt, bound) = model.asked
    assert Prompt("<user> Hi<think>hm</think>\n") == prompt
    assert (None, SCHEMA, 15) == (free.format, bound.format, bound.max_tokens)
    assert isinstance(last, Answered)
    assert Usage(3, 4 + 2) == last.stopped.usage
    assert '<think>hm</think>\n{"a":1}' == last.raw
    assert 2 == model.closed


@pytest.mark.parametrize(
    ("thinks", "wanted"), [(False, SCHEMA), (True, None)], ids=["there is no reasoning", "there is no format"]
)
def test_an_answer_without_reasoning_or_without_a_format_takes_one_run(thinks: bool, wanted: Format) -> None:
    """Bound from its first token, or not at all."""
    model = ScriptedModel(Piece("{}"), STOPPED)
    assert [Text("{}")] == answered(model, thinks=thinks, wanted=wanted)[:-1]
    assert [wanted] == [sampling.format for _, sampling in model.asked]


def test_a_tool_call_is_the_whole_answer_whatever_the_format() -> None:
    """It is not cut off, nor is what follows it."""
    model = ScriptedModel(*map(Piece, ["<think>", "hm", "</think>", "<call>", "done"]), STOPPED)
    events = answered(model, parser=Tagged(), thinks=True, wanted=SCHEMA)
    found = [Thinking("hm"), "f", Text("done")]
    assert found == [event.call.name if isinstance(event, ToolCalled) else event for event in events[:-1]]
    assert 1 == len(model.asked)


def test_reasoning_that_reaches_the_limit_ends_the_answer() -> None:
    """There is nothing left to bind."""
    model = ScriptedModel(Piece("<think>"), Piece("hm"), Stopped("length", Usage(3, 2), 0.0, 0.0))
    *events, last = answered(model, parser=Tagged(), thinks=True, wanted="json")
    assert [Thinking("hm")] == events
    assert isinstance(last, Answered)
    assert "length" == last.stopped.reason


def test_the_reasoning_of_an_answer_is_known_at_its_end() -> None:
    """All of it, in one run or two, for its tokens to be counted."""
    pieces = [Piece("<think>"), Piece("a "), Piece("b"), Piece("</think>"), Piece("c")]
    *_, whole = answered(ScriptedModel(*pieces, STOPPED), parser=Tagged())
    assert isinstance(whole, Answered)
    assert "a b" == whole.thinking
    model = ScriptedModel([*pieces, STOPPED], [Piece("{}"), STOPPED])
    *_, bound = answered(model, parser=Tagged(), thinks=True, wanted="json")
    assert isinstance(bound, Answered)
    assert ("a b", 2) == (bound.thinking, len(model.asked))
