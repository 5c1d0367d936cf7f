"""Excel workbooks and JSON documents, read through `Files`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter

from dagrun import Files
from dagrun.engine.jsonfiles import BadJson
from dagrun.engine.openfiles import EmptyFile
from dagrun.engine.scans import SchemaMismatch
from dagrun.engine.workbooks import BadWorkbook, NoSuchSheet


def book(path: Path, **sheets: list[list[object]]) -> None:
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd"}) as workbook:
        for name, rows in sheets.items():
            sheet = workbook.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)


ROWS: list[list[object]] = [["id", "day", "price"], [1, dt.date(2024, 2, 29), 2.5]]


def test_sheets_are_stacked(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", sales=ROWS, other=[["x"], [1]])
    book(tmp_path / "b.xlsx", sales=[ROWS[0], [2, dt.date(2024, 3, 1), 0.1]])
    frame = Files("*.xlsx").bind(tmp_path).read_excel()
    assert frame.rows() == [(1, dt.date(2024, 2, 29), 2.5), (2, dt.date(2024, 3, 1), 0.1)]
    other = Files("a.xlsx").bind(tmp_path).read_excel(sheet_name="other")
    assert other.to_dict(as_series=False) == {"x": [1]}


def test_a_bad_workbook_is_told_by_its_name(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", sales=ROWS)
    book(tmp_path / "b.xlsx", sales=[["id"], [1]])
    (tmp_path / "c.xlsx").write_bytes(b"no workbook")
    (tmp_path / "d.xlsx").touch()
    with pytest.raises(NoSuchSheet, match=r"a\.xlsx has no sheet 'sale'\. Did you mean 'sales'"):
        Files("a.xlsx").bind(tmp_path).read_excel(sheet_name="sale")
    with pytest.raises(SchemaMismatch, match=r"b\.xlsx has other columns than a\.xlsx"):
        Files("[ab].xlsx").bind(tmp_path).read_excel()
    with pytest.raises(BadWorkbook, match=r"c\.xlsx cannot be read as a workbook"):
        Files("c.xlsx").bind(tmp_path).read_excel()
    with pytest.raises(EmptyFile):
        Files("d.xlsx").bind(tmp_path).read_excel()


def test_documents_are_stacked(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"data": {"items": [{"id": 1, "x": null}, {"id": 2}]}}')
    (tmp_path / "b.json").write_text('{"data": {"items": [{"id": 3, "x": 0.5}]}}')
    frame = Files("*.json").bind(tmp_path).read_json("data.items")
    assert frame.rows() == [(1, None), (2, None), (3, 0.5)]
    typed = (
        Files("a.json").bind(tmp_path).read_json("data.items", schema_overrides={"x": pl.Float64})
    )
    assert typed.schema == {"id": pl.Int64, "x": pl.Float64}


@pytest.mark.parametrize(
    ("text", "at", "told"),
    [
        ("{", "", "is no JSON"),
        ('{"rows": [1]}', "rows", "no list of objects"),
        ('{"rows": []}', "items", r"has nothing at 'items'.*it has: rows"),
        ('{"rows": 1}', "rows.0", "has nothing"),
    ],
)
def test_a_bad_document_is_told_by_its_name(tmp_path: Path, text: str, at: str, told: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadJson, match=told):
        Files("a.json").bind(tmp_path).read_json(at)
