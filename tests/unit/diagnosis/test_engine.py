"""What is told of the engine."""

from puna.diagnosis.engine import section, unused
from puna.engine.about import EngineAbout


def test_an_engine_that_is_not_there():
    """A binary that cannot be run is an error that says which setting names it."""
    [found] = section("/nowhere/llama-server", ()).findings
    assert "error" == found.severity
    assert "PUNA_LLAMA_SERVER" in found.advice


def test_instructions_that_lie_idle():
    """A processor that can more than the engine was built for is told of, in everyone's names."""
    about = EngineAbout("llama.cpp", ("AVX", "AVX2", "AVX512"))
    assert () == unused(about, ("AVX", "AVX2", "AVX-512"))
    [found] = unused(about, ("AVX2", "VNNI"))
    assert ("note", True) == (found.severity, "VNNI" in found.problem)


def test_an_engine_that_does_not_tell():
    """Nothing is claimed about an engine that does not say what it was built for."""
    assert () == unused(EngineAbout("llama-server"), ("AVX2",))
