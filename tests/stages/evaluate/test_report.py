"""The report: what it holds, that it can be stored, and what it refuses."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from dagrun.engine.canonical import decode, encode, to_bytes
from dagrun.stages.evaluate import EvaluationInvalid, Report, choose_threshold, evaluate

LABEL = pl.Series("late", [True, False, True, False])
PROBABILITY = np.array([0.8, 0.3, 0.6, 0.4], np.float32)


def report(**changes) -> Report:
    arguments = {"threshold": 0.5, "train_base_rate": 0.25} | changes
    return evaluate(LABEL, PROBABILITY, **arguments)


def test_the_figures_stand_beside_the_naive_baseline() -> None:
    made = report(baselines={"hour": pl.Series([0.5, 0.5, 0.9, 0.1])})
    assert (made.rows, made.base_rate) == (4, 0.5)
    assert made.scores.auc == 1.0
    assert made.decisions.accuracy == 1.0
    assert made.baselines["constant"].auc == 0.5
    constant = -(2 * math.log(0.25) + 2 * math.log(0.75)) / 4
    assert made.baselines["constant"].log_loss == pytest.approx(constant)
    assert made.baselines["hour"].auc == 0.875
    assert made.figures()["f1"] == 1.0
    assert made.figures()["log_loss"] == made.scores.log_loss


def test_a_report_survives_its_json_form() -> None:
    made = report()
    assert decode(json.loads(to_bytes(encode(made)))) == made


def test_the_threshold_is_a_probability_that_occurs() -> None:
    threshold = choose_threshold(LABEL, PROBABILITY)
    assert threshold == float(np.float32(0.6))
    assert report(threshold=threshold).decisions.f1 == 1.0


@pytest.mark.parametrize(
    ("label", "probability", "problem"),
    [
        ([0, 1, 2], [0.1, 0.2, 0.3], "neither 0 nor 1"),
        ([0, 0], [0.1, 0.2], "not of both classes"),
        ([0, 1, None], [0.1, 0.2, 0.3], "label has 1 nulls"),
        ([0, 1], [0.1, None], "probability has 1 nulls"),
        ([0, 1], [0.1, 0.2, 0.3], "probability has 3 rows, the labels have 2"),
        ([0, 1], [0.1, 1.5], "holds 1.5"),
        ([0, 1], [0.1, float("nan")], "holds nan"),
        (["no", "yes"], [0.1, 0.2], "label must be one column of numbers"),
    ],
)
def test_what_is_no_evaluation_is_refused(label, probability, problem) -> None:
    with pytest.raises(EvaluationInvalid, match=problem):
        evaluate(pl.Series(label), pl.Series(probability), threshold=0.5, train_base_rate=0.5)
