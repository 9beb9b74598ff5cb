"""Work on JSON Schemas that takes long when they are large: done beside the event loop, and not done twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Generic, ParamSpec, TypeVar

import msgspec

_P = ParamSpec("_P")
_T = TypeVar("_T")

_LARGE_BYTES = 4096
"""Below that, the work is done in milliseconds."""


async def compiling(schema: Any, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call ``function``, which compiles ``schema``: in a thread if that is large, so that other requests go on."""
    if len(msgspec.json.encode(schema)) < _LARGE_BYTES:
        return function(*args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_threads(), lambda: function(*args, **kwargs))


@cache
def _threads() -> ThreadPoolExecutor:
    """Threads of its own: those of the event loop may all be waiting for a disk."""
    return ThreadPoolExecutor(2, thread_name_prefix="puna schema")


class Remembered(Generic[_T]):
    """``function`` of texts with its latest results, as many as belong to at most ``characters`` of text.

    It may be called from several threads.
    """

    def __init__(self, function: Callable[..., _T], *, characters: int) -> None:
        self._function = function
        self._most = characters
        self._size = 0
        self._results: dict[tuple[str, ...], _T] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._results)

    def __call__(self, *texts: str) -> _T:
        """The result of the function, which is called unless it is known; an error is not remembered."""
        with self._lock:
            if texts in self._results:
                self._results[texts] = result = self._results.pop(texts)
                return result
        result = self._function(*texts)
        size = sum(map(len, texts))
        with self._lock:
            if texts not in self._results and size <= self._most:
                self._results[texts] = result
                self._size += size
            while self._size > self._most:
                oldest = next(iter(self._results))
                del self._results[oldest]
                self._size -= sum(map(len, oldest))
        return result
