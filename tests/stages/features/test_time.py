"""What fits are told about time: documents, availability, and errors at definition."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

import polars as pl
import pytest

from dagrun.stages import features as f
from dagrun.stages.features.knowledge import NotAvailableYet
from dagrun.stages.ops.errors import CannotFit, DtypeMismatch, FeatureDefinitionError, UnknownColumn

HOUR = 3_600_000_000
START = 1_377_900_000_000_000


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


def moment_text(hour: int) -> str:
    moment = dt.datetime.fromtimestamp((START + hour * HOUR) / 1e6, dt.UTC)
    return moment.replace(tzinfo=None).isoformat()


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
