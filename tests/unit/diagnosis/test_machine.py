"""What is told of a machine, and what is said about one that is too small."""

from dataclasses import replace

import pytest

from puna.diagnosis.machine import Machine, instructions, look, section

GOOD = Machine(
    system="Linux 6.1, Python 3.11.9",
    processor="A fast one",
    cores=4,
    processors=8,
    instructions=("AVX", "AVX2", "FMA"),
    memory=32 * 10**9,
    available=20 * 10**9,
    load=0.5,
    open_files=1024,
)


def test_a_good_machine_has_nothing_wrong():
    """A machine with AVX2, memory and free cores gets facts and no advice."""
    told = section(GOOD)
    assert () == told.findings
    facts = dict(told.facts)
    assert "4 physical to compute on, of 8 logical in all" == facts["cores"]
    assert "AVX, AVX2, FMA" == facts["instructions"]
    assert "32 GB, 20 GB of it available" == facts["memory"]


@pytest.mark.parametrize(
    ("change", "severity", "word"),
    [
        ({"instructions": ("AVX",)}, "warning", "AVX2"),
        ({"available": 10**9}, "warning", "1 GB"),
        ({"load": 5.0}, "note", "load 5.0 on 4"),
        ({"open_files": 256}, "warning", "256 files"),
        ({"accelerators": ("NVIDIA",)}, "note", "NVIDIA"),
    ],
)
def test_what_is_wrong_comes_with_advice(change, severity, word):
    """Everything that makes models slow or fail is named, with something to do about it."""
    [found] = section(replace(GOOD, **change)).findings
    assert severity == found.severity
    assert word in found.problem
    assert found.advice


def test_unknown_instructions_are_no_reproach():
    """Where the system does not tell the instructions, nothing is claimed about them."""
    told = section(replace(GOOD, instructions=()))
    assert () == told.findings
    assert "instructions" not in dict(told.facts)


def test_instructions_of_x86_and_arm():
    """Instructions are found in both forms of the kernel's text."""
    assert ("AVX", "AVX2", "AVX-512") == instructions("processor : 0\nflags\t\t: fpu avx avx2 avx512f\n")
    assert ("NEON", "DOTPROD") == instructions("processor : 0\nFeatures\t: fp asimd asimddp\n")
    assert () == instructions("")


def test_this_machine(tmp_path):
    """Looking at the machine that runs this gives figures that can be."""
    (tmp_path / "nvidia0").touch()
    here = look(dev=tmp_path)
    assert 1 <= here.cores <= here.processors
    assert 0 < here.available <= here.memory
    assert ("NVIDIA",) == here.accelerators
