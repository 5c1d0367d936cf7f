"""Tables survive storage with every dtype, whatever their form when they were returned."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from dagrun.engine.codec import Ordered
from dagrun.engine.frames.streaming import PlanFailed, UnknownOrder
from dagrun.engine.frames.tabledigest import UnsupportedColumn, digest_table
from dagrun.engine.tables import TABLE, NotATable, UnsupportedTable, sorted_by

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
SAME_FOLDER = settings(
    max_examples=2_000 if SOAK else 80,
    derandomize=not SOAK,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@SAME_FOLDER
@given(frame=dataframes(max_size=8, max_cols=4))
def test_every_dtype_round_trips(tmp_path: Path, frame: pl.DataFrame) -> None:
    path = tmp_path / "blob"
    try:
        dumped = TABLE.dump(frame, path)
    except UnsupportedColumn as error:
        kinds = str(frame.schema[error.column])
        assert "Struct({})" in kinds or "ext" in kinds.lower() or "Map" in kinds
        return
    loaded = TABLE.load(path, pl.DataFrame)
    assert loaded.schema == frame.schema
    assert_frame_equal(loaded, frame)
    assert digest_table(loaded).digest == dumped.logical
    assert TABLE.load(path, pl.LazyFrame).collect_schema() == frame.schema


@SAME_FOLDER
@given(
    rows=st.lists(st.tuples(st.none() | st.floats(), st.none() | st.text()), max_size=30),
    cut=st.integers(0, 30),
)
def test_equal_frames_give_equal_bytes(
    tmp_path: Path, rows: list[tuple[float | None, str | None]], cut: int
) -> None:
    frame = pl.DataFrame(rows, schema={"x": pl.Float64, "s": pl.String}, orient="row")
    chunked = pl.concat([frame.head(cut), frame.slice(cut)], rechunk=False)
    first = TABLE.dump(frame, tmp_path / "first")
    assert TABLE.dump(chunked, tmp_path / "second") == first
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_threads_do_not_change_the_bytes(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, polars as pl; from dagrun.engine.tables import TABLE;"
        "n = pl.int_range(600_000, eager=True);"
        "f = pl.DataFrame({'n': n, 's': (n % 1000).cast(pl.String)}).filter(pl.col('n') % 3 > 0);"
        "print(TABLE.dump(f, pathlib.Path(sys.argv[1])).logical)"
    )
    found = set()
    for threads in ("1", "4"):
        path = tmp_path / threads
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, str(path)],
            env=os.environ | {"POLARS_MAX_THREADS": threads},
            capture_output=True,
            check=True,
        )
        found.add((done.stdout, path.read_bytes()))
    assert len(found) == 1


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame(),
        pl.DataFrame(height=5),
        pl.DataFrame(schema={"x": pl.Int64, "s": pl.List(pl.Categorical)}),
    ],
    ids=["nothing", "no columns", "no rows"],
)
def test_empty_tables(tmp_path: Path, frame: pl.DataFrame) -> None:
    dumped = TABLE.dump(frame, tmp_path / "blob")
    assert dumped.rows == frame.height
    for loaded in (
        TABLE.load(tmp_path / "blob", None),
        TABLE.load(tmp_path / "blob", pl.LazyFrame).collect(),
    ):
        assert loaded.shape == frame.shape
        assert loaded.schema == frame.schema
    ordered = Ordered(table=frame.lazy(), order_by=tuple(frame.columns[:1]))
    assert TABLE.dump(ordered, tmp_path / "lazy") == dumped


def test_lazy_frames_are_collected_in_order(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": range(100_000)})
    lazy = frame.lazy().filter(pl.col("x") % 2 == 0)
    dumped = TABLE.dump(lazy, tmp_path / "blob")
    assert dumped == TABLE.dump(frame.filter(pl.col("x") % 2 == 0), tmp_path / "eager")
    assert dumped.rows == 50_000
    assert dumped.columns["x"][0] == "Int64"


def test_a_lazy_frame_over_a_lost_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(PlanFailed, match="keep the files it scans"):
        TABLE.dump(pl.scan_parquet(tmp_path / "gone.parquet"), tmp_path / "blob")


def test_arrow_tables_go_in_and_out(tmp_path: Path) -> None:
    table = pa.table({"x": pa.array([1, None]), "s": pa.array(["a", "b"]).dictionary_encode()})
    dumped = TABLE.dump(table, tmp_path / "blob")
    frame = pl.DataFrame(pl.from_arrow(table))
    assert dumped.logical == digest_table(frame).digest
    loaded = TABLE.load(tmp_path / "blob", pa.Table)
    assert loaded.to_pydict() == table.to_pydict()
    assert TABLE.dump(loaded, tmp_path / "again") == dumped


def test_arrow_types_that_polars_lacks_are_refused(tmp_path: Path) -> None:
    spans = pa.array([(1, 2, 3)], type=pa.month_day_nano_interval())
    with pytest.raises(UnsupportedTable, match="Cast its columns"):
        TABLE.dump(pa.table({"x": spans}), tmp_path / "blob")


def test_wide_integers_stay_out_of_arrow(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": pl.Series([2**100, None], dtype=pl.Int128)})
    TABLE.dump(frame, tmp_path / "blob")
    assert TABLE.load(tmp_path / "blob", None).equals(frame)
    with pytest.raises(NotATable, match=r"pyarrow\.Table"):
        TABLE.load(tmp_path / "blob", pa.Table)


@pytest.mark.parametrize("wanted", [None, pl.DataFrame, object, Any, pl.DataFrame | None, "x"])
def test_what_is_handed_over_by_default(tmp_path: Path, wanted: Any) -> None:
    TABLE.dump(pl.DataFrame({"x": [1]}), tmp_path / "blob")
    assert isinstance(TABLE.load(tmp_path / "blob", wanted), pl.DataFrame)


def test_a_table_is_not_handed_over_as_a_dict(tmp_path: Path) -> None:
    TABLE.dump(pl.DataFrame({"x": [1]}), tmp_path / "blob")
    with pytest.raises(NotATable, match="handed over as dict"):
        TABLE.load(tmp_path / "blob", dict)


@pytest.mark.parametrize("name", ["day=1", "[x]", "*"])
def test_the_folder_of_the_store_is_no_pattern(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    frame = pl.DataFrame({"x": [1]})
    TABLE.dump(frame, folder / "blob")
    assert TABLE.load(folder / "blob", None).equals(frame)
    assert TABLE.load(folder / "blob", pl.LazyFrame).collect().equals(frame)
    assert TABLE.load(folder / "blob", pa.Table).column_names == ["x"]


def test_an_order_by_unknown_columns_names_the_nearest() -> None:
    with pytest.raises(UnknownOrder, match="Did you mean 'carrier'"):
        sorted_by(pl.LazyFrame({"carrier": ["UA"]}), ["carier"])
