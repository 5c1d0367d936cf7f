"""Tallies add up, whatever the order, and survive the way over a channel."""

from __future__ import annotations

import itertools
import json
import math
import threading

from hypothesis import given
from hypothesis import strategies as st

from dagrun.server.traffic.tally import BINS, Counting, Tally, edges

ANSWERS = st.lists(
    st.one_of(
        st.none(),
        st.tuples(
            st.integers(0, 10**12),
            st.lists(st.floats(width=32), max_size=3),
        ),
    ),
    max_size=30,
)
EDGES = [-2.0, 0.0, 0.5]


def tallied(answers: list[tuple[int, list[float]] | None]) -> Tally:
    counting = Counting(EDGES)
    for answer in answers:
        if answer is None:
            counting.failed()
        else:
            counting.answered(*answer)
    return counting.tally()


@given(ANSWERS, ANSWERS)
def test_the_sum_of_two_tallies_is_the_tally_of_all(
    one: list[tuple[int, list[float]] | None], other: list[tuple[int, list[float]] | None]
) -> None:
    assert tallied(one) + tallied(other) == tallied(one + other)


@given(ANSWERS)
def test_a_tally_survives_json(answers: list[tuple[int, list[float]] | None]) -> None:
    tally = tallied(answers)
    assert Tally.from_json(json.loads(json.dumps(tally.to_json()))) == tally


def test_durations_are_known_to_a_fifth() -> None:
    counting = Counting([])
    for microseconds in range(1, 1_001):
        counting.answered(1_000 * microseconds, [0.0])
    for share in (0.1, 0.5, 0.9):
        assert math.isclose(counting.tally().duration(share), share * 1e6, rel_tol=0.2)
    assert math.isnan(Tally().duration(0.5))


@given(st.lists(st.floats(width=32), max_size=60))
def test_edges_ascend_and_give_at_most_so_many_bins(margins: list[float]) -> None:
    found = edges(margins)
    assert len(found) < BINS
    assert all(one < other for one, other in itertools.pairwise(found))


def test_nothing_is_lost_between_threads() -> None:
    counting = Counting(EDGES)

    def work() -> None:
        for _ in range(2_000):
            counting.answered(1_000, [0.1, -3.0])
            counting.failed()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally = counting.tally()
    assert (tally.answers, tally.errors, sum(tally.margins.values())) == (16_000, 8_000, 16_000)
