"""A file at a host that is asked in a session: where a download finds it."""

from __future__ import annotations

from puna.download import Location
from puna.registry.session import Session


class SessionSource:
    """A ``Source``: the file at ``url``, or at that path of the session's host."""

    def __init__(self, session: Session, url: str) -> None:
        self._session = session
        self._url = url

    async def locate(self, *, refused: bool = False) -> Location:
        """Where it is, and what to show there; one that was refused asks the host for credentials first."""
        if refused:
            (await self._session.request("HEAD", self._url, follow=False)).check()
        # By now the session knows whether its host is asked by HTTP.
        url = self._session.url(self._url) if self._url.startswith("/") else self._url
        return Location(url, self._session.authorization(url), verified=not self._session.insecure)
