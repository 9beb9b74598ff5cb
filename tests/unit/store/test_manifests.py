"""Manifests by name: found without regard to case, replaced at once, gone without a trace."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from puna.errors import StoreError
from puna.names import ModelName
from puna.store.disk import Disk
from puna.store.manifests import Manifests

Deaths = Callable[[Callable[[], object]], Iterator[int]]
SMOL = ModelName.parse("smol")


@pytest.fixture
def manifests(tmp_path: Path) -> Manifests:
    return Manifests(tmp_path / "manifests")


def names(manifests: Manifests) -> list[str]:
    return sorted(name.full for name, _ in manifests.names())


def listed(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_written_where_ollama_looks(manifests: Manifests) -> None:
    """A manifest lies at host/namespace/model/tag and is what was written."""
    manifests.write(SMOL, b"{}\n")
    assert b"{}\n" == (manifests.directory / "registry.ollama.ai/library/smol/latest").read_bytes()
    assert b"{}\n" == manifests.read(SMOL)
    assert ["registry.ollama.ai/library/smol:latest"] == names(manifests)


def test_one_that_is_not_there(manifests: Manifests) -> None:
    """Reading what is not there gives nothing, also where a file is in the way of a directory."""
    assert None is manifests.read(SMOL)
    manifests.write(ModelName.parse("smol"), b"{}")
    (manifests.directory / "registry.ollama.ai" / "someone").touch()
    assert None is manifests.read(ModelName.parse("someone/smol"))


def test_spelling(manifests: Manifests) -> None:
    """A name takes the case of what is there, part by part, and keeps its own where nothing is."""
    manifests.write(ModelName.parse("Smol:Q4"), b"{}")
    assert ModelName.parse("Smol:Q4") == manifests.spelling(ModelName.parse("sMOL:q4"))
    assert ModelName.parse("Smol:V2") == manifests.spelling(ModelName.parse("SMOL:V2"))
    assert ModelName.parse("Other:q4") == manifests.spelling(ModelName.parse("Other:q4"))
    assert ModelName.parse("h.example:5000/a/b:c") == manifests.spelling(ModelName.parse("http://h.example:5000/a/b:c"))


def test_an_exact_name_wins(manifests: Manifests) -> None:
    """In a store that has both, each is found by its own spelling."""
    for tag in ("latest", "LATEST"):
        path = manifests.directory / "registry.ollama.ai/library/smol" / tag
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for tag in ("latest", "LATEST"):
        assert tag == manifests.spelling(ModelName.parse(f"smol:{tag}")).tag


def test_passes_over_what_is_no_manifest(manifests: Manifests) -> None:
    """Files at other depths, and with names no model has, are not manifests."""
    manifests.write(SMOL, b"{}")
    library = manifests.directory / "registry.ollama.ai" / "library"
    for path in (library / "file", library / "smol" / ".hidden", library / "smol" / "a b", manifests.directory / "x"):
        path.touch()
    (library / "smol" / "deep" / "er").mkdir(parents=True)
    assert ["registry.ollama.ai/library/smol:latest"] == names(manifests)


def test_no_directory(manifests: Manifests) -> None:
    """A store without manifests is an empty one."""
    assert [] == names(manifests)
    manifests.tidy(0)


def test_removed_without_a_trace(manifests: Manifests) -> None:
    """Directories that are empty go with the manifest, others stay."""
    other = ModelName.parse("someone/smol:v1")
    manifests.write(SMOL, b"{}")
    manifests.write(other, b"{}")
    manifests.remove(other)
    assert ["library"] == listed(manifests.directory / "registry.ollama.ai")
    manifests.remove(SMOL)
    assert [] == listed(manifests.directory)


def test_tidies_up(manifests: Manifests) -> None:
    """What a killed writer left goes when it is old, and so do empty directories."""
    manifests.write(SMOL, b"{}")
    old, young = (manifests.path(SMOL).with_name(name) for name in (".old", ".young"))
    old.touch()
    os.utime(old, (1000, 1000))
    young.touch()
    (manifests.directory / "a" / "b").mkdir(parents=True)
    manifests.tidy(2000)
    assert [".young", "latest"] == listed(manifests.path(SMOL).parent)
    assert ["registry.ollama.ai"] == listed(manifests.directory)


class ReadOnly(Disk):
    def remove_directory(self, path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


def test_tidying_what_may_only_be_read(manifests: Manifests) -> None:
    """A store in order is, and no warning says otherwise at each start of a server."""
    manifests.write(SMOL, b"{}")
    seen = Manifests(manifests.directory, disk=ReadOnly())
    seen.tidy(2000)
    (manifests.directory / "empty").mkdir()
    with pytest.raises(StoreError):
        seen.tidy(2000)


def test_a_tag_that_is_a_directory(manifests: Manifests) -> None:
    """Something else in the place of a manifest is an error, not a missing model."""
    manifests.path(SMOL).mkdir(parents=True)
    with pytest.raises(StoreError):
        manifests.read(SMOL)


def test_killed_at_any_step(manifests: Manifests, deaths: Deaths) -> None:
    """Wherever a writer is killed, the manifest is the old one or the new one."""
    manifests.write(SMOL, b"old")
    seen = []
    for _ in deaths(lambda: manifests.write(SMOL, b"new")):
        seen.append(manifests.read(SMOL))
        manifests.write(SMOL, b"old")
    assert {b"old", b"new"} == set(seen)
    assert b"new" == seen[-1]


def test_killed_while_the_first_is_written(manifests: Manifests, deaths: Deaths) -> None:
    """A model whose first manifest was not written to its end is not there."""
    seen = []
    for _ in deaths(lambda: manifests.write(SMOL, b"new")):
        seen.append(manifests.read(SMOL))
        manifests.remove(SMOL) if seen[-1] else None
    assert {None, b"new"} == set(seen)
