"""The machine: its system, processor and memory, and what of them this process may use."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from puna.diagnosis import Finding, Section
from puna.scheduler.machine import available_memory, physical_cores
from puna.sizes import size

_ADVISED_MEMORY = 2 * 10**9
_ADVISED_FILES = 512

_VECTORS = {"avx": "AVX", "f16c": "F16C", "fma": "FMA", "avx2": "AVX2", "avx512f": "AVX-512", "avx512_vnni": "VNNI"}
_VECTORS |= {
    "avx_vnni": "AVX-VNNI",
    "amx_int8": "AMX",
    "asimd": "NEON",
    "asimddp": "DOTPROD",
    "i8mm": "I8MM",
    "sve": "SVE",
}
"""The instructions that llama.cpp gains speed by: as Linux names them, and as everyone does."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts of a machine. Sizes in bytes; ``load`` is how many processes want a core, over the last minute.

    ``cores`` are physical ones that this process may use, ``processors`` the logical ones of the machine.
    ``instructions`` is empty where the system does not tell.
    """

    system: str
    processor: str
    cores: int
    processors: int
    instructions: tuple[str, ...]
    memory: int
    available: int
    load: float
    open_files: int
    accelerators: tuple[str, ...] = ()


def look(proc: Path = Path("/proc"), dev: Path = Path("/dev")) -> Machine:
    """Find out about this machine."""
    cpuinfo = _text(proc / "cpuinfo")
    return Machine(
        system=f"{_system()}, Python {platform.python_version()}",
        processor=_value(cpuinfo, "model name") or platform.processor() or platform.machine(),
        cores=physical_cores(),
        processors=os.cpu_count() or 1,
        instructions=instructions(cpuinfo),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        available=available_memory(),
        load=os.getloadavg()[0],
        open_files=_open_files(),
        accelerators=tuple(_accelerators(dev)),
    )


def instructions(cpuinfo: str) -> tuple[str, ...]:
    """The vector instructions that the text of ``/proc/cpuinfo`` names."""
    flags = set((_value(cpuinfo, "flags") or _value(cpuinfo, "Features")).split())
    return tuple(name for flag, name in _VECTORS.items() if flag in flags)


def section(machine: Machine) -> Section:
    """``machine`` in words."""
    vectors = {"instructions": ", ".join(machine.instructions)} if machine.instructions else {}
    accelerators = {"accelerators": ", ".join(machine.accelerators)} if machine.accelerators else {}
    facts = {
        "system": machine.system,
        "processor": machine.processor,
        "cores": f"{machine.cores} physical to compute on, of {machine.processors} logical in all",
        **vectors,
        "memory": f"{size(machine.memory)}, {size(machine.available)} of it available",
        **accelerators,
    }
    return Section("Machine", tuple(facts.items()), tuple(_findings(machine)))


def _findings(machine: Machine) -> Iterator[Finding]:
    if machine.instructions and not {"AVX2", "NEON"} & set(machine.instructions):
        yield Finding(
            "warning",
            "the processor has no AVX2, so models are several times slower than on one that has",
            "prefer small models; in a virtual machine, pass the host's processor through (the type 'host')",
        )
    if machine.available < _ADVISED_MEMORY:
        yield Finding(
            "warning",
            f"only {size(machine.available)} of memory are available",
            "end other programs, free models (puna stop), or raise the memory limit of the container",
        )
    if machine.load > machine.cores + 0.5:
        yield Finding(
            "note",
            f"other programs keep the cores busy (load {machine.load:.1f} on {machine.cores}), so answers are slower",
            "look what runs (top); puna shares the cores with it and is faster once it has ended",
        )
    if machine.open_files < _ADVISED_FILES:
        yield Finding(
            "warning",
            f"a process may have only {machine.open_files} files open, too few for many requests at once",
            "raise the limit before the server starts: ulimit -n 4096",
        )
    if machine.accelerators:
        names = ", ".join(machine.accelerators)
        yield Finding(
            "note",
            f"there is a GPU ({names}), and the engine that comes with puna uses the processor",
            "PUNA_LLAMA_SERVER=/path/of/llama-server takes one that was built for the GPU",
        )


def _system() -> str:
    if sys.platform == "linux":
        try:
            name = platform.freedesktop_os_release()["PRETTY_NAME"]
        except (OSError, KeyError):
            name = ""
        return " ".join(filter(None, (f"Linux {platform.release()}", name and f"({name})", platform.machine())))
    return platform.platform()


def _open_files() -> int:
    import resource  # noqa: PLC0415 - there is none on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def _accelerators(dev: Path) -> Iterator[str]:
    kinds: Mapping[str, str] = {"nvidia0": "NVIDIA", "kfd": "AMD", "accel/accel0": "an NPU"}
    for name, kind in kinds.items():
        if (dev / name).exists():
            yield kind
    if not any((dev / name).exists() for name in kinds) and any(dev.glob("dri/renderD*")):
        yield "one that Vulkan may use"


def _value(text: str, name: str) -> str:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
