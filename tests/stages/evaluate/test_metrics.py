"""Metrics against brute force, against published examples, and bit-stable under reordering."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.evaluate.metrics import (
    auc,
    best_f1_threshold,
    brier,
    calibration,
    calibration_error,
    decisions,
    log_loss,
    scores,
)

PROBABILITIES = st.floats(0, 1, width=32) | st.sampled_from([0.0, 0.25, 0.5, 1.0])
JUDGED = (
    st.lists(st.tuples(st.integers(0, 1), PROBABILITIES), min_size=2, max_size=40)
    .filter(lambda rows: len({label for label, _ in rows}) == 2)
    .map(lambda rows: arrays(*zip(*rows, strict=True)))
)


def arrays(labels, probabilities):
    return np.array(labels, np.int8), np.array(probabilities, np.float64)


def test_the_examples_of_scikit_learn_s_documentation() -> None:
    assert auc(*arrays([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])) == 0.75
    assert log_loss(*arrays([1, 0, 0, 1], [0.9, 0.1, 0.2, 0.65])) == pytest.approx(
        0.21616, abs=5e-6
    )
    assert brier(*arrays([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3])) == pytest.approx(0.0375)


@given(judged=JUDGED)
@settings(max_examples=150, deadline=None)
def test_auc_counts_pairs(judged) -> None:
    labels, probabilities = judged
    positive, negative = probabilities[labels == 1], probabilities[labels == 0]
    won = sum((p > n) + 0.5 * (p == n) for p, n in itertools.product(positive, negative))
    assert auc(labels, probabilities) == won / (len(positive) * len(negative))


@given(judged=JUDGED, seed=st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_the_order_of_rows_changes_no_bit(judged, seed) -> None:
    labels, probabilities = judged
    order = list(range(len(labels)))
    random.Random(seed).shuffle(order)
    shuffled = scores(labels[order], probabilities[order])
    assert shuffled == scores(labels, probabilities)
    bins = calibration(labels, probabilities)
    assert bins == calibration(labels[order], probabilities[order])


@given(judged=JUDGED)
@settings(max_examples=100, deadline=None)
def test_the_threshold_chosen_is_the_highest_of_the_best(judged) -> None:
    labels, probabilities = judged
    tried = {t: decisions(labels, probabilities, t).f1 for t in set(probabilities.tolist())}
    best = max(tried.values())
    assert best_f1_threshold(labels, probabilities) == max(
        t for t, f1 in tried.items() if f1 == best
    )


@given(judged=JUDGED)
@settings(max_examples=100, deadline=None)
def test_every_row_is_in_one_calibration_bin(judged) -> None:
    labels, probabilities = judged
    bins = calibration(labels, probabilities)
    for i, bin in enumerate(bins):
        inside = [
            p for p in probabilities if bin.lower <= p and (p < bin.upper or i == len(bins) - 1)
        ]
        assert bin.count == len(inside)
        assert bin.predicted == (math.fsum(inside) / len(inside) if inside else None)
    assert sum(bin.count for bin in bins) == len(labels)


def test_a_certain_mistake_costs_much_but_is_finite() -> None:
    assert log_loss(*arrays([0, 1], [1.0, 1.0])) == pytest.approx(-math.log(1e-15) / 2, rel=1e-2)


def test_decisions_at_a_threshold_that_a_probability_just_reaches() -> None:
    labels, probabilities = arrays([1, 1, 0, 0, 0], [0.9, 0.5, 0.5, 0.4, 0.1])
    made = decisions(labels, probabilities, 0.5)
    assert (made.true_positives, made.false_positives) == (2, 1)
    assert (made.true_negatives, made.false_negatives) == (2, 0)
    assert (made.precision, made.recall, made.f1, made.accuracy) == (2 / 3, 1.0, 0.8, 0.8)
    nobody = decisions(labels, probabilities, 1.0)
    assert (nobody.precision, nobody.recall, nobody.f1, nobody.accuracy) == (0, 0, 0, 0.6)


def test_the_calibration_error_weighs_the_gaps_by_rows() -> None:
    bins = calibration(*arrays([1, 0, 0, 0, 1], [0.05, 0.05, 0.05, 0.05, 0.85]), bins=2)
    assert [(bin.count, bin.predicted, bin.observed) for bin in bins] == [
        (4, 0.05, 0.25),
        (1, 0.85, 1.0),
    ]
    assert calibration_error(bins) == pytest.approx((4 * 0.2 + 0.15) / 5)
