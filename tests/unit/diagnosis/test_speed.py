"""Requests that measure, and what their answers come to."""

from puna.diagnosis.speed import Speed, probe, speed
from puna.events import Done
from puna.types import Timings, Usage


def test_prompts_differ_and_can_be_repeated():
    """No prompt begins like another, so that none is read from a cache; the same seed gives the same one."""
    first, again, other = (probe("m", prompt_tokens=64, tokens=8, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.prompt.split()[0] != other.prompt.split()[0]
    assert 50 < len(first.prompt.split()) <= 64
    assert (8, True) == (first.options["num_predict"], first.raw)


def test_rates():
    """Rates count what was read, without what was cached, and what was written."""
    done = Done("stop", Usage(110, 20, 10), Timings(load=0.5, prompt=2.0, completion=4.0))
    assert Speed(0.5, 50.0, 5.0, 100, 20) == speed(done)


def test_an_empty_answer():
    """An answer that took no time has no rate."""
    assert Speed(0.0, 0.0, 0.0, 0, 0) == speed(Done("load"))
