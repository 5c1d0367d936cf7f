"""`dagrun contract`: drafts, checks and baselines from files and artifacts."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests_cli import Call
from tests_project import ProjectFolder

ORDERS = """order,day,item,price
1,2024-03-01,tea,1.5
2,2024-03-01,cake,-2
3,2024-03-02,tea,
"""
CONTRACT = """
[table]
max_bad_share = 0.5
[columns.order]
dtype = "integer"
[columns.day]
[columns.item]
[columns.price]
dtype = "float"
min = 0
severity = "quarantine"
[[references]]
columns = ["item"]
table = "items"
severity = "warn"
"""


@pytest.fixture
def folder(project: ProjectFolder) -> Path:
    project.write("orders.csv", ORDERS)
    project.write("orders.toml", CONTRACT)
    project.write("items.csv", "item\ntea\n")
    return project.root


CHECK = ("contract", "check", "orders.toml", "orders.csv", "--reference", "items=items.csv")


def test_a_draft_is_kept_by_its_table(folder: Path, call: Call) -> None:
    drafted = call("contract", "infer", "orders.csv")
    assert drafted.out.startswith(
        "# Drafted from orders.csv: read it before you trust it.\n[table]"
    )
    (folder / "draft.toml").write_text(drafted.out)
    assert call("contract", "check", "draft.toml", "orders.csv").code == 0


def test_findings_are_told_and_bad_rows_written(folder: Path, call: Call) -> None:
    answer = call(*CHECK, "--bad-rows", "bad.parquet")
    assert answer.code == 0
    assert answer.out == (
        "orders.csv  3 rows, 1 of them set apart: keeps its contract\n"
        "  quarantine column price: min: expected at least 0, found 1 of 3 rows "
        "(such as -2.0 in row 1)\n"
        "  warn       column item: references: expected to be in items as item, found 1 of 3 rows "
        "(such as 'cake' in row 1)\n"
    )
    assert pl.read_parquet("bad.parquet")["order"].to_list() == [2]


def test_what_stops_ends_with_code_3(folder: Path, call: Call) -> None:
    (folder / "orders.toml").write_text(CONTRACT.replace('"quarantine"', '"stop"'))
    answer = call(*CHECK, "--json")
    assert answer.code == 3
    assert answer.document["passed"] is False
    first = answer.document["findings"][0]
    assert (first["rule"], first["column"], first["severity"]) == ("min", "price", "stop")
    assert first["threshold"] == 0
    assert first["time"].startswith("20")


def test_a_baseline_is_learned_and_compared_with(folder: Path, call: Call) -> None:
    assert call("contract", "baseline", "orders.csv", "-o", "usual.json").code == 0
    answer = call(*CHECK, "--baseline", "usual.json")
    assert "insufficient data" in answer.out
    answer = call(*CHECK, "--baseline", "orders.toml")
    assert answer.code == 2
    assert "orders.toml is no baseline" in answer.err


def test_artifacts_are_tables_and_baselines_too(folder: Path, call: Call) -> None:
    (folder / "pipeline.py").write_text(
        "import polars as pl\nfrom dagrun import Files, stage\n"
        "from dagrun.stages.validate import Baseline, learn_baseline\n\n"
        "@stage\ndef orders(files: Files = Files('orders.csv')) -> pl.DataFrame:\n"
        "    return files.read_csv()\n\n"
        "@stage\ndef usual(orders: pl.DataFrame) -> Baseline:\n"
        "    return learn_baseline(orders)\n"
    )
    assert call("run").code == 0
    words = ("contract", "check", "orders.toml", "orders", "--baseline", "usual")
    answer = call(*words, "--reference", "items=items.csv")
    assert answer.code == 0
    assert "3 rows, 1 of them set apart" in answer.out
    answer = call("contract", "infer", "usual")
    assert (answer.code, "is no table" in answer.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("orders.toml", "orders.csv"), "refers to the table 'items'; hand it over"),
        (("orders.toml", "orders.toml"), "has no ending that tells its format"),
        ((*CHECK[2:], "--now", "today"), "--now today: write a time with its zone"),
        ((*CHECK[2:4], "--reference", "items"), "is not of the form NAME=FILE"),
        (("none.toml", "orders.csv"), "none.toml"),
        (("orders.toml", "none-*.csv"), "no file matches"),
    ],
)
def test_what_is_given_wrongly_is_told(
    folder: Path, call: Call, words: tuple[str, ...], problem: str
) -> None:
    answer = call("contract", "check", *words)
    assert answer.code == 2
    assert problem in " ".join(answer.err.split())
