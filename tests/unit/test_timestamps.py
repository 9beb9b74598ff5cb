"""Times are printed as Ollama's API prints them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna import timestamps
from puna.durations import FOREVER

MOMENT = 1_795_293_665_742_011_893
YEARS = 365 * 24 * 3600
LAST = 2**63 - 1
"""The last nanosecond that Go's clocks and files know, in 2262."""


@pytest.fixture(params=["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "NST3:30"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (MOMENT, "2026-11-21T20:41:05.742011893Z"),
        (1_000_000_000, "1970-01-01T00:00:01Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_utc_is_exact_and_without_trailing_zeros(nanoseconds: int, text: str) -> None:
    """Every nanosecond is printed, and a whole second has no fraction."""
    assert text == timestamps.utc(nanoseconds)


def test_local_times_have_the_offset_of_their_day(zone: str) -> None:
    """Summer time where there is one, minutes where the offset has them, Z where there is none."""
    winter, summer = {
        "UTC0": ("2026-11-21T20:41:05.742011893Z", "2026-07-01T12:00:00Z"),
        "CET-1CEST,M3.5.0,M10.5.0/3": ("2026-11-21T21:41:05.742011893+01:00", "2026-07-01T14:00:00+02:00"),
        "NST3:30": ("2026-11-21T17:11:05.742011893-03:30", "2026-07-01T08:30:00-03:30"),
    }[zone]
    assert (winter, summer) == (timestamps.local(MOMENT), timestamps.local(1_782_907_200_000_000_000))


def read(text: str) -> float:
    """The seconds since the epoch that any client reads."""
    return datetime.fromisoformat(text).timestamp()


@given(st.integers(0, LAST))
def test_a_printed_time_is_read_as_itself(nanoseconds: int) -> None:
    """In either form."""
    for text in (timestamps.utc(nanoseconds), timestamps.local(nanoseconds)):
        assert nanoseconds / 1e9 == pytest.approx(read(text), abs=1e-5)


def test_a_time_to_come_is_counted_from_now() -> None:
    """From the moment that is given, or from this one."""
    assert timestamps.local(MOMENT + 300_000_000_000) == timestamps.after(300, now=MOMENT)
    assert timestamps.local(MOMENT + 1_500_000_000) == timestamps.after(1.5, now=MOMENT)
    assert time.time() + 60 == pytest.approx(read(timestamps.after(60)), abs=5)


@pytest.mark.parametrize("seconds", [FOREVER, 300 * YEARS, 1e12, 1e300])
def test_forever_is_the_longest_that_go_knows(seconds: float) -> None:
    """292 years; a keep-alive of more is no error."""
    assert timestamps.local(MOMENT + 2**63 - 1) == timestamps.after(seconds, now=MOMENT)
    assert timestamps.after(FOREVER, now=MOMENT).startswith("2319-03-")
