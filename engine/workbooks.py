"""Reading Excel workbooks as one Polars table, with fastexcel, which only an extra brings.

Guarantee: sheets are stacked in the order of the files and only if their columns are equal; what is
wrong with a workbook is told by its name. The limit: a sheet is read whole, and cells are typed by
what Excel holds in them, so a column of mixed cells becomes text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.extras import MissingExtra
from dagrun.engine.openfiles import EmptyFile, SourceError, open_file
from dagrun.engine.scans import check_schemas

if TYPE_CHECKING:
    import polars as pl


class BadWorkbook(SourceError):
    """A file is no workbook, or not one that can be read."""

    def __init__(self, file: str, error: Exception) -> None:
        what = " ".join(str(error).split("\n")[0].split()).rstrip(".")
        super().__init__(
            file,
            f"cannot be read as a workbook: {what}",
            "Save it as .xlsx in Excel; options go to .read_excel(...)",
        )


class NoSuchSheet(DefinitionError):
    """A workbook lacks the sheet that is asked for."""

    def __init__(self, file: str, sheet: str, sheets: list[str]) -> None:
        self.file, self.sheet, self.sheets = file, sheet, sheets
        super().__init__(
            f"{file} has no sheet {sheet!r}.{nearest(sheet, sheets)} Sheets: {listing(sheets)}"
        )


def read_workbooks(files: Mapping[str, Path], options: dict[str, Any]) -> pl.DataFrame:
    """Return the rows of one sheet of every workbook. Raises `SourceError`, `NoSuchSheet`."""
    import polars as pl

    try:
        import fastexcel
    except ModuleNotFoundError as error:
        raise MissingExtra("fastexcel", "excel", ".read_excel") from error

    frames = {}
    for file, path in files.items():
        for name, stream in open_file(file, path):
            data = stream.read()
            if not data:
                raise EmptyFile(name)
            try:
                sheets = fastexcel.read_excel(data).sheet_names
                wanted = options.get("sheet_name")
                if isinstance(wanted, str) and wanted not in sheets:
                    raise NoSuchSheet(name, wanted, sheets)
                frames[name] = pl.read_excel(data, engine="calamine", **options)
            except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
                raise BadWorkbook(name, error) from error
    check_schemas({name: frame.schema for name, frame in frames.items()})
    stacked: pl.DataFrame = pl.concat(frames.values())
    return stacked
