"""Forty faults of data, each planted in one good day of flights, as files have them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

Kind = Literal["csv", "parquet"]
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: `plant` writes the faulty files of a good day into a folder."""

    name: str
    kind: Kind
    plant: Callable[[pl.DataFrame, Path], None]


def write(day: pl.DataFrame, folder: Path, kind: Kind = "csv", name: str = "flights") -> Path:
    """Write a day as its supplier does."""
    path = folder / f"{name}.{kind}"
    if kind == "csv":
        day.write_csv(path, datetime_format=MOMENT)
    else:
        day.write_parquet(path)
    return path


def values(name: str, *change: pl.Expr, kind: Kind = "csv") -> Fault:
    """Return a fault that computes columns anew."""
    return table(name, lambda day: day.with_columns(*change), kind)


def table(name: str, change: Callable[[pl.DataFrame], pl.DataFrame], kind: Kind = "csv") -> Fault:
    """Return a fault that makes another table."""

    def plant(day: pl.DataFrame, folder: Path) -> None:
        write(change(day), folder, kind)

    return Fault(name=name, kind=kind, plant=plant)


def content(name: str, change: Callable[[bytes], bytes], kind: Kind = "csv") -> Fault:
    """Return a fault of the file's bytes."""

    def plant(day: pl.DataFrame, folder: Path) -> None:
        path = write(day, folder, kind)
        path.write_bytes(change(path.read_bytes()))

    return Fault(name=name, kind=kind, plant=plant)


def files(name: str, plant: Callable[[pl.DataFrame, Path], None]) -> Fault:
    """Return a fault of which files there are."""
    return Fault(name=name, kind="csv", plant=plant)


def every(n: int, value: object, column: str) -> pl.Expr:
    """Put a value into every n-th row of a column."""
    row = pl.arange(0, pl.len())
    return pl.when(row % n == n // 2).then(pl.lit(value)).otherwise(column).alias(column)


def _first_line(data: bytes, change: Callable[[str], str]) -> bytes:
    head, _, rest = data.decode().partition("\n")
    return (change(head) + "\n" + rest).encode()


def _duplicated_day(day: pl.DataFrame, folder: Path) -> None:
    write(day, folder)
    write(day, folder, name="flights-again")


def _two_layouts(day: pl.DataFrame, folder: Path) -> None:
    write(day.head(500), folder)
    write(day.tail(-500).rename({"dest": "destination"}), folder, name="flights-rest")


def _cut_gzip(day: pl.DataFrame, folder: Path) -> None:
    path = write(day, folder)
    (folder / "flights.csv.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0)[:-2_000])
    path.unlink()


def _nothing(day: pl.DataFrame, folder: Path) -> None:
    (folder / "readme.txt").write_text("the transfer failed")


_DELAY, _DISTANCE, _AIR = pl.col("arr_delay"), pl.col("distance"), pl.col("air_time")
_TEXT = pl.String

FAULTS: tuple[Fault, ...] = (
    table("missing column", lambda day: day.drop("arr_delay")),
    table("renamed column", lambda day: day.rename({"dep_delay": "departure_delay"})),
    values("unexpected column", pl.lit(1).alias("load_id")),
    content("header lost", lambda data: data.partition(b"\n")[2]),
    content("other separator", lambda data: data.replace(b",", b";")),
    content("empty file", lambda data: b""),
    content("header and no rows", lambda data: data.partition(b"\n")[0] + b"\n"),
    content("file cut off in a row", lambda data: data[: len(data) * 2 // 3 - 7]),
    content("truncated Parquet", lambda data: data[: len(data) // 2], "parquet"),
    files("damaged gzip", _cut_gzip),
    files("no file at all", _nothing),
    files("files of two layouts", _two_layouts),
    content(
        "an error page in its place", lambda data: b"<html><body>502 Bad Gateway</body></html>"
    ),
    content("UTF-16", lambda data: data.decode().encode("utf-16")),
    content("Latin-1", lambda data: data.replace(b"arrived", "arrivé".encode("latin-1"), 40)),
    content("unbalanced quote", lambda data: data.replace(b",JFK,", b',"JFK,', 1)),
    values(
        "number with its unit",
        pl.concat_str(_DISTANCE.cast(_TEXT), pl.lit(" mi")).alias("distance"),
    ),
    values("decimal comma", every(9, "12,5", "arr_delay")),
    values("type drift in Parquet", pl.col("flight").cast(_TEXT), kind="parquet"),
    values("time zone lost", pl.col("sched_dep").dt.replace_time_zone(None), kind="parquet"),
    values(
        "mixed date order",
        pl.when(pl.arange(0, pl.len()) % 3 == 0)
        .then(pl.col("sched_dep").dt.strftime("%d/%m/%Y %H:%M"))
        .otherwise(pl.col("sched_dep").dt.strftime(MOMENT))
        .alias("sched_dep"),
    ),
    values(
        "day and month swapped",
        pl.col("sched_dep").dt.strftime("%Y-%d-%mT%H:%M:%SZ").alias("sched_dep"),
    ),
    values("N/A for null", every(11, "N/A", "air_time")),
    values("-999 for null", every(20, -999, "dep_delay")),
    values("kilometres for miles", (_DISTANCE * 1.609).cast(pl.Int64)),
    values("hours for minutes", (_AIR / 60).round(0).cast(pl.Int64)),
    values("null burst", pl.when(pl.arange(0, pl.len()) % 4 != 0).then(_DELAY).alias("arr_delay")),
    values("nulls in a key", every(300, None, "carrier")),
    values("NaN in floats", every(25, float("nan"), "gain"), kind="parquet"),
    files("duplicated day", _duplicated_day),
    table("some rows twice", lambda day: pl.concat([day, day.head(40)])),
    values("late partition", pl.col("sched_dep") - pl.duration(days=2)),
    table("half the rows lost", lambda day: day.gather_every(3)),
    values("new category", every(20, "returned", "status")),
    values("unknown key", every(50, "ZZ", "carrier")),
    values("lower case", pl.col("origin").str.to_lowercase()),
    values("swapped columns", pl.col("origin").alias("dest"), pl.col("dest").alias("origin")),
    values("shifted mean", _DELAY + 20, pl.col("gain") - 20),
    values("constant column", pl.lit(12).alias("temp")),
    values("total that does not add up", every(80, 555.0, "gain")),
)
