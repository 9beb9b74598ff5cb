"""What a server says of its models, in JSON, as puna's types. Lenient as ``wire`` is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from puna.types import Details, Message, ModelDetails, ModelSummary, RunningModel, Tensor


def _details(raw: Mapping[str, Any]) -> Details:
    said = {name: value for name, value in (raw.get("details") or {}).items() if value is not None}
    known = {field.name: said[field.name] for field in fields(Details) if field.name in said}
    return Details(**known | {"families": tuple(said.get("families", ()))})


def summary(raw: Mapping[str, Any]) -> ModelSummary:
    """One model of ``/api/tags``."""
    return ModelSummary(
        name=raw.get("name") or raw.get("model") or "",
        modified=raw.get("modified_at") or "",
        size=raw.get("size") or 0,
        digest=raw.get("digest") or "",
        details=_details(raw),
        capabilities=tuple(raw.get("capabilities") or ()),
        remote_model=raw.get("remote_model") or "",
        remote_host=raw.get("remote_host") or "",
    )


def running(raw: Mapping[str, Any]) -> RunningModel:
    """One model of ``/api/ps``."""
    return RunningModel(
        name=raw.get("name") or raw.get("model") or "",
        size=raw.get("size") or 0,
        size_vram=raw.get("size_vram") or 0,
        digest=raw.get("digest") or "",
        details=_details(raw),
        expires=raw.get("expires_at") or "",
        context_length=raw.get("context_length") or 0,
    )


def model_details(raw: Mapping[str, Any]) -> ModelDetails:
    """The reply of ``/api/show``."""
    return ModelDetails(
        modelfile=raw.get("modelfile") or "",
        details=_details(raw),
        model_info=raw.get("model_info") or {},
        capabilities=tuple(raw.get("capabilities") or ()),
        modified=raw.get("modified_at") or "",
        license=raw.get("license") or "",
        parameters=raw.get("parameters") or "",
        template=raw.get("template") or "",
        system=raw.get("system") or "",
        messages=tuple(
            Message(role=said.get("role") or "", content=said.get("content") or "")
            for said in raw.get("messages") or ()
        ),
        projector_info=raw.get("projector_info"),
        tensors=tuple(
            Tensor(name=tensor["name"], type=tensor["type"], shape=tuple(tensor["shape"]))
            for tensor in raw.get("tensors") or ()
        ),
        requires=raw.get("requires") or "",
        remote_model=raw.get("remote_model") or "",
        remote_host=raw.get("remote_host") or "",
    )
