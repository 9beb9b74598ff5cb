"""The child process that holds one model: llama.cpp's own server, by ``xllamacpp``, on a Unix socket.

``python -m puna.engine.runner PARENT [--ready-fd N] --model FILE --host PATH.sock …`` takes the flags of llama-server
that puna uses, opens no TCP port, and writes one byte to ``--ready-fd`` once the model answers. It ends when the
process PARENT does: by the kernel's parent-death signal where there is one, by the end of standard input elsewhere.

``python -m puna.engine.runner PARENT --exec PROGRAM …`` becomes that program instead, with the parent-death signal set.

No Python runs while tokens are made: the main thread only waits for the signal to stop.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from puna import limits

_PR_SET_PDEATHSIG = 1
_FLASH_ATTENTION = {"auto": -1, "off": 0, "on": 1}
_CACHE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30}
"""GGML's numbers of the types a KV cache may have."""

_POOLINGS = {"mean": 1, "last": 3, "rank": 4}
"""llama.cpp's numbers of the ways to make one vector of many."""


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends; exit at once if the parent is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent process has ended")


def _stop_at_end_of_input() -> None:
    """Stop when standard input ends: the parent holds its other end, so it ends with the parent on every system."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="puna-runner", description=__doc__, allow_abbrev=False)
    parser.add_argument("--ready-fd", type=int, default=-1)
    parser.add_argument("--model", required=True)
    parser.add_argument("--host", required=True, help="path of the Unix socket, ending in .sock")
    parser.add_argument("--ctx-size", type=int, required=True, help="tokens of all slots together")
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--ubatch-size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--kv-unified-per-slot", type=int)
    parser.add_argument("--n-gpu-layers", type=int)
    parser.add_argument("--main-gpu", type=int)
    parser.add_argument("--load-mode", choices=["none"])
    parser.add_argument("--flash-attn", choices=_FLASH_ATTENTION)
    parser.add_argument("--cache-type-k", choices=_CACHE_TYPES)
    parser.add_argument("--cache-type-v", choices=_CACHE_TYPES)
    parser.add_argument("--lora", action="append", default=[])
    parser.add_argument("--mmproj")
    parser.add_argument("--cache-ram", type=int, help="MiB of earlier prompts to keep")
    parser.add_argument("--pooling", choices=_POOLINGS)
    parser.add_argument("--verbosity", type=int, default=1)
    for flag in ("--no-webui", "--context-shift", "--kv-unified", "--offline", "--embeddings"):
        parser.add_argument(flag, action="store_true")
    return parser


def _params(arguments: argparse.Namespace) -> Any:
    import xllamacpp  # noqa: PLC0415 -- only the process that hosts a model pays for loading it

    params = xllamacpp.CommonParams()
    params.model.path = arguments.model
    params.hostnames = [arguments.host]
    params.n_ctx = arguments.ctx_size
    params.n_parallel = arguments.parallel
    params.n_batch = arguments.batch_size
    params.n_ubatch = arguments.ubatch_size
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = arguments.threads
    params.ctx_shift = arguments.context_shift
    params.kv_unified = arguments.kv_unified
    if arguments.kv_unified_per_slot:
        params.kv_unified_per_slot = arguments.kv_unified_per_slot
    params.ui = not arguments.no_webui
    params.offline = arguments.offline
    params.verbosity = arguments.verbosity
    params.fit_params = False
    if arguments.cache_ram is not None:
        params.cache_ram_mib = arguments.cache_ram
    if arguments.n_gpu_layers is not None:
        params.n_gpu_layers = arguments.n_gpu_layers
    if arguments.main_gpu is not None:
        params.main_gpu, params.split_mode = arguments.main_gpu, xllamacpp.llama_split_mode.LLAMA_SPLIT_MODE_NONE
    if arguments.load_mode:
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    if arguments.flash_attn:
        params.flash_attn_type = xllamacpp.llama_flash_attn_type(_FLASH_ATTENTION[arguments.flash_attn])
    for name in ("cache_type_k", "cache_type_v"):
        if chosen := getattr(arguments, name):
            setattr(params, name, xllamacpp.ggml_type(_CACHE_TYPES[chosen]))
    params.embedding = arguments.embeddings
    if arguments.pooling:
        params.pooling_type = xllamacpp.llama_pooling_type(_POOLINGS[arguments.pooling])
    if arguments.mmproj:
        params.mmproj.path = arguments.mmproj
    params.lora_adapters = [_adapter(path) for path in arguments.lora]
    return params


def _adapter(path: str) -> Any:
    import xllamacpp  # noqa: PLC0415 -- as above

    adapter = xllamacpp.CommonAdapterLoraInfo()
    adapter.path, adapter.scale = path, 1.0
    return adapter


def serve(argv: Sequence[str]) -> None:
    """Load the model, say that it is ready, and answer until a signal to stop arrives."""
    import xllamacpp  # noqa: PLC0415 -- as above

    arguments = _arguments().parse_args(argv)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    try:
        server = xllamacpp.Server(_params(arguments))
    except RuntimeError as error:  # llama.cpp has logged its own reason on the lines above
        sys.exit(str(error))
    if arguments.ready_fd >= 0:
        os.write(arguments.ready_fd, b"1")
        os.close(arguments.ready_fd)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server


def main(argv: Sequence[str]) -> None:
    """Run the command line described at the top of this module; the first argument is the parent's process id."""
    die_with_parent(int(argv[0]))
    limits.compute()
    if argv[1:2] == ["--exec"]:
        try:
            os.execvp(argv[2], list(argv[2:]))  # noqa: S606 -- the operator named this program
        except OSError as error:
            sys.exit(f"{argv[2]}: {(error.strerror or str(error)).lower()}")
    serve(argv[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
