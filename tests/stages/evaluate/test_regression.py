"""Metrics of a regression against their definitions, its slices and its gates."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.engine.documents import DOCUMENT
from dagrun.stages.evaluate import (
    EvaluationInvalid,
    Gates,
    NoSuchFigure,
    RegressionReport,
    evaluate_regression,
    judge,
)

LABELS = pl.Series([100.0, 200.0, 300.0, 400.0])
VALUES = pl.Series([110.0, 180.0, 300.0, 440.0])
REPORT = evaluate_regression(
    LABELS, VALUES, constant=250.0, baselines={"half": LABELS / 2}, slices={"ward": LABELS > 150}
)


def test_figures_are_those_worked_out_by_hand() -> None:
    scores = REPORT.scores
    assert scores.rmse == math.sqrt((100 + 400 + 0 + 1600) / 4)
    assert scores.mae == 17.5
    assert scores.median_absolute_error == 15.0
    assert scores.r2 == 1 - 2100 / 50_000
    assert scores.mape == pytest.approx((0.1 + 0.1 + 0 + 0.1) / 4)
    assert REPORT.bias == 7.5
    assert REPORT.baselines["constant"].r2 == 0.0
    assert REPORT.baselines["half"].mape == 0.5
    assert list(REPORT.baselines) == ["constant", "half"]
    assert [(one.value, one.rows, one.mae) for one in REPORT.slices["ward"]] == [
        ("False", 1, 10.0),
        ("True", 3, 20.0),
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=2, max_size=40), st.randoms())
def test_the_order_of_the_rows_changes_no_bit(pairs: list[tuple[float, float]], random) -> None:
    labels, values = (np.array(part) for part in zip(*pairs, strict=True))
    if np.ptp(labels) < 1e-9:
        return
    order = random.sample(range(len(pairs)), len(pairs))
    reports = [
        evaluate_regression(labels[places], values[places], constant=1.0)
        for places in (list(range(len(pairs))), order)
    ]
    assert reports[0] == reports[1]


def test_percentages_are_told_of_labels_above_zero_only() -> None:
    report = evaluate_regression(pl.Series([0.0, 1.0]), pl.Series([0.5, 1.0]), constant=0.5)
    assert report.scores.mape is None
    assert "mape" not in report.figures()
    with pytest.raises(NoSuchFigure, match="'mape'"):
        judge(report, Gates.parse("[mape]\nat_most = 1"))


def test_the_worst_slice_has_enough_rows_to_speak() -> None:
    labels = pl.Series([float(i + 1) for i in range(100)])
    groups = pl.Series([None] * 5 + ["b"] * 35 + ["a"] * 60)
    report = evaluate_regression(labels, labels + 2, constant=50.0, slices={"ward": groups})
    slices = report.slices["ward"]
    assert [(one.value, one.rows) for one in slices] == [("null", 5), ("a", 60), ("b", 35)]
    worst = report.figures()["worst_mape_by_ward"]
    assert worst == slices[2].mape
    assert slices[0].mape is not None
    assert worst < slices[0].mape
    assert report.figures()["worst_mae_by_ward"] == 2.0
    assert "worst_mae_by_ward" not in REPORT.figures()


def test_gates_hold_a_regression_against_its_baselines() -> None:
    gates = Gates.parse(
        "[r2]\nat_least = 0.9\nbetter_than_baseline_by = 0.5\n[rmse]\nbetter_than_baseline_by = 100"
    )
    verdict = judge(REPORT, gates)
    assert [reason[:3] for reason in verdict.reasons] == ["ok:", "ok:", "ok:", "NO:", "ok:"]
    assert "baseline 'half' has -0.5" in verdict.reasons[2]
    assert not verdict.passed
    assert judge(REPORT, Gates.parse("[mape]\nat_most = 0.1")).passed


def test_a_report_is_stored_and_read(tmp_path) -> None:
    path = tmp_path / "report"
    DOCUMENT.dump(REPORT, path)
    assert DOCUMENT.load(path, RegressionReport) == REPORT


@pytest.mark.parametrize(
    ("label", "predicted", "changes", "problem"),
    [
        ([1.0, 1.0], [1.0, 2.0], {}, "labels do not differ"),
        ([], [], {}, "the 0 labels"),
        ([1e-300, 0.0], [1.0, 2.0], {}, "labels do not differ"),
        ([1e200, 0.0], [1.0, 2.0], {}, "label holds 1e[+]200"),
        ([1.0, None], [1.0, 2.0], {}, "label has 1 nulls"),
        ([1.0, 2.0], [1.0], {}, "predicted has 1 rows, the labels have 2"),
        ([1.0, 2.0], [1.0, math.inf], {}, "predicted holds .*inf"),
        ([1.0, 2.0], [1.0, 2.0], {"constant": math.nan}, "constant holds"),
        ([1.0, 2.0], [1.0, 2.0], {"slices": {"x": pl.Series([1])}}, "slices 'x' has 1 rows"),
    ],
)
def test_what_makes_no_evaluation_is_refused(label, predicted, changes, problem) -> None:
    series = [pl.Series(values, dtype=pl.Float64) for values in (label, predicted)]
    with pytest.raises(EvaluationInvalid, match=problem):
        evaluate_regression(*series, **{"constant": 1.0} | changes)
