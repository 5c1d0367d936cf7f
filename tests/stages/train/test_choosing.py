"""Cross-validation, selection and tuning; a pipeline of trials that is killed goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dagrun.stages.evaluate.metrics import log_loss
from dagrun.stages.features import feature_set, standardize, target_mean
from dagrun.stages.shares import with_folds
from dagrun.stages.train import (
    Between,
    Candidate,
    Told,
    TrainingInvalid,
    Trial,
    attempts,
    best_trial,
    predict_fold,
    select,
    suggest,
)

CANDIDATES = (
    Candidate.logistic(),
    Candidate.xgboost(max_depth=2, rounds=30, early_stopping=5),
    Candidate.logistic("blunt", C=1e-5),
)
FEATURES = feature_set(standardize("a", "b"), target_mean("late", by="place", prior=5))
SPACE = {"depth": Between(low=1, high=9), "rate": Between(low=0.01, high=1.0, log=True),
         "kind": ("a", "b")}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    chance = np.random.default_rng(1)
    a, b = chance.normal(size=900), chance.normal(size=900)
    late = a + chance.normal(size=900) > 0
    place = chance.integers(0, 300, 900)
    return with_folds(pl.DataFrame({"a": a, "b": b, "place": place, "late": late}), 3)


@pytest.fixture(scope="module")
def predictions(rows: pl.DataFrame) -> pl.DataFrame:
    tries = attempts(CANDIDATES, 3)
    assert str(tries[4]) == "xgboost, fold 1"
    return pl.concat(predict_fold(one, rows, FEATURES, label="late", seed=1) for one in tries)


def test_every_row_is_predicted_once_by_each_candidate(
    rows: pl.DataFrame, predictions: pl.DataFrame
) -> None:
    for _, part in predictions.group_by("candidate"):
        ordered = part.sort("row")
        assert ordered["row"].to_list() == list(range(rows.height))
        assert ordered["label"].cast(pl.Boolean).to_list() == rows["late"].to_list()
        assert ordered["fold"].to_list() == rows["fold"].to_list()


def test_a_row_s_own_label_does_not_reach_its_prediction(rows: pl.DataFrame) -> None:
    one = attempts(CANDIDATES[:1], 3)[0]
    turned = rows.with_columns(
        pl.when(pl.col("fold") == 0).then(~pl.col("late")).otherwise("late").alias("late")
    )
    found, other = (
        predict_fold(one, each, FEATURES, label="late", seed=1) for each in (rows, turned)
    )
    assert found["predicted"].to_list() == other["predicted"].to_list()


def test_a_selection_has_the_metric_of_all_rows_and_its_interval(
    predictions: pl.DataFrame,
) -> None:
    made = select(predictions, metric="log_loss")
    assert select(predictions.sample(fraction=1.0, shuffle=True, seed=1), metric="log_loss") == made
    for standing in made.standings:
        part = predictions.filter(candidate=standing.name)
        labels, probabilities = part["label"].to_numpy(), part["predicted"].to_numpy()
        expected = log_loss(labels.astype(np.int8), probabilities.astype(np.float64))
        assert standing.value == pytest.approx(expected, rel=1e-9)
        assert standing.low < standing.value < standing.high
        assert len(standing.folds) == 3
    best, *_, worst = made.standings
    assert (best.behind, best.behind_low, best.behind_high) == (0.0, 0.0, 0.0)
    assert worst.name == "blunt"
    assert worst.behind_low > 0.0
    assert made.chosen == made.best == best.name
    assert f"-> {best.name}: " in str(made)


def test_the_simplest_that_is_not_clearly_worse_is_chosen(predictions: pl.DataFrame) -> None:
    order = ("blunt", "xgboost", "logistic")
    made = select(predictions, metric="log_loss", simplest_first=order)
    assert made.chosen != "blunt"
    ahead = [standing for standing in made.standings if standing.behind_low <= 0]
    assert made.chosen == min((standing.name for standing in ahead), key=order.index)
    assert made.pick(CANDIDATES).name == made.chosen
    with pytest.raises(TrainingInvalid, match="was chosen, but there is"):
        made.pick([])


def test_what_cannot_be_compared_is_refused(predictions: pl.DataFrame) -> None:
    with pytest.raises(TrainingInvalid, match="no metric 'gini'"):
        select(predictions, metric="gini")
    with pytest.raises(TrainingInvalid, match="no candidate 'logistics'"):
        select(predictions, metric="auc", simplest_first=["logistics"])
    fewer = predictions.filter((pl.col("candidate") != "blunt") | (pl.col("row") > 3))
    with pytest.raises(TrainingInvalid, match="was judged on other rows"):
        select(fewer, metric="auc")


def test_numbers_are_chosen_among_too(predictions: pl.DataFrame) -> None:
    made = select(predictions, metric="rmse", task="regression")
    assert made.standings[-1].name == "blunt"


def told_of(trials: list[Trial]) -> list[Told]:
    """Judge by how far the depth is from 7 and the rate from 0.1."""
    found = []
    for trial in trials:
        params = dict(trial.params)
        depth, rate = params["depth"], params["rate"]
        assert isinstance(depth, int)
        assert isinstance(rate, float)
        found.append(Told(trial=trial, value=abs(depth - 7) + abs(np.log10(rate) + 1)))
    return found


def test_suggestions_depend_on_what_was_told_and_the_seed_alone() -> None:
    first = suggest(SPACE, count=5, seed=1)
    assert suggest(SPACE, count=8, seed=1)[:5] == first
    assert suggest(SPACE, count=5, seed=2) != first
    told = told_of(first)
    assert suggest(SPACE, told, count=3, seed=1) == suggest(SPACE, told, count=3, seed=1)
    for trial in first:
        params = dict(trial.params)
        assert 1 <= params["depth"] <= 9  # type: ignore[operator]
        assert 0.01 <= params["rate"] <= 1.0  # type: ignore[operator]
        assert params["kind"] in ("a", "b")


def test_rounds_find_better_params() -> None:
    told: list[Told] = []
    for _ in range(12):
        told += told_of(suggest(SPACE, told, count=4, seed=3))
    first, last = (min(each.value for each in part) for part in (told[:12], told[-24:]))
    assert last <= first
    assert last < 0.6
    applied = best_trial(told).applied(Candidate.xgboost(rate=1, rounds=3))
    assert dict(applied.params)["rounds"] == 3
    assert dict(applied.params)["rate"] != 1


def test_a_search_that_makes_no_sense_is_refused() -> None:
    for problem, space in (("holds nothing", {"x": Between(low=2, high=1)}),
                           ("holds nothing", {"x": Between(low=0, high=1, log=True)}),
                           ("no value of 'x'", {"x": ()}), ("no params", {})):  # fmt: skip
        with pytest.raises(TrainingInvalid, match=problem):
            suggest(space, count=1, seed=1)  # type: ignore[arg-type]
    with pytest.raises(TrainingInvalid, match="of a space of"):
        suggest(SPACE, [Told(trial=Trial(params=(("x", 1),)), value=0.0)], count=1, seed=1)
    with pytest.raises(TrainingInvalid, match="none is the best"):
        best_trial([])


PIPELINE = """
import time
from pathlib import Path
from dagrun import stage
from dagrun.stages.train import Between, Told, Trial, suggest

@stage
def asked() -> list[Trial]:
    return suggest({"x": Between(low=0.0, high=1.0)}, count=4, seed=1)

@stage(over="asked")
def told(asked: Trial) -> Told:
    with open("calls.txt", "a") as calls:
        calls.write(str(asked) + "\\n")
    while len(Path("calls.txt").read_text().splitlines()) == 3:
        time.sleep(0.05)
    return Told(trial=asked, value=dict(asked.params)["x"])
"""


def test_a_run_that_is_killed_among_trials_goes_on_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    calls = tmp_path / "calls.txt"
    command = [str(Path(sys.executable).with_name("dagrun")), "run", "-j", "1"]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    try:
        while not (calls.exists() and len(calls.read_text().splitlines()) == 3):
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    calls.write_text(calls.read_text() + "killed\n")
    subprocess.run(command, cwd=tmp_path, check=True)
    first, second, third, _, *after = calls.read_text().splitlines()
    assert third in after
    assert len(after) == 2
    assert len({first, second, *after}) == 4
