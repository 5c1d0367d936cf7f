"""Time honesty of fits, against a naive reference that refits an op for every single row."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS, assert_twins, bits

from dagrun.stages import features as f
from dagrun.stages.features.knowledge import NotAvailableYet
from dagrun.stages.ops.errors import CannotFit, DtypeMismatch, FeatureDefinitionError, UnknownColumn

HOUR = 3_600_000_000
START = 1_377_900_000_000_000

values = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, 5e-324, 0.1, -0.1, 1e300, -1e300]),
    st.floats(-1e6, 1e6),
)
keys = st.sampled_from([None, "a", "b", "é"])
rows = st.lists(
    st.tuples(st.integers(0, 6), keys, st.sampled_from([None, 1, 2, 2]), values),
    min_size=4,
    max_size=30,
)


def frame_of(made: Sequence[tuple[object, ...]], zone: str | None = "UTC") -> pl.DataFrame:
    hours, key, other, y = list(zip(*made, strict=True)) or [()] * 4
    at = pl.Series("at", [START + hour * HOUR for hour in hours], dtype=pl.Int64)
    return pl.DataFrame(
        {
            "at": at.cast(pl.Datetime("us", zone)),
            "key": pl.Series(key, dtype=pl.String),
            "other": pl.Series(other, dtype=pl.Int64),
            "y": pl.Series(y, dtype=pl.Float64),
        }
    )


def told(rows: Sequence[tuple[object, ...]]) -> list[float]:
    """Return the targets of rows that have both keys and a finite target."""
    return [
        y
        for _, key, other, y in rows
        if key is not None and other is not None and y is not None and math.isfinite(y)
    ]


def exact_mean(ys: Sequence[float]) -> float:
    return float(sum(map(Fraction, ys))) / len(ys) + 0.0


AGGREGATES = {
    "mean": exact_mean,
    "median": lambda ys: statistics.median(ys) + 0.0,
    "min": lambda ys: min(ys) + 0.0,
    "max": lambda ys: max(ys) + 0.0,
    "count": lambda ys: float(len(ys)),
}


def naive(made: list[tuple[object, ...]], what: str, delay: int, until: int | None) -> list[object]:
    """Return what each row may know: everything of it is computed anew from its past."""
    found: list[object] = []
    for hour, key, other, _ in made:
        past = [
            row
            for row in made
            if row[0] + delay < hour and (until is None or row[0] + delay <= until)
        ]
        mine = told([row for row in past if row[1:3] == (key, other)])
        if key is None or other is None:
            found.append(None)
        elif what != "target":
            found.append(AGGREGATES[what](mine) if mine else None)
        elif not told(past):
            found.append(None)
        else:
            overall = exact_mean(told(past))
            total = float(sum(map(Fraction, mine)))
            found.append((total + 3.0 * overall) / (len(mine) + 3.0) if mine else overall)
    return found


def past_features(as_of: str | None, delay: int) -> f.FeatureSet:
    return f.feature_set(
        *(
            f.group_agg("y", by=("key", "other"), how=how, training="past", name=how)
            for how in AGGREGATES
        ),
        f.target_mean("y", by=("key", "other"), prior=3, training="past", name="target"),
        time="at",
        as_of=as_of,
        known_after={"y": f"{delay}h"},
    )


def as_float32(numbers: Sequence[object]) -> list[object]:
    return pl.Series(numbers, dtype=pl.Float64).cast(pl.Float32).to_list()


@RUNS
@given(made=rows, delay=st.integers(0, 2), until=st.none() | st.integers(0, 6))
def test_past_values_are_those_of_a_naive_refit(
    made: list[tuple[object, ...]], delay: int, until: int | None
) -> None:
    as_of = None if until is None else moment_text(until)
    try:
        _, matrix = past_features(as_of, delay).fit_transform(frame_of(made), label="y")
    except CannotFit:
        return  # nobody is known by then, or a sum leaves the doubles
    for name in (*AGGREGATES, "target"):
        expected = as_float32(naive(made, name, delay, until))
        same = [
            (x is None and y is None) or (x is not None and y is not None and x.hex() == y.hex())
            for x, y in zip(matrix[name].to_list(), expected, strict=True)
        ]
        assert all(same), (name, matrix[name].to_list(), expected)


def moment_text(hour: int) -> str:
    moment = dt.datetime.fromtimestamp((START + hour * HOUR) / 1e6, dt.UTC)
    return moment.replace(tzinfo=None).isoformat()


@RUNS
@given(made=rows, until=st.integers(0, 6))
def test_an_as_of_is_as_if_later_rows_were_not_there(
    made: list[tuple[object, ...]], until: int
) -> None:
    features = (
        f.target_mean("y", by="key"),
        f.group_agg("y", by="key", how="median"),
        f.frequency("key"),
        f.standardize("other"),
        f.one_hot("key"),
    )
    early = [row for row in made if row[0] <= until]
    try:
        expected = f.feature_set(*features, time="at").fit(frame_of(early))
        spec = f.feature_set(*features, time="at", as_of=moment_text(until)).fit(frame_of(made))
    except CannotFit:
        return  # too few rows, or too few outside of a fold
    assert spec.steps == expected.steps
    mine = (f.target_mean("y", by="key", as_of=moment_text(until)),)
    assert f.feature_set(*mine, time="at").fit(frame_of(made)).steps == expected.steps[:1]
    last = max(row[0] for row in early if row[1] is not None)
    assert spec.steps[2].as_of == moment_text(last) + "Z"
    assert_twins(spec, frame_of(made))


@RUNS
@given(made=rows, seed=st.integers(0, 9))
def test_no_order_of_rows_shows(made: list[tuple[object, ...]], seed: int) -> None:
    features = f.feature_set(
        f.target_mean("y", by="key", training="past"),
        f.target_mean("y", by="key", training="spans", folds=3, name="spans"),
        f.group_agg("y", by="key", training="past", how="median"),
        f.frequency("key", training="past"),
        time="at",
    )
    order = list(range(len(made)))
    random.Random(seed).shuffle(order)
    train = frame_of(made)
    try:
        spec, matrix = features.fit_transform(train)
    except CannotFit:
        return
    again, shuffled = features.fit_transform(train[order])
    assert again.digest == spec.digest
    assert (bits(shuffled) == bits(matrix)[order]).all()


def test_shares_of_the_past() -> None:
    made = [(0, "a", 1, 0.0), (0, "a", 1, 0.0), (1, "b", 1, 0.0), (1, None, 1, 0.0), (2, "a", 1, 0)]
    spec, matrix = f.feature_set(f.frequency("key", training="past"), time="at").fit_transform(
        frame_of(made)
    )
    assert matrix["key_frequency"].to_list() == as_float32([None, None, 0.0, None, 2 / 3])
    assert spec.transform(frame_of(made))["key_frequency"].to_list() == [
        0.75,
        0.75,
        0.25,
        None,
        0.75,
    ]


def test_spans_hold_out_what_happened_at_about_the_same_time() -> None:
    """A storm of one hour: scattered folds tell each flight about it, spans do not."""
    made = [(hour, "a", 1, float(hour == 2)) for hour in range(4) for _ in range(25)]
    encoded = {
        scheme: f.feature_set(
            f.target_mean("y", by=f.cross("key", "hour"), prior=0, folds=4, training=scheme),
            time="at",
        )
        .fit_transform(frame_of(made).with_columns(pl.col("at").dt.hour().cast(str).alias("hour")))[
            1
        ]
        .to_series()
        .gather([50, 74])
        .to_list()
        for scheme in ("folds", "spans")
    }
    assert encoded == {"folds": [1.0, 1.0], "spans": [0.0, 0.0]}
    with pytest.raises(CannotFit, match="more than one moment"):
        f.feature_set(f.target_mean("y", by="key", training="spans"), time="at").fit(
            frame_of(made[:5])
        ) and f.feature_set(
            f.target_mean("y", by="key", training="spans"), time="at"
        ).fit_transform(frame_of(made[:5]))


def test_the_last_moment_known_stands_in_the_document() -> None:
    made = [(0, "a", 1, 1.0), (2, "b", 1, 0.0), (5, "b", 1, None), (3, None, 1, 1.0)]
    features = f.feature_set(
        f.target_mean("y", by="key"), f.log1p("other"), time="at", known_after={"y": "90m"}
    )
    spec = features.fit(frame_of(made))
    form = json.loads(spec.to_bytes())
    known = dt.datetime.fromisoformat(moment_text(2)) + dt.timedelta(minutes=90)
    assert [step.get("as_of") for step in form["steps"]] == [known.isoformat() + "Z", None, None]
    assert form["time"] == {"as_of": None, "column": "at", "known_after": {"y": "90m"}}
    assert spec.as_of == known.isoformat() + "Z"
    assert f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables) == spec
    naive_zone = features.fit(frame_of(made, zone=None))
    assert naive_zone.as_of == known.isoformat()
    dates = features.fit(frame_of(made).with_columns(pl.col("at").dt.date()))
    assert dates.as_of == "2013-08-30T23:30:00" or dates.as_of.startswith("2013-08-31")


def test_without_time_a_document_is_what_it_was() -> None:
    spec = f.feature_set(f.target_mean("y", by="key")).fit(frame_of([(0, "a", 1, 1.0)] * 9))
    assert spec.as_of is None
    text = spec.to_bytes().decode()
    assert '"as_of"' not in text
    assert '"time"' not in text
    assert '"earlier"' not in text


def test_a_column_is_masked_before_it_was_available() -> None:
    made = [(0, "a", 9, 1.0), (1, "a", 1, 0.0), (2, "b", 2, 0.0), (3, "b", 3, 1.0)]
    column = f.Column(name="other", dtype="int64", available_since=moment_text(1))
    features = f.feature_set(
        "other",
        f.missing_flag("other"),
        f.impute_stat("other", stat="mean"),
        inputs=[column],
        time="at",
    )
    spec, matrix = features.fit_transform(frame_of(made))
    assert matrix["other"].to_list() == [None, 1.0, 2.0, 3.0]
    assert matrix["other_missing"].to_list() == [1, 0, 0, 0]
    assert matrix["other_imputed"].to_list() == [2.0, 1.0, 2.0, 3.0]
    assert spec.transform(frame_of(made))["other"].to_list() == [9.0, 1.0, 2.0, 3.0]
    assert {output.available_since for output in spec.outputs} == {moment_text(1) + "Z"}
    assert f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables) == spec


def test_a_feature_is_masked_before_it_was_available_and_so_is_what_is_built_on_it() -> None:
    made = [(0, "a", 9, 1.0), (1, "a", 1, 0.0), (2, "b", 2, 0.0), (3, "b", 3, 1.0)]
    sensor = f.available_since(moment_text(2), f.minmax("other"), f.one_hot("key"))
    late = f.available_since(moment_text(1), f.target_mean("y", by="key", prior=0))
    features = f.feature_set(*sensor, f.affine(sensor[0], factor=2, name="twice"), late, time="at")
    spec, matrix = features.fit_transform(frame_of(made))
    assert matrix["other_minmax"].to_list() == [None, None, 0.0, 1.0]
    assert matrix["twice"].to_list() == [None, None, 0.0, 2.0]
    assert matrix["key=b"].to_list() == [None, None, 1, 1]
    assert "key=a" not in matrix.columns
    assert matrix["y_mean_by_key"][0] is None
    assert spec.transform(frame_of(made))["y_mean_by_key"].to_list() == [0.0, 0.0, 0.5, 0.5]
    assert spec.outputs[2].available_since == moment_text(2) + "Z"


def test_earlier_rows_can_be_refused() -> None:
    made = [(0, "a", 9, 1.0), (1, "a", 1, 0.0), (2, "b", 2, 0.0)]
    declared = f.Column(
        name="other",
        dtype="int64",
        nullable=False,
        available_since=moment_text(1) + "+00:00",
        earlier="refuse",
    )
    with pytest.raises(NotAvailableYet, match=r"column 'other'.* 1 training row.*earlier='mask'"):
        f.feature_set("other", inputs=[declared], time="at").fit(frame_of(made))
    feature = f.available_since(moment_text(2), f.minmax("other"), earlier="refuse")
    with pytest.raises(NotAvailableYet, match=r"feature 'other_minmax'.* 2 training row"):
        f.feature_set(feature, time="at").fit(frame_of(made))
    f.feature_set("other", inputs=[declared], time="at").fit(frame_of(made[1:]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: f.feature_set(f.frequency("key", training="past")), "needs the time"),
        (lambda: f.feature_set(f.cast(f.frequency("key", as_of="2013"))), "ISO 8601"),
        (lambda: f.feature_set(f.cast(f.frequency("key", as_of="2013-01-01"))), "needs the time"),
        (lambda: f.feature_set("y", as_of="2013-01-01"), "as_of needs the time"),
        (lambda: f.feature_set("y", known_after={"y": "1h"}), "known_after needs the time"),
        (lambda: f.feature_set("y", time="at", known_after={"y": "1 hour"}), "such as '6h'"),
        (lambda: f.feature_set("y", time="at", as_of="soon"), "ISO 8601"),
        (lambda: f.feature_set(f.available_since("2013-01-01", f.cast("y"))), "needs the time"),
        (lambda: f.available_since("2013-01-01", "y"), "is a column"),
        (lambda: f.available_since("2013-01-01", f.cast("y"), earlier="drop"), "mask"),
        (lambda: f.group_agg("y", by="key", training="spans"), "'all', 'past'"),
        (lambda: f.target_mean("y", by="key", training="all"), "'folds', 'spans', 'past'"),
        (lambda: f.Column(name="y", dtype="double", available_since="2013-13-01"), "ISO 8601"),
        (
            lambda: f.Column(
                name="y", dtype="double", nullable=False, available_since="2013-01-01"
            ),
            "refuse",
        ),
        (
            lambda: f.feature_set(
                "y", inputs=[f.Column(name="y", dtype="double", available_since="2013-01-01")]
            ),
            r"needs the time of the rows: feature_set\(..., time='column'\)",
        ),
    ],
)
def test_told_at_definition(make: object, message: str) -> None:
    with pytest.raises(FeatureDefinitionError, match=message):
        make()


def test_told_about_the_training_rows() -> None:
    train = frame_of([(0, "a", 1, 1.0), (1, "b", 2, 0.0)])
    features = f.target_mean("y", by="key")
    with pytest.raises(UnknownColumn, match="'when'"):
        f.feature_set(features, time="when").fit(train)
    with pytest.raises(UnknownColumn, match="'z'"):
        f.feature_set(features, time="at", known_after={"z": "1h"}).fit(train)
    with pytest.raises(DtypeMismatch, match="timestamp or date"):
        f.feature_set(features, time="other").fit(train)
    with pytest.raises(CannotFit, match="have no time"):
        f.feature_set(features, time="at").fit(
            train.with_columns(at=pl.lit(None, train["at"].dtype))
        )
    with pytest.raises(FeatureDefinitionError, match="no time zone"):
        f.feature_set(features, time="at", as_of="2013-08-31T00:00Z").fit(
            train.with_columns(pl.col("at").dt.replace_time_zone(None))
        )
    with pytest.raises(CannotFit):
        f.feature_set(features, time="at", as_of="2013-01-01").fit(train)
    with pytest.raises(FeatureDefinitionError, match=r"leak the label.*past"):
        f.feature_set(f.group_agg("y", by="key"), time="at").fit(train, label="y")


def test_a_naive_moment_is_read_in_the_zone_of_the_column() -> None:
    train = frame_of([(0, "a", 1, 1.0), (1, "b", 2, 0.0)] * 9, zone="UTC").with_columns(
        pl.col("at").dt.convert_time_zone("America/New_York")
    )
    local = train["at"][0].replace(tzinfo=None).isoformat()
    features = f.target_mean("y", by="key")
    spec = f.feature_set(features, time="at", as_of=local).fit(train)
    assert spec.as_of == moment_text(0) + "Z"


SCRIPT = """
import random
import polars as pl
from dagrun.engine.canonical import digest_bytes
from dagrun.stages import features as f

pick = random.Random(3)
rows = 3_000
train = pl.DataFrame({
    "at": pl.Series([pick.randrange(400) * 60_000_000 for _ in range(rows)]).cast(
        pl.Datetime("us", "UTC")),
    "key": [pick.choice(["a", "b", "c", None]) for _ in range(rows)],
    "y": [pick.gauss(0.1, 30) for _ in range(rows)],
})
spec, matrix = f.feature_set(
    f.target_mean("y", by="key", training="past"),
    f.target_mean("y", by="key", training="spans", name="spans"),
    f.group_agg("y", by="key", how="median", training="past"),
    f.frequency("key", training="past"),
    time="at", as_of="1970-01-01T05:00Z", known_after={"y": "5m"},
).fit_transform(train)
print(spec.digest, [digest_bytes(c.cast(pl.Float32).to_numpy().tobytes()) for c in matrix])
"""


def test_another_number_of_threads_gives_the_same_bits() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-P", "-c", SCRIPT],
            env={**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads},
            capture_output=True,
            check=True,
        ).stdout
        for threads in ("1", "3")
    }
    assert len(said) == 1
