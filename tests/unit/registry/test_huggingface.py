"""What is pulled by a name at Hugging Face: what its endpoint serves, else what its list of files has."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator

import pytest

from puna import registry
from puna.download import Location
from puna.errors import RegistryError, RemoteNotFound, Unauthorized
from puna.registry import FileSet
from support.hugging_face import Hub, hugging_face

PARTS = {f"Q4_K_M/m-Q4_K_M-0000{number}-of-00003.gguf": bytes([number]) * number for number in (1, 2, 3)}
FILES = {**PARTS, "README.md": b"read me", "m-Q8_0.gguf": b"8"}


@pytest.fixture
def make_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Hub]]:
    """Run the server that HF_ENDPOINT names, with the repository ``user/repo``."""
    with hugging_face("user/repo", files=dict(FILES)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", f"http://{hub.host}")
        monkeypatch.delenv("HF_TOKEN", raising=False)

        def make(**said: object) -> Hub:
            for field, value in said.items():
                setattr(hub, field, value)
            return hub

        yield make


def contents(reference: str) -> bytes | FileSet:
    async def ask() -> bytes | FileSet:
        async with registry.open(reference, insecure=True) as place:
            return await place.contents()

    return asyncio.run(ask())


def files(reference: str) -> FileSet:
    found = contents(reference)
    assert isinstance(found, FileSet)
    return found


def test_what_the_endpoint_serves_is_taken(make_hub: Callable[..., Hub]) -> None:
    """A manifest that Hugging Face made is better than one's own guess, and one request is enough."""
    hub = make_hub(manifests={"Q8_0": b"{}"})
    assert b"{}" == contents("hf.co/user/repo:Q8_0")
    assert ["/v2/user/repo/manifests/Q8_0"] == [path for _, path, _ in hub.asked]


def test_parts_are_found_in_the_list(make_hub: Callable[..., Hub]) -> None:
    """A model in parts, which the endpoint refuses, is all its parts, with size and digest, over pages of the list."""
    make_hub()
    found = files("hf.co/user/repo:Q4_K_M")
    assert [(path.rpartition("/")[2], len(data), hashlib.sha256(data).hexdigest()) for path, data in PARTS.items()] == [
        (one.name, one.size, one.digest.hex if one.digest else None) for one in found.files
    ]
    assert "hf.co/user/repo:Q4_K_M" == found.origin


def test_a_version_is_what_the_files_are(make_hub: Callable[..., Hub]) -> None:
    """The version changes with the content of any part, and with nothing else."""
    hub = make_hub()
    before = files("hf.co/user/repo:Q4_K_M").version
    hub.files["README.md"] = b"changed"
    assert before == files("hf.co/user/repo:q4_k_m").version
    hub.files["Q4_K_M/m-Q4_K_M-00002-of-00003.gguf"] = b"changed"
    assert before != files("hf.co/user/repo:Q4_K_M").version


def test_the_token_is_for_the_endpoint(make_hub: Callable[..., Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_TOKEN is shown where the list and the files are asked for."""
    make_hub(token="hf_secret")
    with pytest.raises(Unauthorized):
        contents("hf.co/user/repo:Q4_K_M")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    first = files("hf.co/user/repo:Q4_K_M").files[0]
    location = asyncio.run(first.source.locate())
    assert isinstance(location, Location)
    assert {"Authorization": "Bearer hf_secret"} == location.headers
    assert location.url.endswith("/user/repo/resolve/main/Q4_K_M/m-Q4_K_M-00001-of-00003.gguf")


def test_a_part_that_lacks_is_named(make_hub: Callable[..., Hub]) -> None:
    """A model that was not uploaded whole is an error that says which part there is not."""
    del make_hub().files["Q4_K_M/m-Q4_K_M-00002-of-00003.gguf"]
    with pytest.raises(RegistryError, match="m-Q4_K_M is not whole in the repository: of 3 parts, 2 lack"):
        contents("hf.co/user/repo:Q4_K_M")


def test_what_there_is_is_named(make_hub: Callable[..., Hub]) -> None:
    """Whoever asks for a quantization that is not there learns which are."""
    make_hub()
    with pytest.raises(RemoteNotFound, match="there is no Q2_K in the repository; there are Q4_K_M, Q8_0"):
        contents("hf.co/user/repo:Q2_K")


@pytest.mark.parametrize("name", ["hf.co/user/other", "hf.co/user/repo"])
def test_what_is_no_model_is_refused_as_the_endpoint_does(name: str, make_hub: Callable[..., Hub]) -> None:
    """Where there are no GGUF files, or no repository, the endpoint's refusal is the error."""
    make_hub(files={"README.md": b""})
    with pytest.raises(RegistryError) as caught:
        contents(name)
    assert (404 if name.endswith("other") else 400) == caught.value.code
