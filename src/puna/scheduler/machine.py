"""What this process may use of the machine: physical cores and memory, also inside a container."""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def physical_cores(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """The physical cores this process may compute on, at least 1: its CPU affinity and its cgroup's quota count."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    cores = count_cores(_text(proc / "cpuinfo"), allowed)
    quotas = [
        *map(_quota_v2, _files(proc, cgroups, "", "cpu.max")),
        *map(_quota_v1, _files(proc, cgroups, "cpu", "cpu.cfs_quota_us")),
    ]
    return max(1, min([cores, *(int(quota) for quota in quotas if quota is not None)]))


def count_cores(cpuinfo: str, allowed: set[int]) -> int:
    """The physical cores behind the ``allowed`` logical processors, by the text of ``/proc/cpuinfo``.

    A processor whose core the text does not tell (as on ARM) counts as one.
    """
    cores: set[tuple[str, str]] = set()
    for block in cpuinfo.split("\n\n"):
        fields = dict(_field(line) for line in block.splitlines())
        number = fields.get("processor", "")
        if number.isdigit() and int(number) in allowed:
            cores.add((fields.get("physical id", ""), fields.get("core id", f"of processor {number}")))
    return len(cores) or len(allowed)


def available_memory(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """The bytes that can be taken without swapping, within the limits of the cgroup.

    File caches count as free, also those of the files that a process has mapped and uses.

    Where the system does not tell, the whole memory is taken as available.
    """
    try:
        return _available(proc, cgroups)
    except OSError as error:  # no more files can be opened, or a cgroup has just gone
        log.warning("the available memory cannot be told: %s", error)
        return _whole()


def _available(proc: Path, cgroups: Path) -> int:
    meminfo = dict(_field(line) for line in _text(proc / "meminfo").splitlines())
    if "MemAvailable" not in meminfo:
        return _whole()
    host, total = (int(meminfo[name].removesuffix("kB")) * 1024 for name in ("MemAvailable", "MemTotal"))
    rooms = [
        *(_room(path, total, "memory.current", "") for path in _files(proc, cgroups, "", "memory.max")),
        *(_room(path, total, "memory.current", "") for path in _files(proc, cgroups, "", "memory.high")),
        *(
            _room(path, total, "memory.usage_in_bytes", "total_")
            for path in _files(proc, cgroups, "memory", "memory.limit_in_bytes")
        ),
    ]
    return max(0, min([host, *(room for room in rooms if room is not None)]))


def _whole() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@cache
def _files(proc: Path, cgroups: Path, controller: str, name: str) -> tuple[Path, ...]:
    """The files ``name`` of this process's cgroup and all above it; ``controller`` "" means version 2 of cgroups.

    A container may see only its own part of the tree, as the root, while its path is told from the host's: what is
    not there is passed over. They are looked for once: a process stays in its cgroup.
    """
    found = []
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller not in controllers.split(","):
            continue
        root = cgroups / controller
        own = root / path.lstrip("/")
        folders = [folder for folder in (own, *own.parents) if folder.is_relative_to(root)]
        found += [folder / name for folder in folders if (folder / name).is_file()]
    return tuple(found)


def _quota_v2(path: Path) -> float | None:
    quota, period = path.read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(path: Path) -> float | None:
    quota = int(path.read_text())
    return None if quota < 0 else quota / int((path.parent / "cpu.cfs_period_us").read_text())


def _room(limit: Path, total: int, usage: str, prefix: str) -> int | None:
    """What is left under ``limit``. File caches count as usage there, but give way to whoever needs the memory."""
    text = limit.read_text().strip()
    if text == "max" or int(text) >= total:  # the statistics are slow to read, and no limit is no reason to
        return None
    stat = dict(line.split() for line in (limit.parent / "memory.stat").read_text().splitlines())
    cached = sum(int(stat.get(f"{prefix}{kind}_file", 0)) for kind in ("active", "inactive"))
    return int(text) - int((limit.parent / usage).read_text()) + cached


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()
