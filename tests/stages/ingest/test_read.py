"""Reading raw tables: nothing stripped, guessed or dropped, and errors that say where."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.engine.scans import BadTable, SchemaMismatch
from dagrun.engine.sources import Files
from dagrun.stages.ingest import ValuesUnreadable, read_csv, read_ndjson, read_parquet
from dagrun.stages.ingest.typed import ColumnsMissing

CSV = b"zip,day,seats\n001,2013-01-02,3\n 2 ,NA,\n"
COLUMNS = {"day": pl.Date, "seats": pl.Int32}
FORMATS = {"day": "%Y-%m-%d"}


def files(folder: Path, **contents: bytes) -> Files:
    for name, data in contents.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return Files("*").bind(folder)


def test_declared_columns_get_their_type_and_others_stay_text(tmp_path: Path) -> None:
    frame = read_csv(files(tmp_path, a__csv=CSV), COLUMNS, nulls=["NA", ""], formats=FORMATS)
    assert frame.schema == {"zip": pl.String, "day": pl.Date, "seats": pl.Int32}
    assert frame.rows() == [("001", dt.date(2013, 1, 2), 3), (" 2 ", None, None)]


def test_only_the_texts_that_are_named_mean_null(tmp_path: Path) -> None:
    frame = read_csv(files(tmp_path, a__csv=b'a,b\nNA,""\n,x\n'), {}, nulls=["NA"])
    assert frame.rows() == [(None, ""), ("", "x")]


def test_zip_and_gzip_are_opened_and_files_stacked_in_order(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in.csv", b"a\n2\n")
    source = files(tmp_path, c__csv=b"a\n3\n", a__csv__gz=gzip.compress(b"a\n1\n"))
    (tmp_path / "b.csv.zip").write_bytes(packed.getvalue())
    assert read_csv(source, {"a": pl.Int64})["a"].to_list() == [1, 2, 3]


def test_all_bad_values_are_told_with_file_column_and_row(tmp_path: Path) -> None:
    data = b"day,seats,n\n2013-01-02,3,1\n02/01/2013,3.5,300\n2013-02-30, 4,x\n"
    with pytest.raises(ValuesUnreadable) as caught:
        read_csv(files(tmp_path, f__csv=data), COLUMNS | {"n": pl.UInt8}, formats=FORMATS)
    found = {one.column: (one.count, one.examples) for one in caught.value.columns}
    assert found == {
        "day": (2, ((2, "02/01/2013"), (3, "2013-02-30"))),
        "seats": (2, ((2, "3.5"), (3, " 4"))),
        "n": (2, ((2, "300"), (3, "x"))),
    }
    assert "f.csv has values that cannot be read" in str(caught.value)
    assert "seats: 2 values are no Int32, such as '3.5' in data row 2" in str(caught.value)


def test_a_missing_column_is_named_with_its_nearest(tmp_path: Path) -> None:
    with pytest.raises(ColumnsMissing, match=r"f.csv has no column seat\. Did you mean 'seats'"):
        read_csv(files(tmp_path, f__csv=CSV), {"seat": pl.Int64})


def test_dates_are_never_guessed(tmp_path: Path) -> None:
    source = files(tmp_path, f__csv=CSV)
    with pytest.raises(DefinitionError, match="'day' is Date and needs an entry in formats"):
        read_csv(source, COLUMNS)
    with pytest.raises(DefinitionError, match="'seats' is Int32 and cannot have"):
        read_csv(source, COLUMNS, formats=FORMATS | {"seats": "%Y"})
    with pytest.raises(DefinitionError, match=r"'dya', which columns does not.* mean 'day'"):
        read_csv(source, COLUMNS, formats={"dya": "%Y"})


def test_a_ragged_line_or_another_file_s_columns_are_errors(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match=r"f.csv cannot be read as csv"):
        read_csv(files(tmp_path, f__csv=b"a,b\n1,2\n1,2,3\n"), {})
    with pytest.raises(
        SchemaMismatch, match=r"g.csv has other columns than f.csv: b String, not a"
    ):
        read_csv(files(tmp_path, f__csv=b"a\n1\n", g__csv=b"b\n1\n"), {})


def test_other_encodings_are_decoded(tmp_path: Path) -> None:
    source = files(tmp_path, f__csv="name\nM\xfcnchen\n".encode("cp1252"))
    assert read_csv(source, {}, encoding="cp1252")["name"].to_list() == ["München"]
    with pytest.raises(DagrunError, match=r"f.csv is not utf-8"):
        read_csv(source, {})


def test_parquet_columns_are_cast_only_where_nothing_is_lost(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2**53 + 1], "b": [1.0, 2.0], "c": ["x", "y"]})
    frame.write_parquet(tmp_path / "t.parquet")
    source = Files("t.parquet").bind(tmp_path)
    assert read_parquet(source).equals(frame)
    assert read_parquet(source, {"b": pl.Int32})["b"].dtype == pl.Int32
    with pytest.raises(
        ValuesUnreadable, match=r"(?s)a: 1 values are no Float64.* 9007199254740993"
    ):
        read_parquet(source, {"a": pl.Float64})


def test_json_lines_are_read_with_types(tmp_path: Path) -> None:
    source = files(tmp_path, f__ndjson=b'{"a": 1, "at": "2013-01-02 03:04"}\n{"a": null}\n')
    frame = read_ndjson(
        source, {"a": pl.Float64, "at": pl.Datetime("us")}, formats={"at": "%Y-%m-%d %H:%M"}
    )
    assert frame.rows() == [(1.0, dt.datetime(2013, 1, 2, 3, 4)), (None, None)]


NUMBERS = st.integers(-(2**31), 2**31 - 1).map(str) | st.sampled_from(["", "x", "1.5", " 1", "1e3"])


@given(texts=st.lists(NUMBERS, min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_a_table_is_read_whole_or_refused_with_every_bad_value(tmp_path_factory, texts) -> None:
    folder = tmp_path_factory.mktemp("csv")
    source = files(folder, f__csv=("a,b\n" + "".join(f"{text},\n" for text in texts)).encode())
    bad = [n for n, text in enumerate(texts, 1) if text and not text.lstrip("-").isdecimal()]
    try:
        frame = read_csv(source, {"a": pl.Int32})
    except ValuesUnreadable as error:
        (column,) = error.columns
        assert column.count == len(bad)
        assert [row for row, _ in column.examples] == bad[:5]
    else:
        assert not bad
        assert frame["a"].to_list() == [int(text) if text else None for text in texts]
