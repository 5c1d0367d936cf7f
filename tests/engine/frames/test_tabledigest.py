"""Equal tables have equal digests, whatever their bytes; different tables have different ones."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import os
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from dagrun.engine.frames.tabledigest import (
    BLOCK,
    ChangedSchema,
    TableDigest,
    UnsupportedColumn,
    digest_table,
    dtype_name,
)

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
FLOATS = st.sampled_from([0.0, -0.0, 1.5, float("nan"), -float("nan"), float("inf")])
INTS = st.integers(0, 2)
TEXTS = st.sampled_from(["", "a", "b", "ab", "é", "\0"])
MOMENTS = st.sampled_from([dt.datetime(2013, 1, 1), dt.datetime(2013, 1, 1, 0, 0, 1)])
FIELDS = st.fixed_dictionaries({"x": st.none() | INTS, "y": st.none() | TEXTS})

# Few values of each dtype, so that equal tables are drawn often.
SMALL: list[tuple[pl.DataType, st.SearchStrategy[Any]]] = [
    (pl.Int64(), INTS),
    (pl.UInt8(), INTS),
    (pl.Int128(), INTS),
    (pl.Float64(), FLOATS),
    (pl.Float32(), FLOATS),
    (pl.Boolean(), st.booleans()),
    (pl.String(), TEXTS),
    (pl.Categorical(), TEXTS),
    (pl.Enum(["", "a", "b", "ab", "é", "\0"]), TEXTS),
    (pl.Binary(), st.sampled_from([b"", b"a", b"\0\0"])),
    (pl.Null(), st.none()),
    (pl.Date(), st.sampled_from([dt.date(2013, 1, 1), dt.date(1969, 1, 1)])),
    (pl.Time(), st.sampled_from([dt.time(0), dt.time(1, 2, 3)])),
    (pl.Datetime("us"), MOMENTS),
    (pl.Datetime("ms"), MOMENTS),
    (pl.Duration("us"), st.sampled_from([dt.timedelta(0), dt.timedelta(1)])),
    (pl.Decimal(10, 2), st.sampled_from([Decimal("0.00"), Decimal("1.25")])),
    (pl.Decimal(10, 3), st.sampled_from([Decimal("0.000"), Decimal("1.250")])),
    (pl.List(pl.Int64), st.lists(st.none() | INTS, max_size=2)),
    (pl.List(pl.String), st.lists(st.none() | TEXTS, max_size=2)),
    (pl.List(pl.List(pl.Boolean)), st.lists(st.none() | st.lists(st.booleans()), max_size=2)),
    (pl.Array(pl.Float64, 2), st.lists(st.none() | FLOATS, min_size=2, max_size=2)),
    (pl.Array(pl.Int64, 0), st.just([])),
    (pl.Struct({"x": pl.Int64, "y": pl.Categorical}), FIELDS),
    (pl.List(pl.Struct({"x": pl.Int64, "y": pl.String})), st.lists(FIELDS, max_size=2)),
]


def spelled(value: Any) -> Any:
    """What counts as one value: the bits of a float, save that all NaN are one."""
    if isinstance(value, float):
        return "nan" if value != value else struct.pack("<d", value)
    if isinstance(value, list):
        return [spelled(item) for item in value]
    if isinstance(value, dict):
        return {name: spelled(item) for name, item in value.items()}
    return value


@st.composite
def small_series(draw: st.DrawFn) -> pl.Series:
    dtype, values = draw(st.sampled_from(SMALL))
    return pl.Series("x", draw(st.lists(st.none() | values, max_size=3)), dtype=dtype)


@settings(max_examples=10_000 if SOAK else 400, derandomize=not SOAK, deadline=None)
@given(small_series(), st.data())
def test_digests_are_equal_exactly_when_the_tables_are(one: pl.Series, data: st.DataObject) -> None:
    values = next(values for dtype, values in SMALL if dtype == one.dtype)
    rows = data.draw(st.lists(st.none() | values, max_size=3))
    same_dtype = pl.Series("x", rows, dtype=one.dtype)
    for other in (same_dtype, data.draw(small_series())):
        equal = one.dtype == other.dtype and spelled(one.to_list()) == spelled(other.to_list())
        assert (digest_table(one.to_frame()) == digest_table(other.to_frame())) is equal


def supported(frame: pl.DataFrame) -> pl.DataFrame:
    """Without the few columns that are refused: extensions and structs without fields."""
    names = []
    for name, dtype in frame.schema.items():
        with contextlib.suppress(UnsupportedColumn):
            dtype_name(dtype)
            names.append(name)
    return frame.select(names)


ANY_TABLE = dataframes(max_size=12, max_cols=4).map(supported)


@settings(
    max_examples=3_000 if SOAK else 100,
    derandomize=not SOAK,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(ANY_TABLE, st.lists(st.integers(0, 12), max_size=4))
def test_batches_chunks_and_slices_do_not_matter(frame: pl.DataFrame, cuts: list[int]) -> None:
    expected = digest_table(frame)
    bounds = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
    parts = [frame[start:stop] for start, stop in itertools.pairwise(bounds)]

    table = TableDigest(frame.schema)
    for part in parts:
        table.update(part)
    assert table.finish() == expected
    assert digest_table(frame.rechunk()) == expected
    assert digest_table(pl.concat(parts, rechunk=False)) == expected
    padded = pl.concat([frame.head(1), frame, frame.tail(1)])
    assert digest_table(padded.slice(min(1, frame.height), frame.height)) == expected


def test_blocks_do_not_matter() -> None:
    rows = BLOCK + 12_345
    number = pl.int_range(rows, eager=True)
    frame = pl.DataFrame(
        {
            "flag": number % 3 == 0,
            "text": number.cast(pl.String),
            "gaps": pl.select(pl.when(number % 7 > 0).then(number * 0.5)).to_series(),
            "lists": pl.select(pl.concat_list(number, number + 1)).to_series(),
        }
    )
    table = TableDigest(frame.schema)
    for start in range(0, rows, 9_999):
        table.update(frame.slice(start, 9_999))
    assert table.finish() == digest_table(frame)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "uncompressed"])
def test_how_it_was_written_does_not_matter(tmp_path: Path, compression: Any) -> None:
    frame = pl.DataFrame({"x": [1.5, None, float("nan")], "s": ["a", "", None]})
    path = tmp_path / "t.parquet"
    frame.write_parquet(path, compression=compression, row_group_size=1, statistics=False)
    assert digest_table(pl.read_parquet(path)) == digest_table(frame)
    assert digest_table(pl.DataFrame(pl.from_arrow(frame.to_arrow()))) == digest_table(frame)


def masked(values: Any, valid: list[bool]) -> pa.Array:
    """The same slots, some declared null, with their old content left beneath."""
    array = pa.array(values)
    bits = pa.array(valid).buffers()[1]
    buffers = [bits, *array.buffers()[1:]]
    if pa.types.is_list(array.type):
        return pa.ListArray.from_buffers(
            array.type, len(array), buffers[:2], children=[array.values]
        )
    if pa.types.is_struct(array.type):
        fields = [array.field(0), array.field(1)]
        return pa.StructArray.from_buffers(array.type, len(array), [bits], children=fields)
    return pa.Array.from_buffers(array.type, len(array), buffers)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3],
        [1.0, float("nan"), 3.0],
        [True, True, False],
        ["one", "two", "three"],
        [b"one", b"two", b"three"],
        [[1], [2, 3], [4]],
        [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}, {"x": 3, "y": "c"}],
    ],
    ids=lambda values: type(values[0]).__name__,
)
def test_what_lies_beneath_a_null_does_not_matter(values: list[Any]) -> None:
    dirty = pl.DataFrame(pl.from_arrow(pa.table({"x": masked(values, [True, False, True])})))
    clean = pl.DataFrame({"x": [values[0], None, values[2]]}, schema=dirty.schema)
    assert dirty.equals(clean)
    assert digest_table(dirty) == digest_table(clean)


def test_all_nan_are_one_value_and_zeros_are_two() -> None:
    payloads = np.array([0x7FF8000000000000, 0xFFF8000000000001, 0x7FF0000000000001], np.uint64)
    nans = pl.DataFrame({"x": payloads.view(np.float64)})
    assert digest_table(nans) == digest_table(pl.DataFrame({"x": [float("nan")] * 3}))
    zeros = digest_table(pl.DataFrame({"x": [0.0]}))
    assert zeros != digest_table(pl.DataFrame({"x": [-0.0]}))


def test_columns_are_told_apart() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    base = digest_table(frame)
    edited = digest_table(frame.with_columns(b=pl.lit("x")))
    assert edited.columns["a"] == base.columns["a"]
    assert edited.columns["b"] != base.columns["b"]
    changed = [
        frame.rename({"a": "c"}),
        frame.select("b", "a"),
        frame.reverse(),
        frame.head(1),
        frame.cast({"a": pl.Int32}),
        frame.drop("a"),
        frame.drop("a", "b"),
    ]
    digests = {digest_table(other).digest for other in changed}
    assert len(digests | {base.digest}) == 1 + len(changed)
    assert digest_table(frame.rename({"a": "c"})).columns["c"] == base.columns["a"]


def test_rows_count_even_without_columns() -> None:
    assert digest_table(pl.DataFrame(height=2)) != digest_table(pl.DataFrame(height=3))


def test_categories_count_by_their_text() -> None:
    one = pl.Series("x", ["b", "a", "b"], dtype=pl.Categorical)
    other = pl.Series("x", ["a", "b", "a", "b"], dtype=pl.Categorical).slice(1)
    assert digest_table(one.to_frame()) != digest_table(one.cast(pl.String).to_frame())
    assert digest_table(other.to_frame()) == digest_table(one.to_frame())


def test_enums_count_by_text_and_by_categories() -> None:
    rows = ["a", None]
    enums = [pl.Enum(["a"]), pl.Enum(["a", "b"]), pl.Enum(["b", "a"]), pl.Enum(["a,b", "a"])]
    found = [digest_table(pl.DataFrame({"x": pl.Series(rows, dtype=enum)})) for enum in enums]
    assert len({table.digest for table in found}) == len(enums)
    assert found[1].columns["x"][0] == 'Enum(["a", "b"])'
    many = pl.Enum([f"category {number}" for number in range(100)])
    ((name, _),) = digest_table(pl.DataFrame(schema={"x": many})).columns.values()
    assert name.startswith("Enum(100: ")


@pytest.mark.parametrize(
    "dtype", [pl.Object(), pl.Struct([]), pl.List(pl.Struct([])), pl.Struct({"x": pl.Object})]
)
def test_what_has_no_stable_meaning_is_refused(dtype: pl.DataType) -> None:
    with pytest.raises(UnsupportedColumn, match=r"column 'what'.*cannot be stored"):
        TableDigest(pl.Schema({"what": dtype}))


def test_a_batch_of_another_schema_is_refused() -> None:
    table = TableDigest(pl.Schema({"x": pl.Int64}))
    with pytest.raises(ChangedSchema, match=r"frame\.cast"):
        table.update(pl.DataFrame({"x": [1.0]}))


def test_the_digest_is_pinned() -> None:
    """A change here makes every stored key of every user a miss: raise the schema version."""
    columns = [
        pl.Series(f"c{index}", [None, *_pinned_values(dtype)], dtype=dtype, strict=False)
        for index, (dtype, _) in enumerate(SMALL)
    ]
    table = digest_table(pl.DataFrame(columns))
    assert table.digest == "0abdf73e3bc4f3f58bfa237c9f934c79bb64c89fc2d2db6f995382597e21a82a"


def _pinned_values(dtype: pl.DataType) -> list[Any]:
    simple: dict[type, Any] = {
        pl.Boolean: [True, False],
        pl.Binary: [b"\0", b""],
        pl.Null: [None, None],
        pl.Date: [dt.date(2013, 1, 1), dt.date(1969, 1, 1)],
        pl.Time: [dt.time(0), dt.time(1, 2, 3)],
        pl.Datetime: [dt.datetime(2013, 1, 1), dt.datetime(1969, 1, 1)],
        pl.Duration: [dt.timedelta(1), dt.timedelta(-1)],
        pl.Decimal: [Decimal("1.25"), Decimal("-1.25")],
        pl.Float32: [-0.0, float("nan")],
        pl.Float64: [-0.0, float("nan")],
        pl.String: ["é", ""],
        pl.Categorical: ["é", ""],
        pl.Enum: ["é", ""],
        pl.Struct: [{"x": 1, "y": "a"}, {"x": None, "y": None}],
    }
    if isinstance(dtype, pl.Array):
        return [[None] * dtype.size, [1.5] * dtype.size]
    if isinstance(dtype, pl.List):
        inner = dtype.inner if isinstance(dtype.inner, pl.DataType) else dtype.inner()
        return [_pinned_values(inner), []]
    return list(simple.get(type(dtype), [1, 2]))
