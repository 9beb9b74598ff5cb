"""The engine: which one it is, whether it runs here, and whether it makes use of the processor."""

from __future__ import annotations

from collections.abc import Sequence

from puna.diagnosis import Finding, Section
from puna.engine.about import EngineAbout, ask
from puna.errors import LoadFailed

_OWN_BINARY = "build llama-server of llama.cpp on this machine and name it: PUNA_LLAMA_SERVER=/path/of/llama-server"

_IN_ITS_WORDS = {"AVX-512": "AVX512", "VNNI": "AVX512_VNNI", "AVX-VNNI": "AVX_VNNI", "AMX": "AMX_INT8"}
_IN_ITS_WORDS |= {"I8MM": "MATMUL_INT8"}


def section(binary: str, instructions: Sequence[str]) -> Section:
    """The llama-server ``binary`` ("": the engine that comes with puna), on a processor with ``instructions``."""
    try:
        about = ask(binary)
    except LoadFailed as error:
        advice = "correct PUNA_LLAMA_SERVER, or unset it for the engine that comes with puna" if binary else _OWN_BINARY
        return Section("Engine", findings=(Finding("error", f"the engine does not run here: {error}", advice),))
    built_for = (("built for", ", ".join(about.instructions)),) if about.instructions else ()
    return Section("Engine", (("engine", about.name), *built_for), unused(about, instructions))


def unused(about: EngineAbout, instructions: Sequence[str]) -> tuple[Finding, ...]:
    """What to say if the processor has ``instructions`` that the engine could use and was not built for."""
    idle = [name for name in instructions if _IN_ITS_WORDS.get(name, name) not in about.instructions]
    if not idle or not about.instructions:  # not every engine tells
        return ()
    problem = (
        f"the engine was not built for {', '.join(idle)} of this processor, so prompts are read slower than could be"
    )
    return (Finding("note", problem, _OWN_BINARY),)
