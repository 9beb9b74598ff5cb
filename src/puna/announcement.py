"""What a server says of itself when it starts: the few lines that one looks for when something is not as expected."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from puna.address import clean
from puna.config import MEANINGLESS, Settings, truth
from puna.engine import about
from puna.errors import LoadFailed, StoreError
from puna.logs import fields
from puna.scheduler.machine import available_memory, physical_cores
from puna.store.models import Store

log = logging.getLogger(__name__)


def announce(settings: Settings, store: Store) -> None:
    """Log where the models are, what computes, and on what; and settings of Ollama's that set nothing.

    It waits for an engine that is asked about itself: call it in a thread.
    """
    try:
        count = sum(1 for _ in store.manifests.names())
    except StoreError as error:
        log.error("Store: %s cannot be read: %s", settings.models, error)  # noqa: TRY400 -- it names the file
    else:
        log.info("Store: %s", settings.models, extra=fields({"models": count}))
    total, free, cores = _memory(), available_memory(), physical_cores()
    log.info(
        "Machine: %d cores, %.1f GiB of memory, %.1f GiB of it available",
        cores,
        total / 2**30,
        free / 2**30,
        extra=fields({"cores": cores, "memory_bytes": total, "available_bytes": free}),
    )
    _engine(settings.llama_server, cores)


def warn_of_meaningless(environ: Mapping[str, str]) -> None:
    """Say which settings in ``environ`` mean something to Ollama and nothing here."""
    for name, why in MEANINGLESS.items():
        if truth(clean(environ.get(name, ""))):
            log.warning("%s sets nothing here: %s", name, why)


def _engine(binary: str, cores: int) -> None:
    if binary:
        # It is not run for this: it may take its time to find GPUs.
        log.info("Engine: %s", binary)
        return
    try:
        found = about.ask()
    except LoadFailed as error:
        log.error("The engine does not run on this machine: %s", error)  # noqa: TRY400 -- the reason is all there is
        return
    log.info(
        "Engine: %s, %d threads for a model", found.name, cores, extra=fields({"instructions": found.instructions})
    )


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
