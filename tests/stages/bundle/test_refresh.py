"""A bundle with renewed tables: what it keeps, what it says of itself, and when it is refused."""

from __future__ import annotations

import polars as pl
import pytest
from tests_bundles import flights

from dagrun.engine.frames.tabledigest import digest_table
from dagrun.stages.bundle import (
    Bundle,
    NoRows,
    RefreshRefused,
    ShiftLimits,
    check,
    prediction_shift,
    score,
    try_refresh,
)
from dagrun.stages.bundle.refresh import refresh
from dagrun.stages.features.difference import compare_specs
from dagrun.stages.ops.errors import UnknownColumn

NEW = flights(2000, seed=7)
WIDE = ShiftLimits(mean_change=1.0, flipped=1.0, lost=1.0)


def test_tables_are_renewed_and_the_model_stays(bundle: Bundle) -> None:
    made = refresh(None, bundle, NEW)
    assert made.booster == bundle.booster
    assert (made.threshold, made.name, made.trained) == (0.3, "flights", bundle.trained)
    (change,) = compare_specs(bundle.spec, made.spec).features
    assert change.name == "late_mean_by_carrier"
    assert made.digest != bundle.digest
    assert check(made).different == 0
    assert not made.golden.rows.equals(bundle.golden.rows)


def test_it_says_what_it_was_made_from(bundle: Bundle) -> None:
    made = refresh(None, bundle, NEW)
    assert made.lineage.inputs == {
        "refreshed": bundle.digest,
        "rows": digest_table(NEW).digest,
    }
    assert "auc" not in made.metrics
    assert made.metrics["refresh_lost"] == 0.0
    assert 0 < made.metrics["refresh_mean_change"] < 0.02
    assert Bundle.from_bytes(made.to_bytes()).digest == made.digest


def test_the_same_rows_give_the_same_bytes(bundle: Bundle) -> None:
    first, second = (refresh(None, bundle, rows) for rows in (NEW, NEW.lazy()))
    assert first.to_bytes() == second.to_bytes()
    assert refresh(None, bundle, NEW.reverse()).spec == first.spec


def test_the_shift_is_that_of_the_predictions(bundle: Bundle) -> None:
    made = try_refresh(None, bundle, NEW).bundle
    shift = prediction_shift(bundle, made, NEW)
    old, new = (score(each, NEW) for each in (bundle, made))
    change = (new["probability"].cast(pl.Float64) - old["probability"].cast(pl.Float64)).abs()
    assert shift.rows == NEW.height
    assert shift.mean_change == pytest.approx(change.mean(), rel=1e-12)
    assert shift.most_change == change.max()
    assert shift.flipped == (old["label"] != new["label"]).mean()
    none = prediction_shift(bundle, bundle, NEW)
    assert (none.mean_change, none.flipped, none.lost) == (0.0, 0.0, 0.0)


def test_keys_that_are_lost_are_counted_where_they_were_known(bundle: Bundle) -> None:
    few = NEW.filter(pl.col("carrier").is_in(["UA", "AA"]))
    made = try_refresh(None, bundle, few, limits=WIDE).bundle
    present = NEW.drop_nulls("carrier")
    lost = (~present["carrier"].is_in(["UA", "AA"])).mean()
    shift = prediction_shift(bundle, made, NEW)
    assert shift.unseen == (0.0, pytest.approx(lost))
    assert shift.lost == pytest.approx(lost)
    back = prediction_shift(made, bundle, NEW)
    assert back.unseen == (pytest.approx(lost), 0.0)
    assert back.lost == 0.0


def test_beyond_the_limits_it_is_refused_with_the_numbers(bundle: Bundle) -> None:
    narrow = ShiftLimits(mean_change=1e-9, flipped=0.5)
    with pytest.raises(RefreshRefused) as refused:
        refresh(None, bundle, NEW, limits=narrow)
    reasons = refused.value.verdict.reasons
    assert len(reasons) == 6
    assert reasons[0].startswith("NO: on the rows, predictions change by 0.")
    assert reasons[0].endswith("on average, wanted at most 1e-09")
    assert reasons[2] == "ok: on the rows, 0.000% of known keys are lost, wanted at most 5.000%"
    made = try_refresh(None, bundle, NEW, limits=narrow)
    assert not made.verdict.passed
    assert refresh(None, bundle, NEW, limits=WIDE).digest == made.bundle.digest
    few = NEW.filter(pl.col("carrier") == "UA")
    with pytest.raises(RefreshRefused, match=r"NO: on the golden rows, .* of known keys are lost"):
        refresh(None, bundle, few)


def test_rows_that_do_not_do_are_refused(bundle: Bundle) -> None:
    with pytest.raises(UnknownColumn, match="'late'"):
        refresh(None, bundle, NEW.drop("late"))
    with pytest.raises(UnknownColumn, match="'wind'"):
        refresh(None, bundle, NEW.drop("wind"))
    with pytest.raises(NoRows):
        refresh(None, bundle, NEW.clear())
