"""Files of rows to score and of scored rows: Parquet or CSV, by their suffix.

Guarantee: a CSV's fields become exactly the values that the model's columns declare, or an error
names the column, the row and the text; nothing is guessed. An empty field is null, `""` is the
empty string. Files may be larger than memory: some rows are held at a time, in their order. A
written file is there whole or not at all. The limit: columns of a CSV that the model does not take
stay text, and an error counts the wrong fields of some ten thousand rows only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import polars as pl
import pyarrow.parquet as pq

from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.stages.features import Column

ROWS_AT_A_TIME = 1 << 16
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}


class FormatUnknown(DefinitionError):
    """A file's suffix is neither .parquet nor .csv."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: the suffix must be .parquet or .csv")


class FolderMissing(DefinitionError):
    """A file is to be written into a folder that does not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} cannot be written: the folder {path.parent} does not exist")


class Unreadable(DagrunError):
    """A file is not of the format that its suffix says."""

    def __init__(self, path: Path, problem: object) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path} cannot be read: {problem}")


class BadField(DagrunError):
    """A field of a CSV is not a value of its column.

    Attributes:
        row: of the first one, counted from 1 without the header.
        others: how many more fields of the column are wrong.
    """

    def __init__(self, path: Path, column: Column, row: int, text: str, others: int) -> None:
        self.path, self.column, self.row, self.text, self.others = path, column, row, text, others
        more = f" (and {others} more)" if others else ""
        super().__init__(
            f"{path}: column {column.name!r}, row {row}: {text!r} is not {_wanted(column)}{more}. "
            f"If it stands for a missing value, add: --null {text!r}"
        )


class NameConflict(DefinitionError):
    """The input has columns with the names of predictions."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"the input already has the column(s) {', '.join(map(repr, names))}, which predictions "
            "would be written to; rename or drop it first"
        )


class RowsFile:
    """The rows of a file.

    Attributes:
        path: the file.
        rows: how many there are, from `start` on.
        names: its columns.
    """

    def __init__(self, path: Path, nulls: Sequence[str], start: int = 0) -> None:
        """Find out what it holds. Raises `FormatUnknown` and `Unreadable`."""
        self.path, self._start = path, start
        self._typed = path.suffix == ".csv"
        try:
            if path.suffix == ".parquet":
                scan = pl.scan_parquet(path, glob=False, hive_partitioning=False)
            elif self._typed:
                scan = pl.scan_csv(path, glob=False, infer_schema=False, null_values=list(nulls))
            else:
                raise FormatUnknown(path)
            self._scan = scan.slice(start) if start else scan
            self.names = self._scan.collect_schema().names()
            self.rows: int = self._scan.select(pl.len()).collect().item()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise Unreadable(path, error) from error

    def batches(self, columns: Sequence[Column]) -> Iterator[pl.DataFrame]:
        """Yield the rows in order, at least one frame, maybe without rows.

        Of a CSV, the columns named in `columns` get their dtypes; missing ones are left to the
        scorer. Raises `Unreadable` or `BadField`.
        """
        wanted = [column for column in columns if self._typed and column.name in self.names]
        row = self._start
        for frame in self._frames():
            yield frame.with_columns(
                _typed(self.path, each, frame[each.name], row) for each in wanted
            )
            row += frame.height

    def _frames(self) -> Iterator[pl.DataFrame]:
        try:
            if not self.rows:
                yield self._scan.head(0).collect()
            yield from self._scan.collect_batches(chunk_size=ROWS_AT_A_TIME, maintain_order=True)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise Unreadable(self.path, error) from error


def read_rows(path: Path, columns: Sequence[Column], nulls: Sequence[str]) -> pl.DataFrame:
    """Read a whole file. Raises what `RowsFile` and its `batches` do."""
    return pl.concat(RowsFile(path, nulls).batches(columns))


def _typed(path: Path, column: Column, texts: pl.Series, before: int) -> pl.Series:
    if column.dtype in ("double", "int64"):
        values = texts.str.strip_chars().cast(column.frame_dtype, strict=False)
    else:
        known = {text: _parse(column, text) for text in texts.drop_nulls().unique()}
        values = pl.Series(
            texts.name,
            [known.get(text) for text in texts],
            dtype=column.frame_dtype,
        )
    wrong = (texts.is_not_null() & values.is_null()).arg_true()
    if len(wrong):
        row = int(wrong[0])
        raise BadField(path, column, before + row + 1, texts[row], len(wrong) - 1)
    return values


def _parse(column: Column, text: str) -> Any:
    """Return a string, bool, date or timestamp, or None for what is not one."""
    if column.dtype == "string":
        return text
    if column.dtype == "bool":
        return _TRUTHS.get(text.strip().lower())
    try:
        if column.dtype == "date":
            return dt.date.fromisoformat(text.strip())
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if column.aware is not (moment.tzinfo is not None):
        return None
    return moment.astimezone(dt.UTC) if column.aware else moment


def _wanted(column: Column) -> str:
    return {
        "double": "a number",
        "int64": "a whole number",
        "bool": "true or false (or 1 or 0)",
        "date": "a date such as 2013-07-01",
        "timestamp": "a time with its offset such as 2013-07-01T06:00:00Z"
        if column.aware
        else "a time without offset such as 2013-07-01T06:00:00",
    }.get(column.dtype, "text")


def check_names(names: Sequence[str], predictions: Sequence[str]) -> None:
    """Raise `NameConflict` when a column is named like a prediction."""
    if taken := [name for name in predictions if name in names]:
        raise NameConflict(taken)


def check_output(path: Path) -> None:
    """Raise `FormatUnknown` or `FolderMissing` for a file that could not be written."""
    if path.suffix not in (".parquet", ".csv"):
        raise FormatUnknown(path)
    if not path.parent.is_dir():
        raise FolderMissing(path)


class ScoredFile:
    """A file that is written some rows at a time, and seen by nobody before it is finished.

    Attributes:
        path: what it will be called.
        rows: how many are written.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, 0
        self._unfinished = path.with_name(f".{path.name}.unfinished")
        self._csv: IO[bytes] | None = None
        self._parquet: pq.ParquetWriter | None = None

    def append(self, frame: pl.DataFrame) -> None:
        """Write rows behind the others. CSV keeps float32 bits when read back."""
        if self.path.suffix == ".csv":
            if first := self._csv is None:
                self._csv = self._unfinished.open("wb")
            frame.write_csv(self._csv, include_header=first)
        else:
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(self._unfinished, table.schema, compression="zstd")
            self._parquet.write_table(table)
        self.rows += frame.height

    def finish(self, path: Path | None = None) -> None:
        """Let the file appear, replacing one of that name; at `path` if that is given."""
        self._close()
        self._unfinished.replace(path or self.path)

    def discard(self) -> None:
        """Leave nothing behind, unless it was finished."""
        self._close()
        self._unfinished.unlink(missing_ok=True)

    def _close(self) -> None:
        for opened in (self._csv, self._parquet):
            if opened is not None:
                opened.close()


def write_rows(frame: pl.DataFrame, path: Path) -> None:
    """Write a whole file, replacing one of that name."""
    file = ScoredFile(path)
    try:
        file.append(frame)
        file.finish()
    finally:
        file.discard()
