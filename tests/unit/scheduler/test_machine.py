from __future__ import annotations

import os
from pathlib import Path

import pytest

from puna.scheduler.machine import available_memory, count_cores, physical_cores

MEMINFO = "MemTotal:       8000 kB\nMemFree:        1000 kB\nMemAvailable:   6000 kB\n"
CACHES = "anon 5\nactive_file 100\ninactive_file 20\n"
CACHES_V1 = "active_file 1\ninactive_file 1\ntotal_active_file 100\ntotal_inactive_file 20\n"


def processor(number: int, package: int, core: int) -> str:
    return f"processor\t: {number}\nmodel name\t: X\nphysical id\t: {package}\ncore id\t\t: {core}\nflags\t\t: fpu\n"


HYPERTHREADED = "\n".join(processor(number, number // 4, number // 2 % 2) for number in range(8))
ARM = "\n".join(f"processor\t: {number}\nBogoMIPS\t: 50.00\n" for number in range(4)) + "\nHardware\t: X\n"


@pytest.mark.parametrize(
    ("expected", "cpuinfo", "allowed"),
    [
        (4, HYPERTHREADED, set(range(8))),
        (1, HYPERTHREADED, {0, 1}),
        (2, HYPERTHREADED, {1, 2}),
        (2, HYPERTHREADED, {0, 4}),
        (4, ARM, set(range(4))),
        (2, ARM, {0, 3}),
        (3, "", {0, 1, 2}),
    ],
)
def test_count_cores(expected: int, cpuinfo: str, allowed: set[int]) -> None:
    """Two threads of one core count once, cores the process may not use do not count, unknown ones count singly."""
    assert expected == count_cores(cpuinfo, allowed)


def machine(root: Path, cgroup: str, files: dict[str, str]) -> tuple[Path, Path]:
    proc, cgroups = root / "proc", root / "cgroup"
    cores = "\n".join(processor(number, 0, number) for number in os.sched_getaffinity(0))
    for path, text in {
        proc / "cpuinfo": cores,
        proc / "meminfo": MEMINFO,
        proc / "self" / "cgroup": cgroup,
        **{cgroups / name: text for name, text in files.items()},
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return proc, cgroups


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("0::/\n", {"cpu.max": "100000 100000\n"}),
        ("0::/\n", {"cpu.max": "50000 100000\n"}),
        ("0::/a/b\n", {"a/cpu.max": "199999 100000\n", "a/b/cpu.max": "max 100000\n"}),
        ("0::/not/visible/here\n", {"cpu.max": "100000 100000\n"}),
        (
            "3:cpu,cpuacct:/box\n0::/\n",
            {"cpu/box/cpu.cfs_quota_us": "100000\n", "cpu/box/cpu.cfs_period_us": "100000\n"},
        ),
    ],
)
def test_quota(tmp_path: Path, cgroup: str, files: dict[str, str]) -> None:
    """A container with the time of one core gets one thread: more would only be throttled."""
    assert 1 == physical_cores(*machine(tmp_path, cgroup, files))


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("", {}),
        ("0::/\n", {"cpu.max": "max 100000\n"}),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n"}),
    ],
)
def test_no_quota(tmp_path: Path, cgroup: str, files: dict[str, str]) -> None:
    """Without a quota all cores the process may use count."""
    assert len(os.sched_getaffinity(0)) == physical_cores(*machine(tmp_path, cgroup, files))


@pytest.mark.parametrize(
    ("expected", "cgroup", "files"),
    [
        (6000 * 1024, "", {}),
        (6000 * 1024, "0::/\n", {"memory.max": "max\n"}),
        (520, "0::/\n", {"memory.max": "1000\n", "memory.current": "600\n", "memory.stat": CACHES}),
        (
            520,
            "0::/\n",
            {"memory.max": "9000\n", "memory.high": "1000\n", "memory.current": "600\n", "memory.stat": CACHES},
        ),
        (0, "0::/\n", {"memory.max": "100\n", "memory.current": "600\n", "memory.stat": CACHES}),
        (
            520,
            "0::/a\n",
            {
                "memory.max": "1000\n",
                "memory.current": "600\n",
                "memory.stat": CACHES,
                "a/memory.max": "2000\n",
                "a/memory.current": "100\n",
                "a/memory.stat": CACHES,
            },
        ),
        (
            520,
            "4:memory:/box\n0::/\n",
            {
                "memory/box/memory.limit_in_bytes": "1000\n",
                "memory/box/memory.usage_in_bytes": "600\n",
                "memory/box/memory.stat": CACHES_V1,
            },
        ),
    ],
)
def test_available_memory(tmp_path: Path, expected: int, cgroup: str, files: dict[str, str]) -> None:
    """What the system has available, within what the tightest limit leaves; file caches count as free."""
    assert expected == available_memory(*machine(tmp_path, cgroup, files))


def test_unknown_memory(tmp_path: Path) -> None:
    """A system that does not tell is taken at its whole memory."""
    assert os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") == available_memory(tmp_path, tmp_path)


def test_this_machine() -> None:
    """The machine the tests run on can be read."""
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)
    assert 0 < available_memory()


def test_memory_that_cannot_be_told_is_taken_as_there(tmp_path: Path) -> None:
    """A file that cannot be opened at the moment, as when too many are open, fails no request."""
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("0::/\n")
    limit = tmp_path / "cgroup" / "memory.max"
    limit.parent.mkdir()
    limit.write_text("1000\n")  # whose usage cannot be read
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert whole == available_memory(tmp_path, tmp_path / "cgroup")
