"""lookup: what a given table says about a key, what it refuses, how the document keeps it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS, assert_twins, doubles, frames, integers, strings

from dagrun.stages import features as f
from dagrun.stages.ops.errors import DtypeMismatch, FeatureDefinitionError
from dagrun.stages.ops.table import make_table

AIRPORTS = pl.DataFrame(
    {
        "faa": ["JFK", "", "é", "a\x00b", "HNL"],
        "alt": [13, 0, None, 2**63 - 1, -(2**63)],
        "share": [0.5, math.nan, -0.0, None, math.inf],
        "region": ["east", "", None, "a\x00b", "東京"],
        "island": [False, None, True, False, True],
        "opened": [dt.date(1948, 7, 1), None, dt.date(1, 1, 1), dt.date(9999, 12, 31), None],
    }
)
KEYS = pl.DataFrame({"dest": ["JFK", "", "é", "a\x00b", "HNL", "e\u0301", None]})


def looked_up(features: object, frame: pl.DataFrame = KEYS) -> list[list[object]]:
    spec = f.feature_set(features).fit(frame)
    assert_twins(spec, frame)
    again = f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables)
    assert (again, again.to_bytes()) == (spec, spec.to_bytes())
    return [column.to_list() for column in spec.transform(frame)]


def test_numbers_of_a_table() -> None:
    made = f.lookup("dest", table=AIRPORTS, key="faa", value=["alt", "share"], default=-1)
    assert [one.name for one in made] == ["dest_alt", "dest_share"]
    big = float(2**63)
    assert looked_up(made) == [
        [13.0, 0.0, None, big, -big, -1.0, None],
        [0.5, None, 0.0, None, math.inf, -1.0, None],
    ]


def test_unseen_keys_are_null_unless_told() -> None:
    (values,) = looked_up(f.lookup("dest", table=AIRPORTS, key="faa", value="alt"))
    assert values[-2:] == [None, None]


def test_strings_bools_and_dates_feed_other_ops() -> None:
    def found(value: str, **settings: object) -> f.Feature:
        return f.lookup("dest", table=AIRPORTS, key="faa", value=value, **settings)[0]  # type: ignore[arg-type]

    region = found("region", default="elsewhere")
    assert looked_up(f.ordinal(region)) == [[2, 0, None, 1, 4, 3, None]]
    assert looked_up(found("island", default=True)) == [[0.0, None, 1.0, 0.0, 1.0, 1.0, None]]
    year = f.date_parts(found("opened"), parts=("year",))
    assert looked_up(year) == [[1948.0, None, None, None, None, None, None]]


def test_a_key_of_several_parts() -> None:
    table = pl.DataFrame({"a": ["x", "x", "y"], "n": [1, 2, 1], "v": [10.0, 20.0, 30.0]})
    frame = pl.DataFrame({"a": ["x", "x", "y", "y", None], "n": [1, 2, 1, 2, 1]})
    assert looked_up(f.lookup(("a", "n"), table=table, value="v", default=0), frame) == [
        [10.0, 20.0, 30.0, 0.0, None]
    ]


def test_keys_are_compared_by_their_kind() -> None:
    table = pl.DataFrame({"k": [dt.date(1970, 1, 2), dt.date(9999, 12, 31)], "v": [1.5, 2.5]})
    frame = table.select("k")
    assert looked_up(f.lookup("k", table=table.lazy(), value="v"), frame) == [[1.5, 2.5]]
    numbers = pl.DataFrame({"k": [1, 2_932_896]})
    with pytest.raises(DtypeMismatch, match=r"key 1 of k_v.* is int64, but .* takes date"):
        f.feature_set(f.lookup("k", table=table, value="v")).fit(numbers)
    narrow = pl.DataFrame({"k": pl.Series([1, -1], dtype=pl.Int8), "v": ["a", "b"]})
    assert looked_up(f.ordinal(f.lookup("k", table=narrow, value="v")), numbers) == [[0, None]]


@pytest.mark.parametrize("rows", [3, 300])
@RUNS
@given(data=st.data(), frame=frames())
def test_twins(rows: int, data: st.DataObject, frame: pl.DataFrame) -> None:
    """Small tables stand in the document, larger ones beside it."""

    def column(values: st.SearchStrategy[object], dtype: object) -> pl.Series:
        drawn = data.draw(st.lists(values, min_size=2, max_size=8))
        return pl.Series(drawn, dtype=dtype, strict=False)  # type: ignore[arg-type]

    padding = pl.DataFrame({"k": [f"pad{i}" for i in range(rows)]})
    keys = pl.concat([pl.DataFrame({"k": column(strings, pl.String)}), padding])
    keys = keys.drop_nulls().unique(maintain_order=True)
    numbers = pl.DataFrame({"i": column(integers, pl.Int64)}).drop_nulls().unique()
    values = data.draw(st.lists(doubles, min_size=len(keys), max_size=len(keys)))
    table = keys.with_columns(v=pl.Series([*values[:-1], 1.0], dtype=pl.Float64))
    pairs = keys.join(numbers, how="cross").with_columns(v=pl.int_range(pl.len()).cast(pl.String))
    made = [f.lookup("s", table=table, key="k", value="v", default=-0.25)]
    if len(pairs):
        both = f.lookup(("t", "i"), table=pairs, key=("k", "i"), value="v", name="both")
        made.append(f.missing_flag(both))
        made.append(f.hash_bucket(both, buckets=2**24))
    spec = f.feature_set(*made).fit(frame)
    assert bool(spec.tables) == (rows == 300)
    seen = pl.DataFrame({"s": keys["k"], "t": keys["k"]}).head(20)
    seen = seen.with_columns(i=pl.lit(numbers["i"][0] if len(numbers) else 0, pl.Int64))
    assert_twins(spec, pl.concat([frame, seen], how="diagonal"))
    again = f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables)
    assert (again, again.digest, again.tables) == (spec, spec.digest, spec.tables)


def test_keys_of_so_many_parts_that_their_product_exceeds_64_bits() -> None:
    rows = 70_000  # 70,000 ** 4 > 2 ** 64
    names = ["a", "b", "c", "d"]
    scattered = [[(i * by) % 70_001 for i in range(rows)] for by in (1, 3, 7, 11)]
    frame = pl.DataFrame(dict(zip(names, scattered, strict=True)))
    table = make_table({row: float(i) for i, row in enumerate(frame.iter_rows())})
    found = frame.select(table.batch([pl.col(name) for name in names], -1.0)).to_series()
    assert found.to_list() == [float(i) for i in range(rows)]
    wrong = frame.reverse().with_columns(d=frame["d"])
    found = wrong.select(table.batch([pl.col(name) for name in names], -1.0)).to_series()
    known = table.row()
    assert found.to_list() == [known.get(row, -1.0) for row in wrong.iter_rows()]


def refused(**settings: object) -> Callable[[], object]:
    table = AIRPORTS.select("faa", "alt", "share", "region", "opened")
    chosen = {"table": table, "key": "faa", "value": "alt", **settings}
    return lambda: f.lookup("dest", **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (refused(table={"a": 1}), "table must be DataFrame or LazyFrame"),
        (refused(table=AIRPORTS.clear()), "no rows"),
        (refused(key="fa"), "no column 'fa'. Did you mean 'faa'"),
        (refused(key=None), "no column 'dest'"),
        (refused(key=("faa", "alt")), "1 columns for the keys"),
        (refused(value="faa"), "'faa' is named twice"),
        (refused(key="share"), "'share' is Float64; cast it"),
        (refused(key="region"), "'region' is null in 1 row"),
        (refused(table=pl.concat([AIRPORTS, AIRPORTS[1:3]])), "4 rows whose key.* such as ''"),
        (refused(default="x"), "default is 'x', but the table's 'alt' is int64"),
        (refused(default=1.5), "default is 1.5"),
        (refused(default=True), "default is True"),
        (refused(default=2**63), "does not fit int64"),
        (refused(value="opened", default=1), "'opened' is date"),
        (refused(value="share", default=math.inf), "default must be finite"),
        (refused(value=["alt", "share"], name="x"), "need a '{}' in the name"),
        (refused(table=AIRPORTS.with_columns(alt=pl.lit(None, pl.Int64))), "'alt' has no value"),
        (refused(table=AIRPORTS.with_columns(alt=pl.lit(2**63))), "does not fit int64"),
        (refused(table=AIRPORTS.with_columns(alt=pl.lit(dt.time(1)))), "'alt' is Time"),
    ],
)
def test_told_at_definition(make: Callable[[], object], message: str) -> None:
    with pytest.raises(FeatureDefinitionError, match=message):
        make()


def test_the_order_of_the_rows_does_not_count() -> None:
    tables = (AIRPORTS, AIRPORTS.reverse(), AIRPORTS.sort("faa"), AIRPORTS.sort("alt"))
    specs = [
        f.feature_set(f.lookup("dest", table=table, key="faa", value="alt")).fit(KEYS)
        for table in tables
    ]
    assert len({spec.digest for spec in specs}) == 1
