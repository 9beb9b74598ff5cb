"""docs/api.md is true: every command on it is sent, and every reply is as it is shown there."""

from __future__ import annotations

import json
import re
import shlex
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import pytest

from puna.http.dialects import Services, ollama

PAGE = "docs/api.md"
BASE = "http://localhost:11434"

TIMES = {"created_at", "modified_at", "expires_at"}
DURATIONS = {"total_duration", "load_duration", "prompt_eval_duration", "eval_duration"}
NUMBERS = DURATIONS | {"eval_count", "size", "logprob", "device", "inode"}
WRITTEN = {"response", "message.content", "logprobs.token", "top_logprobs.token"}
TOKENS = {"context", "bytes"}
VECTORS = {"embedding", "embeddings"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
STATUS = re.compile(r"^`(\d{3}) [A-Z]", re.MULTILINE)


@dataclass(frozen=True)
class Exchange:
    """A command of the page, and the reply shown below it: status, kind of body, and body."""

    where: str
    method: str
    path: str
    body: bytes | None
    upload: str
    status: int
    kind: str
    reply: str


@dataclass(frozen=True)
class Reply:
    """What the server answered."""

    status: int
    text: str


def exchange(where: str, command: str, after: str, shown: tuple[str, str] | None) -> Exchange:
    """Read a curl command as curl would."""
    words = iter(shlex.split(command.replace("\\\n", "")))
    assert next(words) == "curl", where
    method, url, body, upload = "", "", None, ""
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-d" | "--data-binary":
                body, method = next(words).encode(), method or "POST"
            case "-T":
                upload, method = next(words), method or "PUT"
            case "-I":
                method = "HEAD"
            case _:
                assert word.startswith(BASE), f"{where}: {word}"
                url = word
    status = STATUS.search(after)
    kind, reply = shown or ("", "")
    assert status or shown, f"{where}: it is not said what the reply is"
    return Exchange(
        where,
        method or "GET",
        url.removeprefix(BASE),
        body,
        upload,
        int(status.group(1)) if status else 200,
        kind,
        reply,
    )


@pytest.fixture(scope="module")
def exchanges(blocks: Callable[[str], list[Any]]) -> list[Exchange]:
    """The page's commands and replies, in order."""
    found = []
    all_blocks = blocks(PAGE)
    for block, following in zip(all_blocks, [*all_blocks[1:], None], strict=True):
        if block.language == "sh":
            shown = (following.language, following.code) if following and following.language != "sh" else None
            found.append(exchange(str(block), block.code, block.after, shown))
    return found


@pytest.fixture(scope="module")
def send(
    start_server: Callable[..., Any], smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Exchange], Reply]]:
    """Sends to a server of the page's own: it begins with an empty store, and shows which models are in memory."""
    with start_server(tmp_path_factory.mktemp("store")) as running:

        def send(asked: Exchange) -> Reply:
            data = asked.body
            if asked.upload:
                assert asked.upload == smollm2.name, asked.where
                data = smollm2.read_bytes()
            request = urllib.request.Request(running.url + asked.path, data=data, method=asked.method)
            try:
                with urllib.request.urlopen(request, timeout=120) as reply:
                    return Reply(reply.status, reply.read().decode())
            except urllib.error.HTTPError as error:
                with error:
                    return Reply(error.code, error.read().decode())

        yield send


def same(shown: Any, got: Any, place: str = "") -> list[str]:
    """How ``got`` differs from what is ``shown``, where it should not. "..." stands for more of the same."""
    key = place.rpartition(".")[2]
    if key in TIMES:
        return [] if isinstance(got, str) and TIME.fullmatch(got) else [f"{place}: {got} is not a time"]
    if key in NUMBERS:
        return [] if type(got) is type(shown) else [f"{place}: {got} is not a number like {shown}"]
    if any(place.endswith(written) for written in WRITTEN):
        return same_json(shown, got, place)
    if key == "path":
        return [] if Path(got).is_absolute() else [f"{place}: {got} is not where something is"]
    match shown:
        case dict():
            return same_fields(shown, got, place) if isinstance(got, dict) else [f"{place}: {got} is not an object"]
        case list():
            return same_items(shown, got, place) if isinstance(got, list) else [f"{place}: {got} is not a list"]
        case str() if isinstance(got, str):
            return [] if steady(shown) == steady(got) else [f"{place}: {got!r} instead of {shown!r}"]
        case float() if key in VECTORS:
            return [] if isinstance(got, float) else [f"{place}: {got!r} is not a number like {shown}"]
    return [] if (type(shown), shown) == (type(got), got) else [f"{place}: {got!r} instead of {shown!r}"]


def same_fields(shown: Mapping[str, Any], got: Mapping[str, Any], place: str) -> list[str]:
    """Compare objects: the same keys in the same order."""
    keys = [key for key in shown if key != "..."]
    there = [key for key in got if key in shown or "..." not in shown]
    if keys != there:
        return [f"{place}: has {there} instead of {keys}"]
    return [difference for key in keys for difference in same(shown[key], got[key], f"{place}.{key}".strip("."))]


def same_items(shown: list[Any], got: list[Any], place: str) -> list[str]:
    """Compare lists; of tokens, only that they are numbers."""
    if place.rpartition(".")[2] in TOKENS:
        return [] if got and all(isinstance(item, int) for item in got) else [f"{place}: {got} are not numbers"]
    more = shown[-1:] == ["..."]
    wanted = shown[:-1] if more else shown
    if len(got) < len(wanted) + more or (len(got) > len(wanted) and not more):
        return [f"{place}: has {len(got)} items"]
    return [difference for one, other in zip(wanted, got, strict=False) for difference in same(one, other, place)]


def same_json(shown: str, got: Any, place: str) -> list[str]:
    """Compare what a model wrote: some text, or nothing; where JSON is shown, JSON with the same keys."""
    if not isinstance(got, str) or bool(shown) != bool(got):
        return [f"{place}: {got!r} instead of {shown!r}"]
    if not shown.startswith("{"):
        return []
    return [] if json.loads(shown).keys() == json.loads(got).keys() else [f"{place}: {got!r} instead of {shown!r}"]


def steady(text: str) -> str:
    """``text`` without what differs between two machines: digests, and where the store is."""
    return re.sub(r"[0-9a-f]{64}", "<digest>", re.sub(r"\S+/blobs/", "<store>/blobs/", text))


def same_lines(shown: str, got: str) -> list[str]:
    """Compare streams: a line "..." stands for any lines between those before and those after it."""
    before, more, after = shown.partition("...\n")
    first, last = [[json.loads(line) for line in part.splitlines()] for part in (before, after)]
    lines = [json.loads(line) for line in got.splitlines()]
    if len(lines) < len(first) + len(last) or (len(lines) > len(first) and not more):
        return [f"has {len(lines)} lines"]
    return same(first, lines[: len(first)]) + same(last, lines[len(lines) - len(last) :])


def differences(asked: Exchange, reply: Reply) -> list[str]:
    """How a reply differs from the one shown."""
    if reply.status != asked.status:
        return [f"status {reply.status} instead of {asked.status}: {reply.text[:500]}"]
    match asked.kind:
        case "json":
            return same(json.loads(asked.reply), json.loads(reply.text))
        case "jsonl":
            return same_lines(asked.reply, reply.text)
        case "text" | "":
            return [] if asked.reply.strip() == reply.text else [f"{reply.text!r} instead of {asked.reply!r}"]
    return [f"a reply cannot be shown as {asked.kind}"]


@pytest.mark.real
def test_every_reply_on_the_page_is_the_one_that_comes(
    exchanges: list[Exchange], send: Callable[[Exchange], Reply]
) -> None:
    """Who tries the page's commands in order gets the replies that are shown."""
    wrong = [
        f"{asked.where}: {asked.method} {asked.path}: {difference}"
        for asked in exchanges
        for difference in differences(asked, send(asked))
    ]
    assert [] == wrong, "\n".join(wrong)


def test_every_route_is_on_the_page(exchanges: list[Exchange], pages: dict[str, str]) -> None:
    """Whatever the server answers is documented by name, and tried (HEAD only where there is nothing else)."""
    nobody = cast(Any, None)
    services = Services(**{field.name: nobody for field in fields(Services)})
    tried = [(asked.method, asked.path) for asked in exchanges]
    for route in ollama.routes(services):
        pattern = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route.path)))
        for method in route.methods:
            assert f"{method} {route.path}" in pages[PAGE], "not on the page"
            if method != "HEAD" or route.methods == ("HEAD",):
                assert [at for at in tried if at[0] == method and pattern.fullmatch(at[1])], f"{method} {route.path}"


@pytest.mark.parametrize(
    ("shown", "got"),
    [
        ({"done": True}, {"done": True, "extra": 1}),
        ({"done": True}, {"done": 1}),
        ({"created_at": "2026-11-21T23:37:55Z"}, {"created_at": "today"}),
        ({"eval_count": 3}, {"eval_count": "3"}),
        ({"response": "x"}, {"response": ""}),
        ({"response": '{"a": 1}'}, {"response": '{"b": 1}'}),
        ({"message": {"content": "x"}}, {"message": {"content": None}}),
        ({"context": [1, "..."]}, {"context": ["a"]}),
        ({"embeddings": [[0.5, 0.5]]}, {"embeddings": [[0.5]]}),
        ({"embedding": [0.5, "..."]}, {"embedding": ["a", 0.5]}),
        ([{"name": "a"}, "..."], [{"name": "a"}]),
        ([1], [1, 2]),
        ({"a": 1, "...": "..."}, {"b": 2}),
    ],
)
def test_a_wrong_reply_is_found(shown: Any, got: Any) -> None:
    """The comparison overlooks nothing but what varies."""
    assert same(shown, got)


@pytest.mark.parametrize(
    ("shown", "got"),
    [
        (
            {"created_at": "2026-11-21T23:37:55Z", "eval_count": 3},
            {"created_at": "2027-01-01T00:00:00.5Z", "eval_count": 9},
        ),
        ({"response": '{"a": 1}'}, {"response": '{"a": 2}'}),
        ({"context": [1, "..."]}, {"context": [4, 5, 6]}),
        ({"embeddings": [[0.5, "..."]]}, {"embeddings": [[0.25, 0.25]]}),
        ([{"name": "a"}, "..."], [{"name": "a"}, {"name": "b"}]),
        ({"a": 1, "...": "..."}, {"z": 0, "a": 1, "b": 2}),
        ("FROM /home/me/blobs/sha256-" + "0" * 64, "FROM /tmp/x/blobs/sha256-" + "1" * 64),
    ],
)
def test_what_varies_is_no_difference(shown: Any, got: Any) -> None:
    """Times, counts, digests and what a model writes may differ."""
    assert [] == same(shown, got)
