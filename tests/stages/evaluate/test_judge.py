"""The judge: every kind of gate where it must pass and where it must refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from tests_bundles import flights
from tests_judged import FAST, ROWS, judged, only, reported, trained
from tests_regression import delayed, delays

from dagrun.engine.store.store import Store
from dagrun.stages.bundle import score
from dagrun.stages.declaration import DeclarationInvalid
from dagrun.stages.evaluate import (
    Gates,
    GateUnjudgeable,
    Judgement,
    evaluate,
    evaluate_regression,
    judge,
)


@pytest.mark.parametrize(
    ("passing", "refused"),
    [
        ("[auc]\nat_least = 0.5", "[auc]\nat_least = 0.99"),
        ("[brier]\nat_most = 0.5", "[brier]\nat_most = 0.01"),
        ("[auc]\nat_least = 0.5\nconfident = true", "[auc]\nat_least = 0.6\nconfident = true"),
        (
            "[log_loss]\nbetter_than_baseline_by = -1.0",
            "[log_loss]\nbetter_than_baseline_by = 1.0",
        ),
        (
            "[slices.carrier.brier]\nat_most = 0.5",
            "[slices.carrier.brier]\nat_most = 0.01",
        ),
        (
            "[slices.carrier.brier]\nat_most = 0.5\nconfident = true",
            "[slices.carrier.brier]\nat_most = 0.5\nrows = 100000",
        ),
        (
            "[fairness.carrier.demographic_parity]\nat_most = 0.9",
            "[fairness.carrier.demographic_parity]\nat_most = 0.0001",
        ),
        (
            "[fairness.carrier.equalized_odds]\nat_most = 0.9",
            "[fairness.carrier.equalized_odds]\nat_most = 0.0001",
        ),
        (
            "[fairness.carrier.equal_opportunity]\nat_most = 0.9",
            "[fairness.carrier.equal_opportunity]\nat_most = 0.0001",
        ),
        (
            "[fairness.carrier.worst_accuracy]\nat_least = 0.1",
            "[fairness.carrier.worst_recall]\nat_least = 0.99",
        ),
        (
            "[fairness.carrier.worst_precision]\nat_least = 0.01",
            "[fairness.carrier.worst_precision]\nat_least = 0.99",
        ),
        ("[missing.auc]\nworse_by_at_most = 0.5", "[missing.auc]\nworse_by_at_most = 0.001"),
        (
            "[missing.auc]\nworse_by_at_most = 0.2\ncolumns = ['seats']",
            "[missing.auc]\nworse_by_at_most = 0.001\ncolumns = ['wind']",
        ),
        ("[size]\nat_most = '5 MB'", "[size]\nat_most = '1 KB'"),
        ("[size]\nat_most = 5_000_000", "[size]\nat_most = 1000"),
        ("[latency]\nat_most = '0.5 s'", "[latency]\nat_most = '1 us'"),
        (
            "[latency]\nat_most = '0.5 s'\nquantile = 0.9\nconfident = true",
            "[latency]\nat_most = 0.000001\nquantile = 0.9",
        ),
    ],
)
def test_a_gate_passes_and_refuses(passing: str, refused: str) -> None:
    yes, no = judged(passing), judged(refused)
    assert yes.passed, yes.reasons
    assert not no.passed
    assert all(reason.startswith("ok: ") for reason in yes.reasons)
    assert no.reasons[0].startswith("NO: ")
    assert yes.subject == no.subject == trained().digest


def test_slices_are_listed_with_their_intervals_and_small_ones_are_not_judged() -> None:
    outcome = only("[slices.carrier.auc]\nat_least = 0.0\nrows = 290")
    counts = dict(ROWS["carrier"].fill_null("null").value_counts().iter_rows())
    assert {part.name: part.rows for part in outcome.parts} == counts
    for part in outcome.parts:
        assert part.judged == (part.rows >= 290)
        if part.judged:
            assert part.low is not None
            assert part.value is not None
            assert part.low <= part.value <= (part.high or 0)
    judged_parts = [part for part in outcome.parts if part.judged]
    assert outcome.found == min(part.value or 0 for part in judged_parts)


def test_two_columns_make_slices_together() -> None:
    rows = ROWS.with_columns(pl.col("seats").is_null().alias("unseated"))
    report = reported(trained())
    text = "[slices.'carrier+unseated'.brier]\nat_most = 1" + FAST
    (outcome,) = judge(
        report, Gates.parse(text), bundle=trained(), rows=rows, label="late"
    ).outcomes
    assert "UA + true" in {part.name for part in outcome.parts}


def test_fairness_is_what_fairlearn_says_and_what_is_resampled() -> None:
    bundle = trained()
    rows = ROWS.filter(pl.col("carrier").is_not_null())
    said = score(bundle, rows)["label"].to_numpy().astype(int)
    labels = rows["late"].to_numpy().astype(int)
    groups = rows["carrier"].to_numpy()
    report = evaluate(
        rows["late"], score(bundle, rows)["probability"], threshold=0.35, train_base_rate=0.3
    )
    text = (
        "[fairness.carrier.demographic_parity]\nat_most = 1\n"
        "[fairness.carrier.equalized_odds]\nat_most = 1" + FAST
    )
    parity, odds = judge(report, Gates.parse(text), bundle=bundle, rows=rows, label="late").outcomes
    expected = demographic_parity_difference(labels, said, sensitive_features=groups)
    assert parity.found == pytest.approx(expected)
    expected = equalized_odds_difference(labels, said, sensitive_features=groups)
    assert odds.found == pytest.approx(expected)
    assert odds.high is not None
    assert odds.found is not None
    assert odds.found < odds.high
    rates = {part.name: part.value for part in parity.parts}
    assert rates["UA: selection_rate"] == pytest.approx(said[groups == "UA"].mean())


def test_a_missing_column_is_what_it_is_when_it_is_null() -> None:
    outcome = only("[missing.brier]\nworse_by_at_most = 1")
    assert {part.name for part in outcome.parts} == {
        column.name for column in trained().spec.inputs
    }
    without = ROWS.with_columns(pl.lit(None, pl.Float64).alias("wind"))
    late = ROWS["late"].to_numpy().astype(float)
    lost = [
        np.square(score(trained(), rows)["probability"].to_numpy() - late).mean()
        for rows in (ROWS, without)
    ]
    wind = next(part for part in outcome.parts if part.name == "wind")
    assert wind.value == pytest.approx(lost[1] - lost[0], rel=1e-5)


def test_a_regression_is_gated_in_the_same_way() -> None:
    rows, bundle = delayed(600, seed=4), delays()
    report = evaluate_regression(
        rows["late"], score(bundle, rows)["value"], constant=0.0, slices={}
    )

    def regarded(text: str) -> Judgement:
        return judge(report, Gates.parse(text + FAST), bundle=bundle, rows=rows, label="late")

    passed = regarded(
        "[r2]\nat_least = 0.5\nconfident = true\n[slices.carrier.mae]\nat_most = 20\n"
        "[missing.rmse]\nworse_by_at_most = 100\n[champion.rmse]\nworse_by_at_most = 0\n"
        "[median_absolute_error]\nat_most = 20\nconfident = true"
    )
    assert passed.passed, passed.reasons
    assert not regarded("[slices.carrier.mae]\nat_most = 0.1").passed
    assert not regarded("[missing.rmse]\nworse_by_at_most = 0.1").passed
    with pytest.raises(GateUnjudgeable, match=r"gate its slices instead"):
        regarded("[fairness.carrier.equalized_odds]\nat_most = 1")


def test_the_same_judgement_is_an_equal_artifact_whatever_the_clock_says(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    text = "[latency]\nat_most = '1 s'\n[auc]\nat_least = 0.5"
    one, other = (judged(text) for _ in range(2))
    assert one != other
    first, second = store.dump(one), store.dump(other)
    assert first.logical == second.logical
    assert store.load(first) == one
    slower = judged("[latency]\nat_most = '1 us'\n[auc]\nat_least = 0.5")
    assert store.dump(slower).logical != first.logical


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[slices.carier.auc]\nat_least = 0.5", "no column 'carier'. Did you mean 'carrier'?"),
        ("[slices.carrier.rmse]\nat_least = 0.5", "'rmse' is no metric of a binary"),
        ("[missing.auc]\nworse_by_at_most=1\ncolumns=['winds']", "Did you mean 'wind'?"),
        ("[missing.base_rate]\nworse_by_at_most=1", "neither better nor worse"),
        ("[slices.distance.auc]\nat_least = 0.5", "1,500 values; bucket them"),
    ],
)
def test_what_cannot_be_judged_is_named(text: str, problem: str) -> None:
    with pytest.raises(GateUnjudgeable) as caught:
        judged(text)
    assert problem in str(caught.value)


def test_other_rows_than_the_report_is_of_are_noticed_and_none_are_asked_for() -> None:
    gates = Gates.parse("[auc]\nat_least = 0.5")
    other = flights(800, seed=9)
    with pytest.raises(GateUnjudgeable, match="give the rows that the report is of"):
        judge(reported(trained()), gates, bundle=trained(), rows=other, label="late")
    for text in ("[size]\nat_most = '1 MB'", "[auc]\nat_least = 0.5\nconfident = true"):
        with pytest.raises(GateUnjudgeable, match="it needs the bundle and rows"):
            judge(reported(trained()), Gates.parse(text))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[slices]", "slices: has no condition"),
        ("[slices.carrier.auc]\nat_lest = 1", "slices.carrier.auc: unknown key 'at_lest'"),
        ("[fairness.sex.equal_odds]\nat_most = 1", "Did you mean 'equalized_odds'?"),
        ("[missing.auc]\nat_most = 1", "missing.auc: unknown key 'at_most'"),
        ("[champion.auc]\nconfident = true", "has no condition; give worse_by_at_most"),
        ("[size]\nat_most = 'big'", "size: at_most must be a size such as '4GB'"),
        ("[latency]\nat_most = '1 minute'", "at_most must be a time such as '1 ms'"),
        ("[latency]\nat_most = '1 ms'\nquantile = 1", "quantile must be between 0 and 1"),
        ("[auc]\nat_least = 1\n[bootstrap]\nlevel = 95", "a level between 0 and 1"),
        ("[bootstrap]\nlevel = 0.9", "has no condition, so it would pass every model"),
    ],
)
def test_a_file_that_says_something_else_is_refused(text: str, problem: str) -> None:
    with pytest.raises(DeclarationInvalid) as caught:
        Gates.parse(text, "gates.toml")
    assert problem in str(caught.value)
