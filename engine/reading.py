"""Reading what a source has found: named files, compressed or not, as bytes, text or tables.

Guarantee: files are opened and stacked in the order in which the source names them, and whatever
is wrong with one is a `SourceError` that names it. The limit: a fault deep in a plain file that is
scanned lazily shows when the frame is collected.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dagrun.engine.errors import DefinitionError, listing
from dagrun.engine.jsonfiles import read_json_files
from dagrun.engine.openfiles import decode, open_file
from dagrun.engine.scans import read_tables, scan_tables
from dagrun.engine.workbooks import read_workbooks

if TYPE_CHECKING:
    import polars as pl


class Readable:
    """What reads the files that `find` gives; every source of files is one."""

    __slots__ = ()

    @abstractmethod
    def find(self, where: str = "source") -> dict[str, Path]:
        """Return the files by name, in sorted order. Raises `DagrunError`."""

    def open(self) -> Iterator[tuple[str, BinaryIO]]:
        """Yield `(name, binary stream)` of every file; zip and gzip are opened.

        A stream is open until the next one is asked for. Members of a zip come in sorted order
        and are named `archive.zip/member`. Raises `SourceError`, also while reading.
        """
        for name, path in self.find().items():
            yield from open_file(name, path)

    def read_bytes(self) -> bytes:
        """Return the content of the one file. Raises `DefinitionError` if there are several."""
        return self._read_one()[1]

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the text of the one file, without a byte order mark. Raises `NotText`."""
        return decode(*self._read_one(), encoding)

    def _read_one(self) -> tuple[str, bytes]:
        streams = [(name, stream.read()) for name, stream in self.open()]
        if len(streams) > 1:
            raise DefinitionError(
                f"expected one file, found {listing([name for name, _ in streams])}. Narrow the "
                "pattern, or go through them with .open()"
            )
        return streams[0]

    def scan_csv(self, **options: Any) -> pl.LazyFrame:
        """Scan CSV files lazily, stacked in sorted order; `options` are those of Polars.

        Plain files are scanned in place, compressed ones read into memory. `encoding` may be any
        that Python knows. Raises `SourceError`; a fault deep in a plain file shows only when the
        frame is collected, as an error of Polars.
        """
        return scan_tables("csv", self.find(), options)

    def scan_parquet(self, **options: Any) -> pl.LazyFrame:
        """Scan Parquet files lazily, stacked in sorted order. Raises `SourceError`."""
        return scan_tables("parquet", self.find(), options)

    def scan_ndjson(self, **options: Any) -> pl.LazyFrame:
        """Scan files of one JSON object a line, stacked in sorted order. Raises `SourceError`."""
        return scan_tables("ndjson", self.find(), options)

    def read_csv(self, **options: Any) -> pl.DataFrame:
        """Read CSV files, stacked in sorted order. Raises `SourceError` for any bad file."""
        return read_tables("csv", self.find(), options)

    def read_parquet(self, **options: Any) -> pl.DataFrame:
        """Read Parquet files, stacked in sorted order. Raises `SourceError` for any bad file."""
        return read_tables("parquet", self.find(), options)

    def read_ndjson(self, **options: Any) -> pl.DataFrame:
        """Read files of one JSON object a line. Raises `SourceError` for any bad file."""
        return read_tables("ndjson", self.find(), options)

    def read_json(self, at: str = "", **options: Any) -> pl.DataFrame:
        """Read JSON documents: a row for each object of the list at `at` ("data.items").

        `options` are those of `polars.DataFrame`, such as `schema_overrides`. Raises `SourceError`.
        """
        return read_json_files(self.find(), at, options)

    def read_excel(self, **options: Any) -> pl.DataFrame:
        """Read a sheet of each workbook (the first, or `sheet_name=`), stacked in sorted order.

        `options` are those of `polars.read_excel`. Needs the extra `excel`. Raises `MissingExtra`
        and `SourceError`.
        """
        return read_workbooks(self.find(), options)
