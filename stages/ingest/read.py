"""Reading CSV, Parquet and JSON lines into typed tables.

Guarantee: files come in sorted order, rows in the files' order; columns that are declared have
exactly the declared type, and a value that does not fit is an error naming file, column and row.
Columns that are not declared stay as the file has them, in CSV as text. Nothing is stripped,
guessed or dropped. The sources' own `scan_csv` and its likes are the lazy, trusting alternative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

import polars as pl

from dagrun.engine.openfiles import decode
from dagrun.engine.reading import Readable
from dagrun.engine.scans import BadTable, Format, SchemaMismatch
from dagrun.stages.ingest.typed import Types, check_formats, typed


def read_csv(
    files: Readable,
    columns: Types,
    *,
    nulls: Sequence[str] = ("",),
    formats: Mapping[str, str] | None = None,
    separator: str = ",",
    encoding: str = "utf-8",
) -> pl.DataFrame:
    """Read CSV files with a header, zipped and gzipped ones too.

    Args:
        files: what to read.
        columns: the type of each column that is not text.
        nulls: the texts that mean null; no other does.
        formats: the format of each date or time among `columns`, as `strftime` writes it.
        separator: what is between fields.
        encoding: any that Python knows.

    Raises:
        BadTable, SourceError: a file cannot be read or is no CSV.
        SchemaMismatch: a file has other columns than the first one.
        ColumnsMissing, ValuesUnreadable: it does not have the declared columns.
        DefinitionError: a date without a format, or a format without a date.
    """

    def read(name: str, stream: BinaryIO) -> pl.DataFrame:
        text = decode(name, stream.read(), encoding).encode()
        frame = pl.read_csv(text, separator=separator, infer_schema=False)
        # Polars makes an empty field null whatever else means null; here the list decides alone.
        value = pl.all().fill_null("")
        return frame.select(pl.when(~value.is_in(list(nulls))).then(value))

    return _read("csv", files, read, columns, formats or {})


def read_parquet(files: Readable, columns: Types | None = None) -> pl.DataFrame:
    """Read Parquet files; `columns` are cast where that loses nothing.

    Raises as `read_csv` does.
    """

    def read(_: str, stream: BinaryIO) -> pl.DataFrame:
        return pl.read_parquet(stream.read())

    return _read("parquet", files, read, columns or {}, None)


def read_ndjson(
    files: Readable, columns: Types, *, formats: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """Read files of one JSON object a line; `formats` tell how texts are dates and times.

    Raises as `read_csv` does.
    """

    def read(_: str, stream: BinaryIO) -> pl.DataFrame:
        return pl.read_ndjson(stream.read(), infer_schema_length=None)

    return _read("ndjson", files, read, columns, formats or {})


def _read(
    kind: Format,
    files: Readable,
    read: Callable[[str, BinaryIO], pl.DataFrame],
    columns: Types,
    formats: Mapping[str, str] | None,
) -> pl.DataFrame:
    if formats is not None:
        check_formats(columns, formats)

    frames: dict[str, pl.DataFrame] = {}
    for name, stream in files.open():
        try:
            frame = read(name, stream)
        except pl.exceptions.PolarsError as error:
            raise BadTable(name, kind, error) from error
        frames[name] = typed(frame, name, columns, formats or {})
    first, *others = frames
    for name in others:
        if frames[name].schema != frames[first].schema:
            differences = f"{_said(frames[name])}, not {_said(frames[first])}"
            raise SchemaMismatch(name, first, differences)
    return pl.concat(frames.values())


def _said(frame: pl.DataFrame) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in frame.schema.items())
