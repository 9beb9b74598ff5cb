"""Models that come and go: pull and push."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from puna.download import Downloads
from puna.events import Progress
from puna.names import Digest
from puna.service.pull import pull
from puna.service.push import push
from puna.store.models import Store
from puna.types import PullRequest, PushRequest


class Transfers:
    """Moves models between ``store`` and registries.

    All pulls together, and each push, use at most ``connections`` connections at once. ``any_layout`` says that the
    engine reads weights which llama.cpp does not.
    """

    def __init__(self, store: Store, *, connections: int, any_layout: bool = False) -> None:
        self._store = store
        self._connections = connections
        self._any_layout = any_layout
        self._downloads = Downloads(store.blobs, connections=connections)

    def pull(self, request: PullRequest, *, anew: Digest | None = None) -> AsyncGenerator[Progress, None]:
        """Fetch a model. Whoever pulls what is being pulled shares the download; it stops when the last one leaves.

        ``anew`` is the version of a model made of files that is to be made again, whatever is there of it.

        Raises:
            InvalidName, InvalidRequest: it is not a model's name or a URL that may be fetched; before the first step.
            RegistryError: it cannot be had.
            NotCapable: it is of a kind that puna cannot run.
            DiskFull, StoreError: it cannot be written; then a model of that name is as it was.
        """
        return pull(self._store, self._downloads, request, anew=anew, any_layout=self._any_layout)

    def push(self, request: PushRequest) -> AsyncGenerator[Progress, None]:
        """Send a model to the registry its name says, which gets only what it does not have.

        Raises:
            InvalidName: it is not a model's name; raised before the first step.
            ModelNotFound: there is no such model.
            NotCapable: no model can be pushed there.
            Unauthorized: nothing may be pushed there, at least not by us.
            RegistryError: the registry refused, or failed too often.
            StoreError: the model is damaged, or cannot be read.
        """
        return push(self._store, request, connections=self._connections)

    async def close(self) -> None:
        """Stop what is running, to be resumed another time."""
        await self._downloads.close()
