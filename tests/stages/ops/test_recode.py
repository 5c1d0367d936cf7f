"""null_if, map_values and rare_group: what they replace, and that both twins agree."""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from tests_parity import RUNS, assert_twins, fitted, frames

from dagrun.stages import features as f
from dagrun.stages.ops.errors import CannotFit, FeatureDefinitionError

OPS: dict[str, Callable[[], object]] = {
    "null_if_double": lambda: f.null_if("x", values=(0, 1.0, 5e-324)),
    "null_if_int64": lambda: f.cast(f.null_if("i", values=[1, -(2**63), 2**53 + 1])),
    "null_if_string": lambda: f.ordinal(f.null_if("s", values=("", "é"))),
    "map_text": lambda: f.ordinal(f.map_values("s", values={"a": "b", "": None, "東京": "Tokyo"})),
    "map_text_null": lambda: f.ordinal(
        f.map_values("s", values={"a": "a", "b": "a"}, others="null")
    ),
    "map_number": lambda: f.map_values("s", values={"a": 0.1, "b": -0.0, "": 1e300}),
    "rare_share": lambda: f.one_hot(f.rare_group("s", rare_below=0.3)),
    "rare_rows": lambda: f.ordinal(f.rare_group("t", rare_below=2, other="b")),
}


@pytest.mark.parametrize("op", OPS)
@RUNS
@given(train=frames(least=3), frame=frames())
def test_the_twins_agree(op: str, train: pl.DataFrame, frame: pl.DataFrame) -> None:
    spec = fitted(f.feature_set(OPS[op]()), train)
    assert_twins(spec, pl.concat([train[:4], frame]))
    assert f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables) == spec


FRAME = pl.DataFrame(
    {
        "age": [34.0, -999.0, math.nan, -0.0, None],
        "n": [1, -1, 2**63 - 1, 0, None],
        "state": ["NY", "N.Y.", "", "Ohio", None],
        "grade": ["low", "high", "mid", "?", None],
    }
)


def texts(feature: object, frame: pl.DataFrame = FRAME) -> list[str | None]:
    """Return the strings that a feature gives, by the names of its one-hot columns."""
    matrix = f.feature_set(f.one_hot(feature, name="v")).fit(FRAME).transform(frame)
    return [
        next((name[2:] for name, on in row.items() if on), None)
        for row in matrix.iter_rows(named=True)
    ]


def numbers(feature: object) -> list[float | None]:
    return f.feature_set(feature).fit(FRAME).transform(FRAME).to_series().to_list()


def test_null_if_takes_sentinels_away() -> None:
    assert numbers(f.null_if("age", values=-999)) == [34.0, None, None, -0.0, None]
    assert numbers(f.null_if("age", values=0)) == [34.0, -999.0, None, None, None]
    known = f.null_if("n", values=(-1, 2**63 - 1.0e3))
    assert numbers(f.missing_flag(f.null_if("n", values=[-1, 2**63 - 1]))) == [0, 1, 1, 0, 1]
    assert known[0].name == "n_known"
    assert texts(f.null_if("state", values=["", "Ohio"])) == ["NY", "N.Y.", None, None, None]


def test_map_values_brings_spellings_together() -> None:
    spelled = f.map_values("state", values={"N.Y.": "NY", "": None})
    assert texts(spelled) == ["NY", "NY", None, "Ohio", None]
    only = f.map_values("state", values={"N.Y.": "NY", "NY": "NY"}, others="null")
    assert texts(only) == ["NY", "NY", None, None, None]


def test_map_values_does_not_map_twice() -> None:
    assert texts(f.map_values("state", values={"NY": "Ohio", "Ohio": "NY"}))[::3] == ["Ohio", "NY"]


def test_map_values_gives_grades_their_numbers() -> None:
    grades = f.map_values("grade", values={"low": 0, "mid": 1.5, "high": 4})
    assert numbers(grades) == [0.0, 4.0, 1.5, None, None]


def test_rare_and_unseen_categories_become_other() -> None:
    train = pl.DataFrame({"c": ["a"] * 6 + ["b"] * 3 + ["c", None]})
    rows = pl.DataFrame({"c": ["a", "b", "c", "zz", "", "other", None]})
    for rare_below, kept in ((0.3, ("a", "b")), (0.31, ("a",)), (4, ("a",)), (1, ("a", "b", "c"))):
        op = f.rare_group("c", rare_below=rare_below)[0].op
        spec = f.feature_set(f.ordinal(f.rare_group("c", rare_below=rare_below))).fit(train)
        assert spec.steps[0].op.kept == kept
        made = rows.select(spec.steps[0].op.batch([pl.col("c")])).to_series().to_list()
        assert made[-2:] == ["other", None]
        assert made[:-1] == [one if one in kept else op.other for one in rows["c"][:-1]]


def test_if_everything_is_rare_nothing_is_left() -> None:
    train = pl.DataFrame({"c": ["a", "b"]})
    with pytest.raises(CannotFit, match=r"all 2 categories are rare.*lower rare_below"):
        f.feature_set(f.ordinal(f.rare_group("c", rare_below=2))).fit(train)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: f.null_if("age", values=()), "at least one"),
        (lambda: f.null_if("age", values=math.nan), "finite"),
        (lambda: f.null_if("age", values=True), "values must be a number or a string"),
        (lambda: f.null_if("age", values="?"), "column is double, so values must be numbers"),
        (lambda: f.null_if("age", values=(1, "?")), "must be numbers"),
        (lambda: f.null_if("age", values=2**53 + 1), "double column never holds"),
        (lambda: f.null_if("n", values=0.5), r"int64 column never holds \[0.5\]"),
        (lambda: f.null_if("n", values=2**63), "never holds"),
        (lambda: f.ordinal(f.null_if("state", values=1)), "values must be strings"),
        (lambda: f.map_values("state", values={}), "give a table"),
        (lambda: f.map_values("state", values={1: "a"}), "a mapping .a string to"),
        (lambda: f.map_values("state", values={"a": "b", "c": 1}), "a mapping .a string to"),
        (lambda: f.map_values("state", values={"a": 1}, others="keep"), "cannot be kept"),
        (lambda: f.map_values("state", values={"a": "b"}, others="drop"), "one of 'keep', 'null'"),
        (lambda: f.map_values("state", values={"a": math.inf}), "finite"),
        (lambda: f.rare_group("state", rare_below=0), "share in"),
        (lambda: f.rare_group("state", rare_below=1.5), "share in"),
        (lambda: f.rare_group("state", other=None), "must be a string"),
    ],
)
def test_mistakes_are_told(make: Callable[[], object], message: str) -> None:
    with pytest.raises(FeatureDefinitionError, match=message):
        f.feature_set(make()).fit(FRAME)
