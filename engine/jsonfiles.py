"""Reading JSON documents as one Polars table: a list of objects in each, at a place in it.

Guarantee: rows are stacked in the order of the files, and a column has one type over all of them or
the file is refused. The limit: a document is read whole; for more than fits write a line per object
and scan it with `scan_ndjson`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagrun.engine.errors import listing
from dagrun.engine.openfiles import SourceError, decode, open_file

if TYPE_CHECKING:
    import polars as pl

_MISSING = object()


class BadJson(SourceError):
    """A file is no JSON, or has no rows where they should be."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(file, problem, "Say where its rows are: .read_json(at='data.items')")


def dig(document: Any, at: str, missing: Any = None) -> Any:
    """Return what is at a dotted place in a document, `missing` if there is no such place."""
    for name in at.split(".") if at else ():
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        else:
            return missing
    return document


def read_json_files(files: Mapping[str, Path], at: str, options: dict[str, Any]) -> pl.DataFrame:
    """Return one row for each object of the list at `at` in every file. Raises `BadJson`."""
    import polars as pl

    rows: list[Any] = []
    for file, path in files.items():
        for name, stream in open_file(file, path):
            rows += _rows(name, decode(name, stream.read(), "utf-8"), at)
    try:
        return pl.DataFrame(rows, **{"infer_schema_length": None, **options})
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        what = " ".join(str(error).split())
        raise BadJson(listing(list(files), 3), f"cannot be read as a table: {what}") from error


def _rows(name: str, text: str, at: str) -> list[Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BadJson(name, f"is no JSON: {error}") from error
    rows = dig(document, at, _MISSING)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        what = "nothing" if rows is _MISSING else f"a {type(rows).__name__}"
        known = f" (it has: {listing(list(document))})" if isinstance(document, dict) else ""
        where = f"at {at!r}" if at else "at its top"
        raise BadJson(name, f"has {what} {where}, no list of objects{known}")
    return rows
