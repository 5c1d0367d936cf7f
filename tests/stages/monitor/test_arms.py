"""Arms compared by the outcomes that came in."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from dagrun.stages.evaluate.metrics import scores
from dagrun.stages.monitor import ArmFigure, ArmResult, ArmsIncomparable, compare_arms

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def arm(
    name: str | None, version: int, rows: int, *, skill: float, seed: int, keys: int = 0
) -> pl.DataFrame:
    """Return answers whose log-odds are the true ones with noise, less of it for more skill."""
    chance = np.random.default_rng(seed)
    truth = chance.normal(0, 2, rows)
    label = chance.random(rows) < 1 / (1 + np.exp(-truth))
    said = truth + chance.normal(0, 1 / skill, rows)
    key = [f"{name} {number % keys}" if keys else None for number in range(rows)]
    return pl.DataFrame(
        {
            "time": [START] * rows,
            "key": pl.Series(key, dtype=pl.String),
            "arm": pl.Series([name] * rows, dtype=pl.String),
            "version": version,
            "bundle": f"bundle {version}",
            "prediction": pl.Series(1 / (1 + np.exp(-said)), dtype=pl.Float32),
            "late": label,
        }
    )


def figures(result: ArmResult) -> dict[str, ArmFigure]:
    return {figure.name: figure for figure in result.figures}


def test_a_better_arm_is_called_better_and_an_equal_one_is_not() -> None:
    joined = pl.concat(
        [
            arm("worse", 3, 2_000, skill=0.3, seed=3),
            arm("champion", 1, 3_000, skill=1.0, seed=1),
            arm("same", 2, 2_000, skill=1.0, seed=2),
        ]
    )
    champion, same, worse = compare_arms(joined, label="late", resamples=300)
    assert [one.arm for one in (champion, same, worse)] == ["champion", "same", "worse"]
    assert (champion.rows, champion.known, champion.keys) == (3_000, 3_000, 3_000)
    assert {figure.verdict for figure in champion.figures} == {""}
    assert figures(same)["auc"].verdict == "open"
    verdicts = {name: figure.verdict for name, figure in figures(worse).items()}
    assert (verdicts["auc"], verdicts["log_loss"], verdicts["brier"]) == ("worse",) * 3
    assert verdicts["outcome"] == "open"
    low, high = figures(worse)["auc"].interval or (0, 0)
    assert low < (figures(worse)["auc"].value or 0) < high
    turned = joined.with_columns(
        pl.col("arm").replace({"worse": "champion", "champion": "worse"}), version=pl.lit(1)
    )
    assert figures(compare_arms(turned, label="late", resamples=300)[2])["auc"].verdict == "better"


def test_figures_are_those_of_the_report_and_of_known_rows_alone() -> None:
    rows = arm("champion", 1, 500, skill=1.0, seed=1)
    unknown = rows.with_columns(late=pl.lit(None, pl.Boolean))
    (found,) = compare_arms(pl.concat([rows, unknown]), label="late", resamples=100)
    assert (found.rows, found.known) == (1_000, 500)
    expected = scores(
        rows["late"].cast(pl.Int8).to_numpy(), rows["prediction"].cast(pl.Float64).to_numpy()
    )
    given = {name: figure.value for name, figure in figures(found).items()}
    assert given["auc"] == expected.auc
    assert given["log_loss"] == pytest.approx(expected.log_loss, rel=1e-12)
    assert given["brier"] == pytest.approx(expected.brier, rel=1e-12)
    assert given["outcome"] == rows["late"].mean()
    again = compare_arms(pl.concat([rows, unknown]), label="late", resamples=100)
    assert again == (found,)


def test_rows_of_one_key_are_drawn_together() -> None:
    """Ten equal answers to one customer are one observation, and make no interval narrower."""
    once = arm("champion", 1, 200, skill=1.0, seed=1, keys=200)
    (single,) = compare_arms(once, label="late", resamples=500)
    (tenfold,) = compare_arms(pl.concat([once] * 10), label="late", resamples=500)
    assert (single.keys, tenfold.keys, tenfold.known) == (200, 200, 2_000)

    def width(result: ArmResult) -> float:
        low, high = figures(result)["brier"].interval or (math.nan, math.nan)
        return high - low

    assert width(tenfold) == pytest.approx(width(single), rel=0.15)
    alone = pl.concat([once] * 10).with_columns(key=pl.lit(None, pl.String))
    (apart,) = compare_arms(alone, label="late", resamples=500)
    assert width(apart) < 0.5 * width(single)


def test_few_keys_and_one_class_have_no_interval() -> None:
    few = arm("champion", 1, 20, skill=1.0, seed=1).with_columns(late=pl.lit(True))
    (found,) = compare_arms(few, label="late", resamples=100)
    assert figures(found)["auc"].value is None
    assert figures(found)["outcome"].value == 1.0
    assert {figure.interval for figure in found.figures} == {None}
    none = few.with_columns(late=pl.lit(None, pl.Boolean))
    (found,) = compare_arms(none, label="late", resamples=100)
    assert (found.known, {figure.value for figure in found.figures}) == (0, {None})


def test_a_regression_has_figures_of_its_own() -> None:
    rows = arm("champion", 1, 100, skill=1.0, seed=1)
    rows = rows.with_columns(late=pl.col("prediction").cast(pl.Float64) + 0.5)
    (found,) = compare_arms(rows, label="late", task="regression", resamples=100)
    given = {name: figure.value for name, figure in figures(found).items()}
    assert given["bias"] == pytest.approx(-0.5)
    assert given["mae"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"arm": pl.lit(None, pl.String)}, "there was no split"),
        ({"arm": pl.lit("b")}, "the champion answered none of these rows, only b"),
        ({"late": pl.lit("yes")}, "'late' is String"),
        ({"late": pl.lit(3)}, "has the value 3; of a classifier"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: dict[str, pl.Expr], problem: str) -> None:
    rows = arm("champion", 1, 50, skill=1.0, seed=1).with_columns(**change)
    with pytest.raises(ArmsIncomparable, match=problem):
        compare_arms(rows, label="late")
