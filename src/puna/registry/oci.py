"""Registries that speak the OCI distribution protocol: Ollama's, Hugging Face's, and those for container images."""

from __future__ import annotations

from puna.download import Source
from puna.download.pace import Pace
from puna.names import Digest, ModelName
from puna.registry import Writable
from puna.registry.replies import checked
from puna.registry.session import Session
from puna.registry.source import SessionSource
from puna.registry.upload import LocalBlob, Upload, exists

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_SERVERS = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
"""Where registries answer whose names are not those of their servers."""


def open(reference: str, *, insecure: bool) -> Writable:  # noqa: A001 - the contract's word
    """The model ``reference`` at its registry.

    Raises:
        InvalidName: it is not a model's name.
    """
    name = ModelName.parse(reference)
    return OciRegistry(name, Session(_SERVERS.get(name.host.lower(), name.host), insecure=insecure))


class OciRegistry(Writable):
    """A repository of such a registry: ``/v2/<namespace>/<model>``."""

    @property
    def path(self) -> str:
        """The path of the repository."""
        return f"/v2/{self.name.namespace}/{self.name.model}"

    async def contents(self) -> bytes:
        """The manifest, byte for byte. Raises as the contract says."""
        accepted = {"Accept": f"{_MANIFEST}, {_OCI_MANIFEST}"}
        reply = await self.session.request("GET", f"{self.path}/manifests/{self.name.tag}", headers=accepted)
        return reply.check().body

    def blob(self, digest: Digest) -> Source:
        """Where the blob can be fetched from."""
        return SessionSource(self.session, f"{self.path}/blobs/{digest}")

    async def has(self, digest: Digest) -> bool:
        """Whether the blob is in the repository. Raises as the contract says."""
        return await exists(self.session, self.path, digest)

    def upload(self, blob: LocalBlob, *, pace: Pace, connections: int) -> Upload:
        """The upload of a blob, which has not begun."""
        return Upload(self.session, self.path, blob, pace=pace, connections=connections)

    async def put_manifest(self, content: bytes, media_type: str) -> None:
        """Put the manifest at its tag. Raises as the contract says."""
        headers = {"Content-Type": media_type}
        url = f"{self.path}/manifests/{self.name.tag}"
        checked(await self.session.request("PUT", url, headers=headers, content=content))
