"""Files of rows to score and of scored rows: Parquet or CSV, by their suffix.

Guarantee: a CSV's fields become exactly the values that the model's columns declare, or an error
names the column, the row and the text; nothing is guessed. An empty field is null, `""` is the
empty string. A written file is there whole or not at all. The limit: columns of a CSV that the
model does not take stay text.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.stages.features import Column

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


def read_rows(path: Path, columns: Sequence[Column], nulls: Sequence[str]) -> pl.DataFrame:
    """Read a file; of a CSV, the columns named in `columns` get their dtypes.

    Raises `FormatUnknown`, `Unreadable` or `BadField`. Missing columns are left to the scorer.
    """
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.suffix != ".csv":
            raise FormatUnknown(path)
        frame = pl.read_csv(path, infer_schema=False, null_values=list(nulls))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Unreadable(path, error) from error
    present = [column for column in columns if column.name in frame.columns]
    return frame.with_columns(_typed(path, column, frame[column.name]) for column in present)


def _typed(path: Path, column: Column, texts: pl.Series) -> pl.Series:
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
        raise BadField(path, column, row + 1, texts[row], len(wrong) - 1)
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


def check_names(frame: pl.DataFrame, predictions: Sequence[str]) -> None:
    """Raise `NameConflict` when the frame has a column named like a prediction."""
    if taken := [name for name in predictions if name in frame.columns]:
        raise NameConflict(taken)


def check_output(path: Path) -> None:
    """Raise `FormatUnknown` or `FolderMissing` for a file that could not be written."""
    if path.suffix not in (".parquet", ".csv"):
        raise FormatUnknown(path)
    if not path.parent.is_dir():
        raise FolderMissing(path)


def write_rows(frame: pl.DataFrame, path: Path) -> None:
    """Write a file whole, replacing one of that name. CSV keeps float32 bits when read back."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        if path.suffix == ".csv":
            frame.write_csv(unfinished)
        else:
            frame.write_parquet(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
