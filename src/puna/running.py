"""A server's life: ready, serving, and an end in which what runs may finish and new requests are turned away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator

import uvicorn

from puna import systemd
from puna.http.exchanges import Exchanges

log = logging.getLogger(__name__)

LAST_REPLIES_SECONDS = 3
"""How long the last words to a client that does not take them are kept for it."""

_ENGINES_SECONDS = 6
"""How long engines may take to end: they are asked first."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Close = Callable[[], Awaitable[None]]


class Running(uvicorn.Server):
    """Uvicorn that ends in order at SIGINT, SIGTERM and SIGHUP, with exit status 0, and tells systemd how it is.

    From the signal on new requests get 503. Transfers stop at once, to be resumed another time (``close_transfers``).
    All else may finish for ``drain`` seconds, or until a second signal; what runs then is ended with a word of why.
    Then the models go (``close_models``), and the listening sockets.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        exchanges: Exchanges,
        drain: float,
        close_transfers: Close,
        close_models: Close,
    ) -> None:
        super().__init__(config)
        self._exchanges = exchanges
        self._drain = drain
        self._close_transfers = close_transfers
        self._close_models = close_models
        self._hurry = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Begin to end at a first signal, and hurry at any other."""
        loop = asyncio.get_running_loop()
        heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as nohup has it
        for number in heeded:
            loop.add_signal_handler(number, self._signalled)
        try:
            yield
        finally:
            for number in heeded:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        systemd.notify("READY=1", "STATUS=serving")

    def _signalled(self) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name="puna end")
        else:
            self._hurry.set()
            self.force_exit = True

    async def _end(self) -> None:
        limit = int((self._drain + LAST_REPLIES_SECONDS + _ENGINES_SECONDS) * 2e6)
        systemd.notify("STOPPING=1", "STATUS=finishing what runs", f"EXTEND_TIMEOUT_USEC={limit}")
        try:
            self._exchanges.refuse_new(self._drain)
            self._exchanges.cut("break off")
            await self._close_transfers()
            await self._finish()
            await self._close_models()
        except Exception:
            log.exception("the server did not end in order")
        finally:
            self.should_exit = True

    async def _finish(self) -> None:
        if running := len(self._exchanges):
            log.info(
                "Stopping once %d requests are done, in %g s at most; at once at a second signal", running, self._drain
            )
            await self._idle_within(self._drain)
        else:
            log.info("Stopping")
        if cut := self._exchanges.cut():
            log.warning("Stopping: %d requests did not end in time and were ended", cut)
            await self._idle_within(LAST_REPLIES_SECONDS)

    async def _idle_within(self, seconds: float) -> None:
        """Return once nothing is being answered, after ``seconds``, or at a second signal."""
        waits = [asyncio.ensure_future(self._exchanges.idle()), asyncio.ensure_future(self._hurry.wait())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
