"""A key may be used as often as it was made for, in whatever rhythm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from puna.service.rate import Bucket, take

RATES = st.integers(min_value=1, max_value=10_000)
WAITS = st.lists(st.floats(min_value=0, max_value=120), max_size=60)


def test_a_minutes_requests_may_come_at_once() -> None:
    """Who may ask three times a minute may ask three times at once, and is then told how long to wait."""
    bucket, waits = None, []
    for _ in range(4):
        bucket, wait = take(bucket, 3, 100.0)
        waits.append(wait)

    assert [0.0, 0.0, 0.0, 20.0] == waits


def test_a_refused_request_costs_nothing() -> None:
    """Asking too early does not put off the time when asking is allowed."""
    assert (Bucket(0.5, 110.0), 10.0) == take(Bucket(0.0, 100.0), 3, 110.0)
    assert (Bucket(0.0, 120.0), 0.0) == take(Bucket(0.5, 110.0), 3, 120.0)


@given(per_minute=RATES, waits=WAITS)
def test_no_more_is_ever_granted_than_a_burst_and_what_time_brings(per_minute: int, waits: list[float]) -> None:
    """In any stretch of time there are at most a minute's requests and those of that time."""
    bucket, now, granted = None, 0.0, 0
    for wait in waits:
        now += wait
        bucket, refused = take(bucket, per_minute, now)
        granted += not refused
        assert granted <= per_minute + now * per_minute / 60 + 1e-6


@given(per_minute=RATES, waits=WAITS)
def test_waiting_as_told_is_enough(per_minute: int, waits: list[float]) -> None:
    """Who waits as long as the refusal says (a whole second at least, as the header has it) is let in."""
    bucket, now = None, 0.0
    for wait in waits:
        now += wait
        bucket, refused = take(bucket, per_minute, now)
        if refused:
            now += refused + 1e-6
            bucket, refused = take(bucket, per_minute, now)
            assert 0.0 == refused
