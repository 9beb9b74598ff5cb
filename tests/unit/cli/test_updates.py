"""``outdated`` and ``update``: what the registries of the models have now, and getting it."""

import hashlib
import json

import pytest

BLOBS = {"config": b"{}", "weights": bytes(5000)}
DIGESTS = {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in BLOBS.items()}
CONFIG_TYPE, MODEL_TYPE = "application/vnd.docker.container.image.v1+json", "application/vnd.ollama.image.model"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": CONFIG_TYPE, "digest": DIGESTS["config"], "size": 2},
        "layers": [{"mediaType": MODEL_TYPE, "digest": DIGESTS["weights"], "size": 5000}],
    }
).encode()
NOW = hashlib.sha256(MANIFEST).hexdigest()
OLD = "0" * 64


@pytest.fixture
def listed(api):
    """A server that has models of a registry, which is the same played one: one old, one new, one of its own."""
    host = api.url.removeprefix("http://")
    names = {"old": OLD, "new": NOW, "own": OLD}
    models = [
        {"name": f"{host}/a/{name}:v1", "model": name, "digest": digest, "size": 1, "details": {}}
        for name, digest in names.items()
    ]
    remote = {"name": "big:cloud", "model": "big", "digest": OLD, "size": 1, "details": {}, "remote_model": "big"}
    api.on("GET", "/api/tags", {"models": [*models, remote]})
    for name in ("old", "new"):
        api.on("GET", f"/v2/a/{name}/manifests/v1", api.reply(body=MANIFEST))
    api.on("HEAD", f"/api/blobs/{DIGESTS['config']}")
    api.streams("/api/pull", {"status": "pulling manifest"}, {"status": "success"})
    return {name: f"{host}/a/{name}:v1" for name in names}


def test_outdated(api, puna, listed):
    """The models that are not what their registry has are listed, with how much there is to fetch."""
    result = puna("outdated", "--insecure")
    header, row = result.out.splitlines()
    assert (0, "") == (result.code, result.err)
    assert ["NAME", "ID", "LATEST", "DOWNLOAD"] == header.split()
    assert [listed["old"], OLD[:12], NOW[:12], "5", "KB"] == row.split()


def test_outdated_as_json(api, puna, listed):
    """Programs also learn which models no registry has."""
    told = json.loads(puna("outdated", "--insecure", "--json").out)
    assert {
        "outdated": [{"name": listed["old"], "digest": OLD, "latest": NOW, "download": 5000}],
        "unpublished": [listed["own"]],
        "skipped": [],
        "failed": [],
    } == told


def test_what_was_made_here_is_left_alone(api, puna, listed):
    """A published model that only has the same name must not take the place of one's own."""
    here = {"name": listed["old"], "model": "old", "digest": OLD, "size": 1, "details": {"parent_model": "own.gguf"}}
    api.on("GET", "/api/tags", {"models": [here]})
    assert "NAME" in puna("outdated", "--insecure").out
    result = puna("outdated", "--insecure")
    assert listed["old"] not in result.out
    assert f"not compared, since made here: '{listed['old']}' (puna update MODEL compares one)\n" == result.err
    assert "updated" not in puna("update", "--all", "--insecure").out


def test_a_registry_that_fails(api, puna, listed):
    """What cannot be told is said, and the others are told; the exit status is 1."""
    api.on("GET", "/v2/a/new/manifests/v1", {"errors": []}, status=403)
    result = puna("outdated", "--insecure")
    assert 1 == result.code
    assert listed["old"] in result.out
    assert f"Warning: '{listed['new']}' cannot be compared: " in result.err


def test_update(api, puna, listed):
    """A model that is named is fetched if there is another version, and only then."""
    result = puna(
        "update", listed["old"].upper().replace("V1", "v1"), listed["new"], "--insecure", "--limit-rate", "2k"
    )
    assert 0 == result.code
    assert f"updated '{listed['old']}'\n'{listed['new']}' is up to date\n" == result.out
    [asked] = api.bodies("/api/pull")
    assert {"model": listed["old"], "insecure": True}.items() <= asked.items()


def test_update_all(api, puna, listed):
    """Every outdated model is fetched; what no registry has is left alone."""
    result = puna("update", "--all", "--insecure")
    assert (0, f"updated '{listed['old']}'\n") == (result.code, result.out)
    assert [listed["old"]] == [asked["model"] for asked in api.bodies("/api/pull")]


def test_an_update_that_fails(api, puna, listed):
    """One that fails does not keep the others from being updated."""
    api.on("GET", "/api/tags", {"models": [*json.loads(api.replies["GET", "/api/tags"].body)["models"]]})
    api.on("GET", "/v2/a/own/manifests/v1", api.reply(body=MANIFEST))
    lines = {listed["old"]: {"error": "it broke"}, listed["own"]: {"status": "success"}}

    def pull(asked):
        return api.reply(body=json.dumps(lines[asked.json["model"]]).encode() + b"\n")

    api.on("POST", "/api/pull", pull)
    result = puna("update", "--all", "--insecure")
    assert (1, f"updated '{listed['own']}'\n") == (result.code, result.out)
    assert f"Warning: '{listed['old']}' was not updated: it broke" in result.err


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((), "Error: name the models to update, or say --all"),
        (("x", "--all"), "Error: name the models to update, or say --all"),
        (("x",), "Error: model 'x' not found"),
        (("a b",), "Error: invalid model name: a b"),
        (("x", "--limit-rate", "fast"), 'Error: "fast" is not a rate'),
    ],
)
def test_refusals(puna, listed, args, error):
    """What cannot be meant is said."""
    result = puna("update", *args)
    assert (1, "") == (result.code, result.out)
    assert error in result.err


def test_a_model_of_ones_own(puna, listed):
    """A model that is named and that no registry has cannot be updated."""
    result = puna("update", listed["own"], "--insecure")
    assert (1, f"Warning: '{listed['own']}' is not in its registry\n") == (result.code, result.err)


def test_a_host_that_cannot_be_reached(api, puna):
    """Models of a host that does not answer are one warning, and the host is asked once."""
    names = [f"127.0.0.1:1/a/{name}:v1" for name in "abcdefg"]
    models = [{"name": name, "model": name, "digest": OLD, "size": 1, "details": {}} for name in names]
    api.on("GET", "/api/tags", {"models": models})
    result = puna("outdated", "--insecure")
    assert 1 == result.code
    [line] = result.err.splitlines()
    shown = ", ".join(f"'{name}'" for name in names[:5])
    assert line.startswith(f"Warning: {shown} and 2 more cannot be compared: ")
