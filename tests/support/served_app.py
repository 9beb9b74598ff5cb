"""An ASGI application on a real socket, in a thread, on the connections that puna serves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from puna.http.connection import Connection


@contextmanager
def served(asgi: ASGIApp, **settings: Any) -> Iterator[int]:
    """The port at which ``asgi`` answers, with uvicorn's ``settings``."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(asgi, http=Connection, lifespan="off", ws="none", log_config=None, **settings)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
