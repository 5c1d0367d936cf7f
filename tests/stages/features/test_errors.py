"""Mistakes are told before anything is computed, and name the feature, column and way out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import polars as pl
import pytest

from dagrun.engine.errors import DagrunError
from dagrun.stages import features as f
from dagrun.stages.ops.errors import (
    BadValue,
    CannotFit,
    DtypeMismatch,
    FeatureDefinitionError,
    UnknownColumn,
)

TRAIN = pl.DataFrame(
    {
        "distance": [1.0, 2.0],
        "n": [1, 2],
        "carrier": ["a", "b"],
        "at": [dt.datetime(2013, 1, 1), None],
        "aware": pl.Series([dt.datetime(2013, 1, 1), None]).dt.replace_time_zone("UTC"),
        "empty": pl.Series([None, None], dtype=pl.Float64),
        "late": [True, False],
    }
)


def unread() -> pl.LazyFrame:
    """A frame whose rows cannot be computed: a definition error must come first."""

    def read(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("a row was read")

    return TRAIN.lazy().map_batches(read, schema=TRAIN.schema)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: f.standardize("distanse"), UnknownColumn, "Did you mean 'distance'"),
        (lambda: f.standardize("carrier"), DtypeMismatch, "'carrier' is string.*standardize"),
        (lambda: "carrier", DtypeMismatch, "'carrier' is string"),
        (lambda: f.cross("carrier", "n"), DtypeMismatch, "one_hot"),
        (lambda: f.log1p(f.one_hot("carrier")), FeatureDefinitionError, "several columns"),
        (lambda: f.date_parts("aware"), FeatureDefinitionError, "tz="),
        (lambda: f.date_parts("n"), DtypeMismatch, "'n' is int64"),
        (lambda: f.time_since("at", "aware"), FeatureDefinitionError, "cannot subtract"),
        (
            lambda: f.time_since("aware", dt.datetime(2013, 1, 1)),
            FeatureDefinitionError,
            "time zone|has none",
        ),
        (lambda: f.impute_stat("carrier"), FeatureDefinitionError, "mode"),
        (lambda: f.target_mean("carrier", by="n"), DtypeMismatch, "target"),
        (lambda: (f.target_mean("late", by="n"), "late"), FeatureDefinitionError, "fit-only"),
        (lambda: f.group_agg("distance", by="distance"), FeatureDefinitionError, "fit-only"),
        (lambda: f.group_agg("n", by="distance"), DtypeMismatch, "'distance' is double"),
    ],
)
def test_told_at_fit_before_reading(
    make: Callable[[], object], error: type[DagrunError], message: str
) -> None:
    with pytest.raises(error, match=message):
        f.feature_set(make()).fit(unread())


def test_an_aggregate_of_the_label_would_leak() -> None:
    with pytest.raises(FeatureDefinitionError, match=r"leak the label 'late'.*target_mean"):
        f.feature_set(f.group_agg("late", by="n")).fit(unread(), label="late")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: f.standardize(), "no input"),
        (lambda: f.standardize(3), "neither a column name"),
        (lambda: f.ratio("distance", ("n", "distance")), "takes one column"),
        (lambda: f.standardize("distance", "n", name="same"), "need a '{}'"),
        (lambda: f.feature_set("n", f.cast("n")), "two features of this name"),
        (lambda: f.clip("n"), "low, high or both"),
        (lambda: f.clip("n", low=2, high=1), "above"),
        (lambda: f.affine("n", factor=float("inf")), "finite"),
        (lambda: f.affine("n", factor=0), "constant"),
        (lambda: f.bucket_fixed("n", edges=[2, 1]), "ascend"),
        (lambda: f.bucket_quantile("n", buckets=1), "buckets"),
        (lambda: f.one_hot("carrier", rare_below=1.5), "rare_below"),
        (lambda: f.cross("carrier"), "two or more"),
        (lambda: f.date_parts("at", parts=("our",)), "no part 'our'"),
        (lambda: f.date_parts("at", tz="America/Berlin"), "Did you mean 'Europe/Berlin'"),
        (lambda: f.cyclical("n", period=0), "positive"),
        (lambda: f.time_since("at", dt.datetime(1800, 1, 1)), "1900"),
        (lambda: f.time_since("at", "aware", unit="years"), "unit must be one of"),
        (lambda: f.interact("n", "n", how="power"), "how must be one of"),
        (lambda: f.group_agg("n", by="carrier", how="sum"), "how must be one of"),
        (lambda: f.target_mean("n", by="carrier", prior=-1), "prior"),
        (lambda: f.target_mean("n", by="carrier", folds=1), "folds"),
        (lambda: f.impute_stat("n", stat="max"), "one of 'mean', 'median', 'mode'"),
        (lambda: f.Column(name="n", dtype="float"), "dtype must be one of 'double'"),
    ],
)
def test_told_at_definition(make: Callable[[], object], message: str) -> None:
    with pytest.raises(FeatureDefinitionError, match=message):
        make()


@pytest.mark.parametrize(
    "features",
    [
        f.standardize("empty"),
        f.bucket_quantile("empty"),
        f.one_hot(f.cross("carrier", "n"), rare_below=0.9),
        f.group_agg("empty", by="carrier"),
        f.target_mean("empty", by="carrier"),
    ],
)
def test_told_when_rows_do_not_determine_the_state(features: object) -> None:
    with pytest.raises(CannotFit, match="cannot fit feature"):
        f.feature_set(features).fit(TRAIN)


SPEC = f.feature_set(
    f.cast("distance", "n"),
    f.one_hot("carrier"),
    f.date_parts("at"),
    inputs=[f.Column(name="n", dtype="int64", nullable=False)],
).fit(TRAIN)


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (TRAIN.rename({"distance": "distanc"}), UnknownColumn, "Did you mean 'distanc'"),
        (TRAIN.with_columns(pl.col("n").cast(pl.Float64)), DtypeMismatch, "column 'n' is Float64"),
        (TRAIN.with_columns(pl.col("carrier").is_null()), DtypeMismatch, "'carrier' is Boolean"),
        (TRAIN.with_columns(at="aware"), DtypeMismatch, "without a time zone"),
        (TRAIN.with_columns(n=pl.lit(None, pl.Int64)), BadValue, "'n': null.*2 row"),
        (TRAIN.with_columns(n=pl.lit(2**63, pl.UInt64)), BadValue, "int64"),
        (TRAIN.with_columns(distance=2**53 + 1), BadValue, "2\\*\\*53"),
        (
            TRAIN.with_columns(at=pl.lit(1, pl.Int64).cast(pl.Datetime("ns"))),
            BadValue,
            "finer than a microsecond",
        ),
    ],
)
def test_transform_refuses_what_is_not_its_schema(
    frame: pl.DataFrame, error: type[DagrunError], message: str
) -> None:
    with pytest.raises(error, match=message):
        SPEC.transform(frame)


def test_narrower_dtypes_are_widened_exactly() -> None:
    narrow = TRAIN.with_columns(
        pl.col("distance").cast(pl.Float32),
        pl.col("n").cast(pl.UInt8),
        pl.col("carrier").cast(pl.Categorical),
        pl.col("at").cast(pl.Datetime("ms")),
    )
    assert SPEC.transform(narrow).equals(SPEC.transform(TRAIN))
    whole = TRAIN.with_columns(
        pl.col("distance").cast(pl.Int64), pl.col("at").dt.cast_time_unit("ns")
    )
    assert SPEC.transform(whole).equals(SPEC.transform(TRAIN))
    nothing = TRAIN.with_columns(distance=None, carrier=None, at=None)
    assert SPEC.transform(nothing)["distance"].null_count() == 2
