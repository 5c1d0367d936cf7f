"""Reading source files as one Polars table: CSV, Parquet or NDJSON, compressed or not.

Guarantee: files are stacked in the order given and only if their schemas are equal; what is wrong
with a file is told by its name. The limit: Polars reads plain files lazily, so a fault beyond
the first `HEAD` bytes and Polars' own schema inference appears when the frame is collected.

Polars is imported inside the functions: this module is loaded before a pipeline needs tables.
"""

from __future__ import annotations

import codecs
import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dagrun.engine.openfiles import (
    EmptyFile,
    NotText,
    SourceError,
    UnreadableFile,
    decode,
    is_plain,
    open_file,
)

if TYPE_CHECKING:
    import polars as pl

Format = Literal["csv", "parquet", "ndjson"]
HEAD = 1 << 16


class BadTable(SourceError):
    """Polars cannot read a file as the table it should be."""

    def __init__(self, file: str, kind: Format, error: Exception) -> None:
        what = " ".join(str(error).split()).rstrip(".")
        super().__init__(
            file, f"cannot be read as {kind}: {what}", f"Options go to .scan_{kind}(...)"
        )


class SchemaMismatch(SourceError):
    """A file's columns are not those of the first file."""

    def __init__(self, file: str, first: str, differences: str) -> None:
        self.first, self.differences = first, differences
        super().__init__(
            file,
            f"has other columns than {first}: {differences}",
            "Fix the types with schema_overrides={...}, or read the files one by one with .open()",
        )


def scan_tables(kind: Format, files: Mapping[str, Path], options: dict[str, Any]) -> pl.LazyFrame:
    """Return one lazy frame over all files. Raises `SourceError`."""
    import polars as pl

    frames = {}
    for name, source in _sources(kind, files, options):
        frames[name] = getattr(pl, f"scan_{kind}")(source, **_options(kind, options))
    check_schemas({name: _schema(kind, name, frame) for name, frame in frames.items()})
    stacked: pl.LazyFrame = pl.concat(frames.values())
    return stacked


def read_tables(kind: Format, files: Mapping[str, Path], options: dict[str, Any]) -> pl.DataFrame:
    """Return one frame with the rows of all files. Raises `SourceError`."""
    import polars as pl

    frames = {}
    for name, source in _sources(kind, files, options):
        try:
            frames[name] = getattr(pl, f"read_{kind}")(source, **_options(kind, options))
        except pl.exceptions.PolarsError as error:
            if kind != "parquet" and "utf-8" in str(error).lower():
                decode(name, source.read_bytes() if isinstance(source, Path) else source, "utf-8")
            raise BadTable(name, kind, error) from error
    check_schemas({name: frame.schema for name, frame in frames.items()})
    stacked: pl.DataFrame = pl.concat(frames.values())
    return stacked


def _sources(
    kind: Format, files: Mapping[str, Path], options: Mapping[str, Any]
) -> Iterator[tuple[str, Path | bytes]]:
    """Yield what Polars is to read: the path of a plain file, else bytes, checked at the door."""
    encoding = options.get("encoding", "utf8")
    for file, path in files.items():
        in_place = is_plain(file) and encoding in ("utf8", "utf8-lossy")
        # NDJSON has no way to switch Polars' own globbing off.
        if in_place and not (kind == "ndjson" and glob.has_magic(str(path))):
            _check_head(file, path, text=kind != "parquet" and encoding == "utf8")
            yield file, path
            continue
        for name, stream in open_file(file, path):
            data = stream.read()
            if not data:
                raise EmptyFile(name)
            if kind != "parquet" and encoding != "utf8-lossy":
                text = decode(name, data, encoding)
                data = data if encoding == "utf8" else text.encode()
            yield name, data


def _check_head(name: str, path: Path, *, text: bool) -> None:
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise UnreadableFile(name, error) from error
    if not head:
        raise EmptyFile(name)
    if text:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD)
        except UnicodeDecodeError as error:
            raise NotText(name, error) from error


def _options(kind: Format, options: dict[str, Any]) -> dict[str, Any]:
    if kind == "ndjson":
        return options
    if kind == "parquet":
        return {"glob": False, "hive_partitioning": False, **options}
    known = options.get("encoding", "utf8") == "utf8-lossy"
    return {"glob": False, **options, "encoding": "utf8-lossy" if known else "utf8"}


def _schema(kind: Format, name: str, frame: pl.LazyFrame) -> pl.Schema:
    import polars as pl

    try:
        return frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise BadTable(name, kind, error) from error


def check_schemas(schemas: Mapping[str, pl.Schema]) -> None:
    """Raise `SchemaMismatch` unless the schemas of all files, by name, are equal."""
    (first, expected), *others = schemas.items()
    for name, schema in others:
        if schema == expected:
            continue
        if schema.names() != expected.names():
            raise SchemaMismatch(name, first, f"{schema.names()}, not {expected.names()}")
        differences = [
            f"{column} is {schema[column]}, not {expected[column]}"
            for column in expected
            if schema[column] != expected[column]
        ]
        raise SchemaMismatch(name, first, "; ".join(differences))
