"""The older form of create: a Modelfile in the request, as clients of before 2025 send it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from puna.errors import InvalidRequest, ModelfileError, ScopeMissing
from puna.service.create import create
from puna.service.legacy import translated
from puna.service.requests import Caller, calls
from puna.service.rights import Rights
from puna.store.blobs import Blobs, digest_of
from puna.store.models import Store
from puna.types import CreateRequest, Message

SAID = """FROM base
TEMPLATE {{ .Prompt }}
SYSTEM be kind
PARAMETER temperature 0.5
PARAMETER stop END
LICENSE MIT
MESSAGE user hi
MESSAGE assistant ahoy
"""


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Store(tmp_path / "store").blobs


def asked(blobs: Blobs, **fields: Any) -> CreateRequest:
    return translated(blobs, CreateRequest("m", **fields))


def test_a_modelfile_says_what_the_fields_would(blobs: Blobs) -> None:
    """Every instruction has its field."""
    found = asked(blobs, modelfile=SAID)
    assert ("base", None) == (found.source, found.files)
    assert ("{{ .Prompt }}", "be kind", ("MIT",)) == (found.template, found.system, found.licenses)
    assert {"temperature": 0.5, "stop": ["END"]} == found.parameters
    assert (Message("user", "hi"), Message("assistant", "ahoy")) == found.messages


def test_a_field_of_the_request_wins(blobs: Blobs) -> None:
    """It says more plainly what is wanted."""
    found = asked(blobs, modelfile=SAID, system="be brief", parameters={"temperature": 1.0})
    assert ("be brief", {"temperature": 1.0, "stop": ["END"]}) == (found.system, found.parameters)


@pytest.mark.parametrize("fields", [{"source": "other"}, {"files": {}}, {}], ids=["from", "files", "neither"])
def test_a_request_in_todays_form_stays_as_it_is(blobs: Blobs, fields: dict[str, Any]) -> None:
    """Also when it has a Modelfile beside it, which today's clients send for show."""
    modelfile = SAID if fields else ""
    assert CreateRequest("m", modelfile=modelfile, **fields) == asked(blobs, modelfile=modelfile, **fields)


@pytest.mark.parametrize("mark", ["@", ""])
def test_from_an_uploaded_blob(blobs: Blobs, mark: str) -> None:
    """Named by its digest, with the mark of the older form or without."""
    digest = str(digest_of(b"GGUF"))
    found = asked(blobs, modelfile=f"FROM {mark}{digest}\nADAPTER {mark}{digest}")
    assert [digest] == list((found.files or {}).values())
    assert [digest] == list((found.adapters or {}).values())


def test_from_a_file_on_the_server(blobs: Blobs, tmp_path: Path, write_gguf: Callable[..., Path]) -> None:
    """It is copied into the store, by its absolute path or relative to the Modelfile the request names."""
    file = write_gguf(tmp_path / "own.gguf", {"llama.block_count": 1})
    (tmp_path / "Modelfile").write_text("FROM ./own.gguf\n")
    want = {"own.gguf": str(digest_of(file.read_bytes()))}
    assert want == asked(blobs, modelfile=f"FROM {file}").files
    assert want == asked(blobs, path=str(tmp_path / "Modelfile")).files
    assert file.read_bytes() == blobs.read(digest_of(file.read_bytes()))


def test_a_model_is_made_of_it(tmp_path: Path, write_gguf: Callable[..., Path]) -> None:
    """The whole way, from the text to a model in the store."""
    store = Store(tmp_path / "store")
    file = write_gguf(tmp_path / "own.gguf", {"llama.block_count": 1})

    async def make() -> None:
        request = CreateRequest("m", modelfile=f"FROM {file}\nSYSTEM be kind")
        assert "success" == [step.status async for step in create(store, request)][-1]

    asyncio.run(make())
    assert "be kind" == store.model("m").system


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("FROM ./own.gguf", "no such file on the server"),
        ("FROM /nowhere/own.gguf", "uploaded to /api/blobs"),
        ("FROM base\nADAPTER lora.gguf", "ADAPTER lora.gguf"),
        ("FROM ~nobody-of-that-name/own.gguf", "no such file on the server"),
        ("FROM ./o\0wn.gguf", "no such file on the server"),
    ],
)
def test_a_file_that_is_not_there_is_named(blobs: Blobs, text: str, why: str) -> None:
    """With what to do about it."""
    with pytest.raises(InvalidRequest, match=why):
        asked(blobs, modelfile=text)


def test_only_a_gguf_file_is_copied(blobs: Blobs, tmp_path: Path) -> None:
    """Nothing else of the server can be had through the store."""
    secret = tmp_path / "secret"
    secret.write_text("password")
    with pytest.raises(InvalidRequest, match="not a GGUF file"):
        asked(blobs, modelfile=f"FROM {secret}")


def test_what_is_no_modelfile_is_refused(blobs: Blobs, tmp_path: Path) -> None:
    """With the line, or with the path that cannot be read."""
    with pytest.raises(ModelfileError, match="line 2"):
        asked(blobs, modelfile="FROM base\nBAKE it")
    for path in (str(tmp_path / "nothing"), "~nobody-of-that-name/Modelfile", "/a\0b"):
        with pytest.raises(InvalidRequest, match="cannot be read on the server"):
            asked(blobs, path=path)


@pytest.mark.parametrize(
    "fields", [{"path": "Modelfile"}, {"modelfile": "FROM weights.gguf"}, {"modelfile": "FROM nothing.gguf"}]
)
def test_files_of_the_server_are_for_who_may_do_everything(
    blobs: Blobs, tmp_path: Path, fields: dict[str, str]
) -> None:
    """A key for adding models does not read what else is on the machine, nor tell whether it is there."""
    (tmp_path / "Modelfile").write_text("FROM base\n")
    (tmp_path / "weights.gguf").write_bytes(b"GGUF")
    said = {name: text.replace("FROM ", f"FROM {tmp_path}/") for name, text in fields.items()}
    if "path" in said:
        said["path"] = str(tmp_path / said["path"])

    def asks() -> None:
        calls(Caller("r", rights=Rights("k", frozenset({"infer", "pull"}))))
        with pytest.raises(ScopeMissing):
            asked(blobs, **said)

    copy_context().run(asks)
