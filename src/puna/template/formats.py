"""Prompt formats known by name, as templates with the parameters they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Format:
    """A prompt format. ``has_system`` says that it is known by what it does with a system message."""

    name: str
    template: str
    parameters: Mapping[str, Any]
    has_system: bool = False


def _stop(*texts: str) -> dict[str, Any]:
    return {"stop": list(texts)}


_CHATML = """{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""

_LLAMA3 = """{{- range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>

{{ .Content }}<|eot_id|>
{{- end }}<|start_header_id|>assistant<|end_header_id|>

"""

_GEMMA = """{{- $system := .System }}
{{- range .Messages }}
{{- if eq .Role "assistant" }}<start_of_turn>model
{{ .Content }}<end_of_turn>
{{ else if ne .Role "system" }}<start_of_turn>user
{{ if $system }}{{ $system }}

{{ $system = "" }}{{ end }}{{ .Content }}<end_of_turn>
{{ end }}
{{- end }}<start_of_turn>model
"""

_PHI3 = """{{- range .Messages }}<|{{ .Role }}|>
{{ .Content }}<|end|>
{{ end }}<|assistant|>
"""

_ZEPHYR = """{{- range .Messages }}<|{{ .Role }}|>
{{ .Content }}</s>
{{ end }}<|assistant|>
"""

_MISTRAL = """{{- $system := .System }}
{{- range .Messages }}
{{- if eq .Role "user" }}[INST] {{ if $system }}{{ $system }}

{{ $system = "" }}{{ end }}{{ .Content }} [/INST]
{{- else if eq .Role "assistant" }}{{ .Content }}</s>
{{- end }}
{{- end }}"""

_MISTRAL_SPACED = """{{- $system := .System }}
{{- range .Messages }}
{{- if eq .Role "user" }} [INST] {{ if $system }}{{ $system }}

{{ $system = "" }}{{ end }}{{ .Content }} [/INST]
{{- else if eq .Role "assistant" }} {{ .Content }}</s>
{{- end }}
{{- end }}"""

_VICUNA = """{{- if .System }}{{ .System }} {{ end }}
{{- range .Messages }}
{{- if eq .Role "user" }}USER: {{ .Content }} {{ else if eq .Role "assistant" }}ASSISTANT: {{ .Content }}</s>{{ end }}
{{- end }}ASSISTANT:"""

_ALPACA = """{{- if .System }}{{ .System }}

{{ end }}
{{- range .Messages }}
{{- if eq .Role "user" }}### Instruction:
{{ .Content }}

{{ else if eq .Role "assistant" }}### Response:
{{ .Content }}

{{ end }}
{{- end }}### Response:
"""

_OPENCHAT = """{{- range .Messages }}GPT4 Correct {{ if eq .Role "system" }}System
{{- else if eq .Role "assistant" }}Assistant
{{- else }}User
{{- end }}: {{ .Content }}<|end_of_turn|>
{{- end }}GPT4 Correct Assistant:"""

_MISTRAL_STOP = _stop("[INST]", "[/INST]")

FORMATS: tuple[Format, ...] = (
    Format("chatml", _CHATML, _stop("<|im_start|>", "<|im_end|>")),
    Format("llama3-instruct", _LLAMA3, _stop("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")),
    Format("gemma3-instruct", _GEMMA, {"stop": ["<end_of_turn>"], "temperature": 0.1}, has_system=True),
    Format("gemma-instruct", _GEMMA, _stop("<start_of_turn>", "<end_of_turn>")),
    Format("phi-3", _PHI3, _stop("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")),
    Format("zephyr", _ZEPHYR, _stop("<|system|>", "</s>", "<|user|>", "<|assistant|>")),
    Format("mistral-instruct", _MISTRAL, _MISTRAL_STOP),
    Format("mistral-instruct", _MISTRAL_SPACED, _MISTRAL_STOP),
    Format("vicuna", _VICUNA, _stop("USER:", "ASSISTANT:")),
    Format("alpaca", _ALPACA, _stop("### Instruction:", "### Response")),
    Format("openchat", _OPENCHAT, _stop("<|end_of_turn|>")),
)
"""The formats in the order they are tried."""
