"""How fast a pull is, against curl and sha256sum.

    python bench/pull.py [--megabytes 200] [--rounds 5]

A docker-registry is started on loopback with one blob of noise. In turn, a pull fetches it into an empty store (with
manifest, digest and fsync), and curl fetches the same blob for sha256sum to read.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from registry_peer import registry  # type: ignore[import-not-found]

from puna.service.transfer import Transfers
from puna.store.blobs import digest_of
from puna.store.formats import CONFIG_TYPE, Config, Layer, Manifest, layer_type, write_config, write_manifest
from puna.store.models import Store
from puna.types import PullRequest

REPOSITORY = "team/noise"


def send(method: str, url: str, data: bytes, kind: str = "application/octet-stream") -> Mapping[str, str]:
    request = urllib.request.Request(url, data, {"Content-Type": kind}, method=method)
    with urllib.request.urlopen(request) as reply:
        return dict(reply.headers)


def publish(host: str, weights: bytes) -> str:
    """Put a model with ``weights`` into the registry; give their digest."""
    config = write_config(Config(model_format="gguf"))
    for content in (weights, config):
        place = send("POST", f"http://{host}/v2/{REPOSITORY}/blobs/uploads/", b"")["Location"]
        send("PUT", f"{place}&digest={digest_of(content)}", content)
    manifest = Manifest(
        Layer(CONFIG_TYPE, str(digest_of(config)), len(config)),
        (Layer(layer_type("model"), str(digest_of(weights)), len(weights)),),
    )
    content = write_manifest(manifest)
    send("PUT", f"http://{host}/v2/{REPOSITORY}/manifests/latest", content, json.loads(content)["mediaType"])
    return str(digest_of(weights))


async def pull(host: str, folder: Path) -> float:
    """Seconds of a pull into an empty store."""
    transfers = Transfers(Store(folder), connections=16)
    began = time.perf_counter()
    async for step in transfers.pull(PullRequest(f"{host}/{REPOSITORY}", insecure=True)):
        last = step
    assert last.status == "success"
    return time.perf_counter() - began


def curl(host: str, digest: str, folder: Path) -> float:
    """Seconds that curl and sha256sum take for the blob."""
    folder.mkdir()
    began = time.perf_counter()
    subprocess.run(
        ["curl", "--silent", "--fail", "-o", folder / "blob", f"http://{host}/v2/{REPOSITORY}/blobs/{digest}"],
        check=True,
    )
    found = subprocess.run(["sha256sum", folder / "blob"], check=True, capture_output=True, text=True).stdout
    seconds = time.perf_counter() - began
    assert found.split()[0] == digest.removeprefix("sha256:")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, registry(Path(name) / "registry") as peer:
        digest = publish(peer.host, os.urandom(asked.megabytes * 1_000_000))
        ratios = []
        for number in range(asked.rounds):
            folder = Path(name) / f"round{number}"
            ours = uvloop.run(pull(peer.host, folder / "store"))
            theirs = curl(peer.host, digest, folder / "curl")
            shutil.rmtree(folder)
            ratios.append(theirs / ours)
            print(f"pull {ours:.2f} s, curl and sha256sum {theirs:.2f} s: {ratios[-1]:.2f} of their speed")
        print(f"median {statistics.median(ratios):.2f}, of {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
