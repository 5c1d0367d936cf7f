"""What each op computes, on values small enough to check by hand."""

from __future__ import annotations

import datetime as dt
import math

import polars as pl
import pytest
from tests_lower import Lower

from dagrun.stages import features as f

FRAME = pl.DataFrame(
    {
        "x": [1.0, 2.0, 3.0, math.nan, None],
        "n": [10, 0, -4, 7, None],
        "c": ["b", "a", "b", "b", None],
        "flat": [5.0, 5.0, 5.0, 5.0, None],
        "late": [True, False, True, False, True],
    }
)


def columns(features: object, frame: pl.DataFrame = FRAME) -> dict[str, list[object]]:
    return f.feature_set(features).fit(FRAME).transform(frame).to_dict(as_series=False)


def column(features: object, frame: pl.DataFrame = FRAME) -> list[object]:
    (values,) = columns(features, frame).values()
    return values


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (f.cast("n"), [10.0, 0.0, -4.0, 7.0, None]),
        (f.cast("late"), [1.0, 0.0, 1.0, 0.0, 1.0]),
        (f.affine("n", factor=2, offset=1), [21.0, 1.0, -7.0, 15.0, None]),
        (f.clip("n", low=-1, high=8), [8.0, 0.0, -1.0, 7.0, None]),
        (f.clip_iqr("n", factor=0), [7.75, 0.0, -1.0, 7.0, None]),
        (f.minmax("x"), [0.0, 0.5, 1.0, None, None]),
        (f.robust_scale("x"), [-1.0, 0.0, 1.0, None, None]),
        (f.standardize("flat"), [0.0, 0.0, 0.0, 0.0, None]),
        (f.impute_const("x", value=9), [1.0, 2.0, 3.0, 9.0, 9.0]),
        (f.impute_stat("x"), [1.0, 2.0, 3.0, 2.0, 2.0]),
        (f.impute_stat("n", stat="mean"), [10.0, 0.0, -4.0, 7.0, 3.25]),
        (f.ordinal(f.impute_stat("c", stat="mode")), [1, 0, 1, 1, 1]),
        (f.missing_flag("x"), [0, 0, 0, 1, 1]),
        (f.bucket_fixed("x", edges=[2, 3]), [0, 1, 2, None, None]),
        (f.bucket_quantile("x", buckets=2), [0, 1, 1, None, None]),
        (f.ordinal("c"), [1, 0, 1, 1, None]),
        (f.frequency("c"), [0.75, 0.25, 0.75, 0.75, None]),
        (f.ratio("x", "n"), [pytest.approx(0.1), None, -0.75, None, None]),
        (f.interact("x", "n"), [10.0, 0.0, -12.0, None, None]),
        (f.interact("n", "x", how="difference"), [9.0, -2.0, -7.0, None, None]),
        (f.group_agg("n", by="c", how="median"), [7.0, 0.0, 7.0, 7.0, None]),
        (f.group_agg("n", by="c", how="count"), [3.0, 1.0, 3.0, 3.0, None]),
        (f.target_mean("late", by="c", prior=0), [pytest.approx(2 / 3), 0.0]),
    ],
)
def test_values(features: object, expected: list[object]) -> None:
    assert column(features)[: len(expected)] == expected


def test_standardize_has_mean_0_and_the_population_variance() -> None:
    first, second, third, *_ = column(f.standardize("x"))
    assert (second, third) == (0.0, pytest.approx(math.sqrt(1.5)))
    assert first == pytest.approx(-math.sqrt(1.5))


def test_log1p_is_null_where_the_logarithm_does_not_exist() -> None:
    logs = [pytest.approx(math.log(11)), 0.0, None, pytest.approx(math.log(8)), None]
    assert column(f.log1p("n")) == logs
    assert column(f.signed_log("n"))[2] == pytest.approx(-math.log(5))


def test_unseen_categories() -> None:
    unseen = FRAME.with_columns(c=pl.Series(["zz", "", "b", None, "é"]))
    assert columns(f.one_hot("c"), unseen) == {"c=a": [0] * 5, "c=b": [0, 0, 1, 0, 0]}
    assert column(f.ordinal("c"), unseen) == [-1, -1, 1, None, -1]
    assert column(f.frequency("c"), unseen) == [0.0, 0.0, 0.75, None, 0.0]
    assert column(f.group_agg("n", by="c", default=-1), unseen)[:2] == [-1.0, -1.0]
    assert column(f.group_agg("n", by="c"), unseen)[:2] == [None, None]
    assert column(f.target_mean("late", by="c"), unseen)[0] == 0.5


def test_one_hot_options() -> None:
    assert list(columns(f.one_hot("c", rare_below=0.5))) == ["c=b"]
    assert list(columns(f.one_hot("c", drop_first=True))) == ["c=b"]


def test_a_prior_pulls_towards_the_overall_mean() -> None:
    # overall 2 of 4; for "b" (2 of 3 late) with 1 prior row: (2 + 0.5) / 4
    assert column(f.target_mean("late", by="c", prior=1))[:2] == [0.625, 0.25]


def test_cross_joins_categories() -> None:
    crossed = f.cross("c", "n")
    assert columns(f.one_hot(crossed, name="k"))["k=b\x1f10"] == [1, 0, 0, 0, 0]


MOMENTS = pl.DataFrame(
    {
        "at": pl.Series(["2013-03-10T06:59:59", "2013-03-10T07:00:00", "2013-11-03T06:00:00", None])
        .str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us")
        .dt.replace_time_zone("UTC"),
        "day": [dt.date(2024, 2, 29), dt.date(1900, 1, 1), dt.date(2100, 1, 1), None],
    }
)


def test_date_parts_follow_the_zone_through_its_clock_changes() -> None:
    parts = f.date_parts("at", parts=("hour", "minute", "weekday"), tz="America/New_York")
    matrix = f.feature_set(parts).fit(MOMENTS).transform(MOMENTS)
    assert matrix["at_hour"].to_list() == [1, 3, 1, None]
    assert matrix["at_minute"].to_list() == [59, 0, 0, None]
    assert matrix["at_weekday"].to_list() == [7, 7, 7, None]
    assert set(matrix.dtypes) == {pl.Int32()}


def test_parts_of_a_date_within_the_known_calendar() -> None:
    parts = f.date_parts("day", parts=("day_of_year", "is_weekend", "year"))
    matrix = f.feature_set(parts).fit(MOMENTS).transform(MOMENTS)
    assert matrix["day_day_of_year"].to_list() == [60, 1, None, None]
    assert matrix["day_is_weekend"].to_list() == [0, 0, None, None]


def test_cyclical_and_time_since() -> None:
    hour = f.date_parts("at", parts=("hour",), tz="UTC")
    since = f.time_since("at", dt.datetime(2013, 3, 10, tzinfo=dt.UTC), unit="hours")
    made = f.feature_set(f.cyclical(hour, period=24), since).fit(MOMENTS).transform(MOMENTS)
    assert made.columns == ["at_hour_sin", "at_hour_cos", "at_hours_since_origin"]
    assert made["at_hour_sin"][2] == 1.0
    assert made["at_hours_since_origin"].to_list()[1] == 7.0


def test_an_op_without_a_row_twin_falls_back_visibly() -> None:
    lower = f.Feature(name="c_lower", op=Lower(), inputs=("c",))
    spec = f.feature_set(f.ordinal(lower), "x").fit(FRAME)
    assert not spec.row_exact
    assert spec.row_inexact == ("c_lower (lower)",)
    assert "c_lower (lower)" in spec.row_source()
    assert spec.row_function()(["B", 2.0]) == (1.0, 2.0)
    assert math.isnan(spec.row_function()([None, 2.0])[0])


def test_names_nest_and_can_be_set() -> None:
    names = [
        one.name
        for one in (
            *f.standardize(f.log1p(f.impute_stat("x", "n"))),
            *f.log1p("x", "n", name="log_of_{}"),
            *f.interact("x", f.ratio("x", "n"), name="odd"),
        )
    ]
    assert names == [
        "x_imputed_log1p_standardized",
        "n_imputed_log1p_standardized",
        "log_of_x",
        "log_of_n",
        "odd",
    ]


def test_equal_steps_are_computed_once() -> None:
    hours = f.date_parts("at", parts=("hour", "minute"), tz="Europe/Berlin")
    spec = f.feature_set(hours, f.cyclical(hours[0], period=24)).fit(MOMENTS)
    assert [step.op.op for step in spec.steps].count("clock") == 1
    assert [step.op.op for step in spec.steps].count("time_part") == 2
