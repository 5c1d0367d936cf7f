"""Quantities and columns as people read them."""

from __future__ import annotations

import datetime as dt

import pytest

from dagrun.ui.columns import aligned, indented
from dagrun.ui.quantities import about, ago, counted, seconds, size


@pytest.mark.parametrize(
    ("value", "exact", "rough"),
    [
        (0.004, "0.00 s", "0.0 s"),
        (0.41, "0.41 s", "0.4 s"),
        (9.994, "9.99 s", "10 s"),
        (9.996, "10.0 s", "10 s"),
        (38.2, "38.2 s", "38 s"),
        (59.96, "1 min 00 s", "60 s"),
        (185, "3 min 05 s", "3 min"),
        (7620, "2 h 07 min", "2.1 h"),
    ],
)
def test_durations(value: float, exact: str, rough: str) -> None:
    assert (seconds(value), about(value)) == (exact, rough)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (24_100_000, "24.1 MB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_counts_and_times() -> None:
    assert [counted(number, "row") for number in (0, 1, 336_776)] == [
        "0 rows",
        "1 row",
        "336,776 rows",
    ]
    now = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)
    assert ago("2024-03-01T11:59:58+00:00", now) == "just now"
    assert ago("2024-03-01T11:58:00+00:00", now) == "2 minutes ago"
    assert ago("2024-03-01T11:00:00.123+00:00", now) == "59 minutes ago"
    assert ago("2024-02-28T12:00:00+00:00", now) == "2 days ago"


def test_columns_are_aligned_and_empty_ones_take_no_room() -> None:
    rows = [["a", "", "1", "x"], ["bbb", "", "22", ""]]
    assert aligned(rows, right={2}) == ["a     1  x", "bbb  22"]
    assert aligned([]) == []
    assert aligned([["a", ("hit", "dim"), ""], ["b", ("", None), "z"]]) == [
        "a  \x1b[2mhit\x1b[0m",
        "b       z",
    ]


def test_blank_lines_stay_blank() -> None:
    assert indented("a\n\nb") == "  a\n\n  b"
