"""A profile's shares, quantiles and importances; of costs, which are measured, the order."""

from __future__ import annotations

import polars as pl
import pytest
from tests_bundles import flights
from tests_lower import Lower

from dagrun.stages.bundle import Bundle
from dagrun.stages.bundle.profile import profile
from dagrun.stages.features import Feature, feature_set, ordinal, standardize, tokens

ROWS = flights(400, seed=3)


def test_values_missing_shares_and_quantiles(bundle: Bundle) -> None:
    made = profile(bundle.spec, ROWS)
    assert made.rows == 400
    by_name = {feature.name: feature for feature in made.features}
    assert list(by_name)[:2] == ["distance_standardized", "wind_standardized"]
    matrix = bundle.spec.transform(ROWS)
    wind = matrix["wind_standardized"]
    assert by_name["wind_standardized"].missing == pytest.approx(wind.null_count() / 400)
    assert by_name["wind_standardized"].quantiles == tuple(
        wind.drop_nulls().quantile(at, "linear") for at in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    hours = by_name["sched_dep_hour"]
    assert hours.top[0][1] == max(hours.top, key=lambda item: item[1])[1]
    carrier = by_name["carrier"]
    assert carrier.columns == ("carrier=", "carrier=AA", "carrier=B6", "carrier=UA")
    assert dict(carrier.top)[""] == pytest.approx((ROWS["carrier"] == "").sum() / 400)
    assert carrier.missing == pytest.approx(ROWS["carrier"].null_count() / 400)
    assert by_name["seats"].gain is None


def test_importances_are_shares_of_the_models_gain_and_cover(bundle: Bundle) -> None:
    features = profile(bundle.spec, ROWS, bundle.booster).features
    assert sum(feature.gain or 0.0 for feature in features) == pytest.approx(1.0)
    assert sum(feature.cover or 0.0 for feature in features) == pytest.approx(1.0)
    best = max(features, key=lambda feature: feature.gain or 0.0)
    assert best.name.startswith("wind")


def test_every_feature_has_a_cost_and_those_of_polars_are_named() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, None], "s": ["A", "b", None]})
    lower = Feature(name="s_lower", op=Lower(), inputs=("s",))
    spec = feature_set(standardize("x"), ordinal(lower)).fit(frame)
    made = profile(spec, frame)
    exact, slow = made.features
    assert (exact.exact, slow.exact) == (True, False)
    assert 0.0 <= exact.cost < slow.cost
    assert made.cost > 0.0


def test_no_rows_and_only_nulls_have_a_profile(bundle: Bundle) -> None:
    empty = profile(bundle.spec, ROWS.clear(), bundle.booster)
    assert empty.rows == 0
    assert all(feature.quantiles == () for feature in empty.features)
    nulls = profile(bundle.spec, ROWS.with_columns(wind=pl.lit(None, pl.Float64)))
    assert nulls.features[1].missing == 1.0


def test_columns_of_a_text_are_told_by_the_rows_that_have_them() -> None:
    rows = pl.DataFrame({"text": ["a a b", "a", "", None]})
    (found,) = profile(feature_set(tokens("text", vocabulary=2)).fit(rows), rows).features
    assert (found.missing, found.top) == (0.5, (("a", 0.5), ("b", 0.25)))
