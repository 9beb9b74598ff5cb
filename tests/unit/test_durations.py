"""Durations are read and printed as Go does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.durations import FOREVER, format_nanoseconds, parse, parse_keep_alive


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("-0", 0.0),
        ("5m", 300.0),
        ("5m0s", 300.0),
        ("1h30m", 5400.0),
        ("+1h", 3600.0),
        ("-1m", -60.0),
        ("-1m30s", -90.0),
        ("1.5s", 1.5),
        ("1.s", 1.0),
        (".5s", 0.5),
        ("1s1s", 2.0),
        ("100ms", 0.1),
        ("3us", 3e-6),
        ("3µs", 3e-6),
        ("3μs", 3e-6),
        ("7ns", 7e-9),
        ("1m1ms", 60.001),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    """Any of Go's units, either micro sign, added up."""
    assert seconds == pytest.approx(parse(text), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10", 'time: missing unit in duration "10"'),
        ("-1", 'time: missing unit in duration "-1"'),
        ("1h30", 'time: missing unit in duration "1h30"'),
        ("1.5.5s", 'time: missing unit in duration "1.5.5s"'),
        ("10x", 'time: unknown unit "x" in duration "10x"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1M", 'time: unknown unit "M" in duration "1M"'),
        ("5 m", 'time: unknown unit " m" in duration "5 m"'),
        ("1h2months", 'time: unknown unit "months" in duration "1h2months"'),
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        ("soon", 'time: invalid duration "soon"'),
        (".s", 'time: invalid duration ".s"'),
        ("--1s", 'time: invalid duration "--1s"'),
        ("1s ", 'time: unknown unit "s " in duration "1s "'),
        ("٣s", 'time: invalid duration "٣s"'),
        ("inf", 'time: invalid duration "inf"'),
    ],
)
def test_what_is_no_duration_is_refused_in_gos_words(text: str, message: str) -> None:
    """Scripts and people know these messages."""
    with pytest.raises(ValueError, match="time: ") as refused:
        parse(text)
    assert message == str(refused.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300.0), ("10", 10.0), ("1.5", 1.5), ("0", 0.0), ("-1", FOREVER), ("-0.5", FOREVER), ("-1m", FOREVER)],
)
def test_a_keep_alive_is_a_duration_or_seconds(text: str, seconds: float) -> None:
    """Negative is for ever."""
    assert seconds == parse_keep_alive(text)


@pytest.mark.parametrize("text", ["", "nan", "inf", "1e3", "1_000", "soon", "10x"])
def test_what_is_neither_is_no_keep_alive(text: str) -> None:
    """In particular not what only Python takes for a number."""
    with pytest.raises(ValueError, match="time: "):
        parse_keep_alive(text)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (999, "999ns"),
        (1_000, "1µs"),
        (1_500, "1.5µs"),
        (999_999, "999.999µs"),
        (1_000_000, "1ms"),
        (12_500_000, "12.5ms"),
        (999_999_999, "999.999999ms"),
        (1_000_000_000, "1s"),
        (1_234_000_000, "1.234s"),
        (1_000_000_001, "1.000000001s"),
        (59_999_999_999, "59.999999999s"),
        (60_000_000_000, "1m0s"),
        (90_000_000_000, "1m30s"),
        (123_500_000_000, "2m3.5s"),
        (300_000_000_000, "5m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (3_661_500_000_000, "1h1m1.5s"),
        (2**63 - 1, "2562047h47m16.854775807s"),
        (-1_500_000_000, "-1.5s"),
        (-1, "-1ns"),
    ],
)
def test_a_duration_is_printed_as_go_prints_it(nanoseconds: int, text: str) -> None:
    """The largest fitting unit below a second; hours, minutes and seconds above; no zeros at the end."""
    assert text == format_nanoseconds(nanoseconds)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_printed_duration_is_read_as_itself(nanoseconds: int) -> None:
    """As exactly as seconds in a float can be."""
    assert math.isclose(nanoseconds / 1e9, parse(format_nanoseconds(nanoseconds)), rel_tol=1e-14)


@given(st.text() | st.text("0123456789.-+hmsnuµ"))
def test_any_other_text_is_refused(text: str) -> None:
    """A text is a finite number of seconds or a ValueError, nothing else."""
    try:
        seconds = parse(text)
    except ValueError:
        return
    assert math.isfinite(seconds)
