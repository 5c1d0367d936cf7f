"""What differs between two specs, and the promise that equal bits are told only when they are."""

from __future__ import annotations

import datetime as dt

import polars as pl
from hypothesis import given
from tests_parity import RUNS, bits, fitted, frames

from dagrun.stages import features as f
from dagrun.stages.features.difference import FeatureChange, SpecDifference, compare_specs

FRAME = pl.DataFrame(
    {
        "x": [1.0, 2.0, 3.0, 10.0],
        "s": ["a", "a", "b", "c"],
        "t": ["u", "v", "v", "u"],
        "y": [0.0, 1.0, 1.0, 0.0],
        "at": [dt.date(2013, 1, day) for day in (1, 2, 3, 4)],
    }
)


def compare(
    old: f.FeatureSet, new: f.FeatureSet, frame: pl.DataFrame = FRAME, label: str | None = None
) -> SpecDifference:
    return compare_specs(old.fit(FRAME, label=label), new.fit(frame, label=label))


def only(found: SpecDifference) -> FeatureChange:
    (change,) = found.features
    return change


def test_the_same_features_on_the_same_rows_are_identical() -> None:
    features = f.feature_set(f.standardize("x"), f.one_hot("s"), f.target_mean("y", by="s"))
    found = compare(features, features)
    assert found.identical
    assert found.same_bits
    assert (found.inputs, found.features, found.moved) == ((), (), ())


def test_features_come_go_and_move() -> None:
    old = f.feature_set("x", f.log1p("x"), f.ordinal("s"), f.ordinal("t"))
    new = f.feature_set(f.ordinal("s"), "x", f.log1p("x"), f.missing_flag("x"))
    found = compare(old, new)
    assert [(change.name, change.change) for change in found.features] == [
        ("x_missing", "added"),
        ("t_ordinal", "removed"),
    ]
    assert found.moved == ("s_ordinal",)
    assert [(change.name, change.change) for change in found.inputs] == [("t", "removed")]
    assert found.reasons == (
        "the matrix has other columns",
        "columns of the matrix are in another order",
    )


def test_settings_and_state_are_told_with_their_change() -> None:
    old = f.feature_set(f.clip_iqr("x", factor=1), f.standardize("x"))
    new = f.feature_set(f.clip_iqr("x", factor=2), f.standardize("x"))
    found = compare(old, new)
    change = only(found)
    assert change.name == "x_clipped"
    assert [(value.field, value.kind) for value in change.values] == [
        ("factor", "setting"),
        ("low", "state"),
        ("high", "state"),
    ]
    assert change.values[0].relative == 1.0
    assert found.reasons == ("1 feature with other settings", "1 feature with other state")


def test_tables_are_told_by_their_keys() -> None:
    features = f.feature_set(f.group_agg("x", by="s"), f.one_hot("s"))
    later = FRAME.with_columns(s=pl.Series(["a", "a", "b", "d"]), x=pl.Series([1.0, 4.0, 3.0, 7.0]))
    table, columns = compare(features, features, later).features
    (value,) = table.values
    assert value.table is not None
    assert (value.table.keys, value.table.added, value.table.removed) == ((3, 3), 1, 1)
    assert value.table.largest == ((("a",), 1.5, 2.5),)
    assert columns.columns == (("s=c",), ("s=d",))


def test_another_op_or_input_is_another_formula() -> None:
    old = f.feature_set(f.standardize("x", name="z"), f.minmax("y", name="m"))
    new = f.feature_set(f.robust_scale("x", name="z"), f.minmax("x", name="m"))
    found = compare(old, new)
    assert [change.formulas for change in found.features] == [
        ("standardize(x)", "robust_scale(x)"),
        ("minmax(y)", "minmax(x)"),
    ]
    assert found.reasons[0] == "2 features with other ops or inputs"


def test_another_target_is_another_formula() -> None:
    old = f.feature_set(f.target_mean("y", by="s", name="mean"))
    new = f.feature_set(f.target_mean("x", by="s", name="mean"))
    assert only(compare(old, new)).formulas[1] == "target_mean(s, of=x, prior=20, folds=5)"


def test_words_about_an_input_do_not_change_bits_and_its_dtype_may() -> None:
    def features(time: str | None = None, **settings: object) -> f.FeatureSet:
        column = f.Column(name="x", **{"dtype": "double", **settings})  # type: ignore[arg-type]
        return f.feature_set(f.cast("x"), inputs=[column], time=time)

    found = compare(features(), features(nullable=False))
    assert not found.identical
    assert found.same_bits
    assert found.inputs[0].fields == (("nullable", True, False),)
    whole = FRAME.with_columns(pl.col("x").cast(pl.Int64))
    found = compare(features(), features(dtype="int64"), whole)
    assert "an input column is read as another dtype" in found.reasons
    found = compare(features("at"), features("at", available_since="2013-01-02"))
    assert found.same_bits
    assert ("available_since", None, "2013-01-02") in found.inputs[0].fields
    (value,) = only(found).values
    assert (value.field, value.kind, value.after) == ("available_since", "time", "2013-01-02")


def test_another_as_of_moment_alone_changes_no_bits() -> None:
    features = f.feature_set(f.target_mean("y", by="s"), time="at")
    later = FRAME.with_columns(pl.col("at").dt.offset_by("1d"))
    found = compare(features, features, later)
    (value,) = only(found).values
    assert (value.field, value.before, value.after) == ("as_of", "2013-01-04", "2013-01-05")
    assert found.same_bits
    assert not found.identical


PAIRS = f.feature_set(
    f.standardize("x"),
    f.clip_iqr("y"),
    f.one_hot("s"),
    f.group_agg("target", by=("s", "i")),
    f.bucket_quantile("x", buckets=3),
)


@RUNS
@given(first=frames(least=2), second=frames(least=2), rows=frames())
def test_equal_bits_are_told_only_where_no_row_differs(
    first: pl.DataFrame, second: pl.DataFrame, rows: pl.DataFrame
) -> None:
    old, new = fitted(PAIRS, first), fitted(PAIRS, second)
    found = compare_specs(old, new)
    if found.same_bits:
        assert old.names == new.names
        assert (bits(old.transform(rows)) == bits(new.transform(rows))).all()
    told = {column for change in found.features for column in _columns(change, old, new)}
    for name in set(old.names) & set(new.names) - told:
        assert (
            bits(old.transform(rows).select(name)) == bits(new.transform(rows).select(name))
        ).all()


def _columns(change: FeatureChange, *specs: f.FeatureSpec) -> set[str]:
    names = (name for spec in specs for name in spec.names)
    return {name for name in names if name == change.name or name.startswith(f"{change.name}=")}
