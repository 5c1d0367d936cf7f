"""25 features on the same rows: dagrun's twins, hand-written Polars, scikit-learn.

Each contender holds one long frame in the form its users do (Polars or pandas). It is fitted on
all of it, with and without the training matrix, and, fitted, transforms it; a single row arrives
as plain Python values and the frame that a library needs is part of its cost. All must agree to
float32 precision on every row; that dagrun's own twins agree to the bit is the business of the
tests, not of this file.

What they do differs where their users' would: dagrun reads NaN as null, keeps null apart from
every category and writes Float32 and Int32; hand-written Polars lets NaN through, writes Float32
throughout and puts a missing distance into the first bucket; scikit-learn writes Float64, for
which it needs pandas. scikit-learn's `fit` makes the matrix, too.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from dagrun.stages.features import (
    FeatureSpec,
    bucket_fixed,
    cast,
    feature_set,
    impute_stat,
    log1p,
    minmax,
    missing_flag,
    one_hot,
    ordinal,
    standardize,
)
from session import Session, is_quick, seconds

SCALED = ["distance", "temp", "wind_speed", "humidity"]
LOGGED = ["precip", "visib"]
FLAGGED = ["wind_speed", "pressure"]
RANGED = ["dep_hour", "seats"]
PLAIN = ["month", "day"]
EDGES = [250.0, 500.0, 1000.0, 2000.0]
FEATURES = feature_set(
    standardize(*SCALED),
    log1p(*LOGGED),
    impute_stat("pressure", stat="median"),
    missing_flag(*FLAGGED),
    minmax(*RANGED),
    one_hot("carrier"),
    ordinal("dest"),
    bucket_fixed("distance", edges=EDGES),
    cast(*PLAIN),
)


def make_rows(count: int) -> pl.DataFrame:
    """Make flights and their weather: 4 % of wind speeds and pressures are missing."""
    random = np.random.default_rng(7)
    carriers = np.array(["9E", "AA", "B6", "DL", "EV", "F9", "MQ", "UA", "US", "WN"])
    places = np.array([f"D{number:02}" for number in range(60)])
    frame = pl.DataFrame(
        {
            "distance": random.gamma(2.0, 500.0, count),
            "temp": random.normal(56.0, 18.0, count),
            "wind_speed": random.gamma(3.0, 3.5, count),
            "humidity": random.uniform(12.0, 100.0, count),
            "precip": random.exponential(0.05, count),
            "visib": random.uniform(0.0, 10.0, count),
            "pressure": random.normal(1017.0, 7.0, count),
            "dep_hour": random.integers(5, 24, count),
            "seats": random.integers(20, 400, count),
            "carrier": random.choice(carriers, count),
            "dest": random.choice(places, count),
            "month": random.integers(1, 13, count),
            "day": random.integers(1, 29, count),
        }
    )
    gaps = {name: pl.Series(random.random(count) < 0.04) for name in FLAGGED}
    return frame.with_columns(
        pl.when(gap).then(None).otherwise(name).alias(name) for name, gap in gaps.items()
    )


def make_sklearn() -> ColumnTransformer:
    """Write the same features for scikit-learn."""
    return ColumnTransformer(
        [
            ("scaled", StandardScaler(), SCALED),
            ("logged", FunctionTransformer(np.log1p), LOGGED),
            ("imputed", SimpleImputer(strategy="median"), ["pressure"]),
            ("flagged", MissingIndicator(features="all"), FLAGGED),
            ("ranged", MinMaxScaler(), RANGED),
            ("carrier", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["carrier"]),
            (
                "dest",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                ["dest"],
            ),
            ("bucket", FunctionTransformer(np.digitize, kw_args={"bins": EDGES}), ["distance"]),
            ("plain", "passthrough", PLAIN),
        ]
    )


def fit_polars(train: pl.DataFrame) -> list[pl.Expr]:
    """Write the same features by hand, as a careful user of Polars does."""
    c, fact = pl.col, train.to_dict(as_series=True)
    destinations = {name: code for code, name in enumerate(fact["dest"].unique().sort())}
    bucket = pl.sum_horizontal((c("distance") >= edge).cast(pl.Int32) for edge in EDGES)
    written = [
        *[
            (c(n) - fact[n].mean()) * (1 / float(fact[n].std(ddof=0)))  # type: ignore[arg-type]
            for n in SCALED
        ],
        *[c(n).log1p() for n in LOGGED],
        c("pressure").fill_null(fact["pressure"].median()),
        *[c(n).is_null() for n in FLAGGED],
        *[(c(n) - fact[n].min()) * (1 / (fact[n].max() - fact[n].min())) for n in RANGED],  # type: ignore[operator]
        *[c("carrier") == carrier for carrier in fact["carrier"].unique().sort()],
        c("dest").replace_strict(destinations, default=-1, return_dtype=pl.Int32),
        bucket,
        *[c(n) for n in PLAIN],
    ]
    return [expr.cast(pl.Float32).alias(f"f{n}") for n, expr in enumerate(written)]


def batch_contenders(
    frame: pl.DataFrame, spec: FeatureSpec, written: list[pl.Expr], fitted: ColumnTransformer
) -> Mapping[str, Callable[[], Mapping[str, float]]]:
    """Return what transforms the long frame, in rows per second, once all agree on the values."""
    pandas = frame.to_pandas()
    actions: Mapping[str, Callable[[], Any]] = {
        "dagrun": lambda: spec.transform(frame),
        "polars": lambda: frame.select(written),
        "scikit-learn": lambda: fitted.transform(pandas),
    }
    expected = fitted.transform(pandas).astype(np.float32)
    for name in ("dagrun", "polars"):
        found = actions[name]().cast(pl.Float32).to_numpy()
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6, err_msg=name)

    def timed(action: Callable[[], Any]) -> Callable[[], Mapping[str, float]]:
        return lambda: {"batch": frame.height / seconds(action)}

    return {name: timed(action) for name, action in actions.items()}


def fit_contenders(frame: pl.DataFrame) -> Mapping[str, Callable[[], Mapping[str, float]]]:
    """Return what is fitted on the long frame, in rows per second."""
    pandas = frame.to_pandas()
    actions: Mapping[str, Mapping[str, Callable[[], Any]]] = {
        "dagrun": {
            "fit": lambda: FEATURES.fit(frame),
            "fit_transform": lambda: FEATURES.fit_transform(frame),
        },
        "scikit-learn": {
            "fit": lambda: make_sklearn().fit(pandas),
            "fit_transform": lambda: make_sklearn().fit_transform(pandas),
        },
    }

    def timed(named: Mapping[str, Callable[[], Any]]) -> Callable[[], Mapping[str, float]]:
        return lambda: {name: frame.height / seconds(action) for name, action in named.items()}

    return {name: timed(named) for name, named in actions.items()}


def row_contenders(
    frame: pl.DataFrame, spec: FeatureSpec, written: list[pl.Expr], fitted: ColumnTransformer
) -> Mapping[str, Callable[[], Mapping[str, float]]]:
    """Return what transforms rows one by one, in microseconds a row."""
    twin, schema = spec.row_function(), frame.schema
    raw, named = spec.rows_of(frame), frame.rows(named=True)
    actions: Mapping[str, tuple[int, Callable[[int], Any]]] = {
        "dagrun": (frame.height, lambda i: array("f", twin(raw[i]))),
        "polars": (200, lambda i: pl.DataFrame([named[i]], schema=schema).select(written)),
        "scikit-learn": (25, lambda i: fitted.transform(pd.DataFrame([named[i]]))),
    }
    expected = spec.transform(frame).cast(pl.Float32).fill_null(float("nan")).to_numpy()
    found = np.array([actions["dagrun"][1](i) for i in range(frame.height)], dtype=np.float32)
    np.testing.assert_array_equal(found, expected)

    def timed(count: int, action: Callable[[int], Any]) -> Callable[[], Mapping[str, float]]:
        def loop() -> None:
            for i in range(count):
                action(i)

        return lambda: {"row": seconds(loop) / count * 1e6}

    return {name: timed(*action) for name, action in actions.items()}


def main() -> None:
    """Run the session."""
    quick = is_quick()
    session = Session(
        "features", quick=quick, packages=("dagrun", "polars", "scikit-learn", "pandas", "numpy")
    )
    frame = make_rows(50_000 if quick else 500_000)
    train = frame.head(20_000)
    fitted = (FEATURES.fit(train), fit_polars(train), make_sklearn().fit(train.to_pandas()))
    count = 5 if quick else 15
    session.rounds(fit_contenders(frame), count=count, unit="rows/s")
    session.rounds(batch_contenders(frame, *fitted), count=count, unit="rows/s")
    session.rounds(row_contenders(frame.head(5_000), *fitted), count=count, unit="us/row")
    for peer in ("polars", "scikit-learn"):
        session.ratio(f"batch rows/s: dagrun / {peer}", "dagrun batch", f"{peer} batch")
        session.ratio(f"row time: {peer} / dagrun", f"{peer} row", "dagrun row")
    for measure in ("fit", "fit_transform"):
        over, under = f"dagrun {measure}", f"scikit-learn {measure}"
        session.ratio(f"{measure} rows/s: dagrun / scikit-learn", over, under)
    session.finish()


if __name__ == "__main__":
    main()
