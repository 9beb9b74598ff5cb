"""Which place a reference means."""

from __future__ import annotations

import asyncio

import pytest

from puna import registry
from puna.errors import InvalidName, InvalidRequest
from puna.registry.direct import DirectFiles
from puna.registry.huggingface import Repository
from puna.registry.oci import OciRegistry

_NAMES = {
    "smollm2": ("registry.ollama.ai/library/smollm2:latest", "https://registry.ollama.ai"),
    "team/model:q4": ("registry.ollama.ai/team/model:q4", "https://registry.ollama.ai"),
    "localhost:5000/team/model": ("localhost:5000/team/model:latest", "https://localhost:5000"),
    "docker.io/team/model": ("docker.io/team/model:latest", "https://registry-1.docker.io"),
    "docker.io/model:v1": ("docker.io/library/model:v1", "https://registry-1.docker.io"),
}

_HUGGING_FACE = {
    "hf.co/user/Repo-GGUF:Q4_K_M": ("hf.co/user/Repo-GGUF:Q4_K_M", "https://hf.co"),
    "huggingface.co/user/repo": ("huggingface.co/user/repo:latest", "https://huggingface.co"),
}


@pytest.mark.parametrize("reference", _NAMES)
def test_a_name_means_the_registry_of_its_host(reference: str) -> None:
    """A model is fetched from the host in its name, Ollama's registry by default, Docker Hub by its people's name."""
    place = registry.open(reference)
    assert isinstance(place, OciRegistry)
    assert _NAMES[reference] == (place.name.full, place.session.url(""))


@pytest.mark.parametrize("reference", _HUGGING_FACE)
def test_hugging_face_is_known_by_its_hosts(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both of its names mean Hugging Face, which has ways of its own."""
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    place = registry.open(reference)
    assert isinstance(place, Repository)
    assert _HUGGING_FACE[reference] == (place.name.full, place.session.url(""))


def test_a_mirror_of_hugging_face_keeps_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_ENDPOINT changes where models come from, not what they are called."""
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example:8443")
    place = registry.open("hf.co/user/repo")
    assert "hf.co/user/repo:latest" == place.name.full
    assert "https://mirror.example:8443" == place.session.url("")


_URLS = {
    "https://example.com/models/Tiny-1B.Q4_K_M.gguf": "Tiny-1B.Q4_K_M:latest",
    "https://example.com/a%20model%281%29.GGUF?download=true": "a-model-1:latest",
    "https://example.com/big-00001-of-00003.gguf": "big:latest",
}


@pytest.mark.parametrize("url", _URLS)
def test_a_url_of_a_file_names_its_model(url: str) -> None:
    """A model that is fetched by URL is called as the file, without what tells the parts of a split one apart."""
    place = registry.open(url)
    assert isinstance(place, DirectFiles)
    assert _URLS[url] == place.name.short


def test_a_url_without_tls_is_refused_unless_allowed() -> None:
    """Weights come over plain HTTP only when that was asked for."""
    with pytest.raises(InvalidRequest, match="insecure protocol http"):
        registry.open("http://example.com/model.gguf")
    assert "model:latest" == registry.open("http://example.com/model.gguf", insecure=True).name.short


@pytest.mark.parametrize("reference", ["", "a b", "https://example.com/-.gguf", "https://[x.gguf", "ftp://host/a/b"])
def test_what_names_nothing_is_refused(reference: str) -> None:
    """Nonsense is an error before anything is sent."""
    with pytest.raises(InvalidName):
        registry.open(reference)


def test_a_url_that_cannot_be_fetched_is_refused() -> None:
    """A slip in a URL is the caller's to mend, and told before anything is sent."""
    with pytest.raises(InvalidRequest, match=r"'https://host:port/model.gguf' is not a URL"):
        registry.open("https://heidi:secret@host:port/model.gguf")


def test_insecure_is_for_one_operation() -> None:
    """Plain HTTP is spoken to a registry only when this very pull allows it."""

    async def urls() -> list[str]:
        found = []
        for insecure in (True, False):
            async with registry.open("localhost:5000/a/b", insecure=insecure) as place:
                found.append(place.session.url("/v2/"))
        return found

    assert ["http://localhost:5000/v2/", "https://localhost:5000/v2/"] == asyncio.run(urls())
