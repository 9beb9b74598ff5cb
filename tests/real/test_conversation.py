"""Two real models in conversation: ten turns with history, a system prompt and a stop string, and thinking aloud."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from puna.engine import LoadSpec, Sampling, Stopped
from puna.engine.llamacpp import LlamaCpp, LlamaCppModel
from puna.events import PromptProgress
from puna.options import Options
from puna.types import Prompt

pytestmark = pytest.mark.real

GEMMA = '''\
FROM {path}
TEMPLATE """{{{{- range $at, $message := .Messages }}}}
{{{{- $last := eq (len (slice $.Messages $at)) 1 }}}}
{{{{- if eq .Role "assistant" }}}}<start_of_turn>model
{{{{ .Content }}}}{{{{ if not $last }}}}<end_of_turn>
{{{{ end }}}}
{{{{- else }}}}<start_of_turn>user
{{{{ .Content }}}}<end_of_turn>
{{{{ if $last }}}}<start_of_turn>model
{{{{ end }}}}
{{{{- end }}}}
{{{{- end }}}}"""
PARAMETER stop <end_of_turn>
SYSTEM You answer in one short sentence.
'''
THINKER = '''\
FROM smollm2
TEMPLATE """{{- range .Messages }}<|im_start|>{{ .Role }}
{{ if .Thinking }}<think>{{ .Thinking }}</think>
{{ end }}{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ if and .IsThinkSet (not .Think) }}<think></think>
{{ end }}"""
PARAMETER temperature 0
PARAMETER num_predict 40
MESSAGE user What is the capital of Spain?
MESSAGE assistant """<think>The user asks about Spain.</think>
It is Madrid."""
MESSAGE user What is the capital of Italy?
MESSAGE assistant """<think>The user asks about Italy.</think>
It is Rome."""
MESSAGE user What is the capital of Japan?
MESSAGE assistant """<think>The user asks about Japan.</think>
It is Tokyo."""
'''

SYSTEM = "You are a friendly gardener. You answer in one short sentence."
QUESTIONS = (
    "Why is grass green?",
    "Why is the sky blue?",
    "And at night?",
    "Which flowers smell good?",
    "How do bees find them?",
    "What is honey made of?",
    "Who eats honey?",
    "Where do bears sleep?",
    "When do they wake up?",
    "What did I ask you first?",
)
STOP = "."
MOST_TOKENS = 24
NUM_CTX = 2048
READ_AGAIN = 8
"""Tokens at a prompt's end that llama.cpp may not keep, where a model looks only so far back, as Gemma does."""
OPTIONS = {"temperature": 0, "seed": 1, "num_predict": MOST_TOKENS, "num_ctx": NUM_CTX, "stop": [STOP, "\n\n"]}


@dataclass(frozen=True)
class Turn:
    """What the model was asked, how its prompt read, and the chunks of its answer."""

    messages: list[dict[str, str]]
    prompt: str
    chunks: list[dict[str, Any]]

    @property
    def text(self) -> str:
        return "".join(chunk["message"]["content"] for chunk in self.chunks)


def puna(server: Any, *arguments: str, stdin: str | None = None) -> str:
    """What the command line prints."""
    environ = os.environ | {"OLLAMA_HOST": server.url}
    command = [sys.executable, "-m", "puna", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, input=stdin, timeout=120, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def talkers(
    tmp_path_factory: pytest.TempPathFactory, start_server: Any, smollm2: Path, gemma3: Path
) -> Iterator[tuple[Any, dict[str, Path]]]:
    """A server with both models, and their files: SmolLM2 with the template in its GGUF, Gemma with a TEMPLATE."""
    folder = tmp_path_factory.mktemp("modelfiles")
    with start_server(tmp_path_factory.mktemp("store")) as running:
        for name, text in {
            "smollm2": f"FROM {smollm2}\n",
            "gemma3": GEMMA.format(path=gemma3),
            "thinker": THINKER,
        }.items():
            modelfile = folder / f"{name}.modelfile"
            modelfile.write_text(text)
            puna(running, "create", name, "-f", str(modelfile))
        yield running, {"smollm2": smollm2, "gemma3": gemma3}


@pytest.fixture(scope="module", params=["smollm2", "gemma3"])
def conversation(request: pytest.FixtureRequest, talkers: tuple[Any, dict[str, Path]]) -> tuple[Path, list[Turn]]:
    """A model's file, and ten turns with it, each with the whole history."""
    server, files = talkers
    messages = [{"role": "system", "content": SYSTEM}]
    turns = []
    for question in QUESTIONS:
        messages.append({"role": "user", "content": question})
        body = {"model": request.param, "messages": messages, "options": OPTIONS}
        rendered = server.call("POST", "/api/chat", body | {"_debug_render_only": True})
        call = urllib.request.Request(f"{server.url}/api/chat", data=json.dumps(body).encode())
        with urllib.request.urlopen(call, timeout=60) as reply:
            chunks = [json.loads(line) for line in reply]
        turns.append(Turn(messages.copy(), rendered["_debug_info"]["rendered_template"], chunks))
        messages.append({"role": "assistant", "content": turns[-1].text})
    return files[request.param], turns


def test_every_turn_is_answered(conversation: tuple[Path, list[Turn]]) -> None:
    """With words, an end that says why, and never the stop string."""
    _, turns = conversation
    for turn in turns:
        *pieces, last = turn.chunks
        assert {False} == {piece["done"] for piece in pieces}
        assert last["done"]
        assert STOP not in turn.text
        assert "<end_of_turn>" not in turn.text
        assert last["eval_count"] <= MOST_TOKENS
        assert ("length" if last["eval_count"] == MOST_TOKENS else "stop") == last["done_reason"]
        assert turn.text.strip() or last["done_reason"] == "stop"
    assert 8 <= sum(bool(turn.text.strip()) for turn in turns)
    assert "stop" in {turn.chunks[-1]["done_reason"] for turn in turns}


def test_every_turn_sees_all_that_was_said(conversation: tuple[Path, list[Turn]]) -> None:
    """The system prompt and the whole history stand in the prompt, in order."""
    _, turns = conversation
    for turn in turns:
        at = 0
        for message in turn.messages:
            at = turn.prompt.index(message["content"].strip(), at)


def test_counts_are_the_engines_own_and_only_what_is_new_is_read(conversation: tuple[Path, list[Turn]]) -> None:
    """The bare engine counts the same tokens in each prompt, and has the last prompt in its cache."""
    path, turns = conversation

    async def read(model: LlamaCppModel, prompt: str) -> tuple[int, int]:
        sampling = Sampling(Options(temperature=0.0, seed=1), max_tokens=1, num_ctx=NUM_CTX)
        items = [item async for item in model.generate(Prompt(prompt), sampling)]
        assert isinstance(items[-1], Stopped)
        cached = next(item.processed for item in items if isinstance(item, PromptProgress))
        return items[-1].usage.prompt_tokens, cached

    async def run() -> list[tuple[int, int]]:
        engine = LlamaCpp()
        try:
            model = await engine.load(LoadSpec(path, num_ctx=NUM_CTX, parallel=4, threads=2, pooling="last"))
            return [await read(model, turn.prompt) for turn in turns]
        finally:
            await engine.close()

    found = asyncio.run(asyncio.wait_for(run(), 120))
    counts = [count for count, _ in found]
    assert counts == [turn.chunks[-1]["prompt_eval_count"] for turn in turns]
    assert all(before - READ_AGAIN <= cached <= before for before, (_, cached) in zip(counts, found[1:], strict=False))


@pytest.mark.parametrize(
    ("flags", "thinks"),
    [((), True), (("--think=high",), True), (("--hidethinking",), False), (("--think=false",), False)],
)
def test_the_command_line_shows_what_the_model_thinks(
    talkers: tuple[Any, dict[str, Path]], flags: tuple[str, ...], thinks: bool
) -> None:
    """Between two lines that say so, unless it is to be hidden or off."""
    server, _ = talkers
    printed = puna(server, "run", "thinker", *flags, "What is the capital of France?")
    thought = "Thinking...\nThe user asks about France.\n...done thinking.\n\n" if thinks else ""
    assert printed.startswith(f"{thought}It is Paris."), printed
