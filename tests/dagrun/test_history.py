"""`dagrun runs`: totals, one stage over runs, two runs compared, and what is unusual."""

from __future__ import annotations

import json
import re

import pytest
from tests_cli import Call, steady
from tests_project import ProjectFolder


@pytest.fixture
def counting(project: ProjectFolder) -> ProjectFolder:
    project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import stage

        @stage
        def rows(count: int = 100) -> pl.DataFrame:
            return pl.DataFrame({"x": range(count)})

        @stage
        def fixed() -> int:
            return 1

        @stage
        def total(rows: pl.DataFrame, fixed: int) -> int:
            return rows["x"].sum()
        """,
    )
    return project


def test_two_runs_are_compared_stage_by_stage(call: Call, counting: ProjectFolder) -> None:
    call("run")
    first = call("runs", "list", "--json").document["runs"][0]["run_id"]
    call("run", "-p", "rows.count=120")
    answer = call("runs", "compare", first)
    assert answer.code == 0
    text = re.sub(r"0.00 s -> 0.00 s", "0.00 s", steady(answer.out))
    text, _, values = text.partition("params")
    before, after, *lines, alike = text.splitlines()
    assert before.startswith(first[-4:])
    assert "1 hit, 2 ran" in after
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert told == {
        "rows": "ran key differs 100 rows -> 120 rows 0.00 s",
        "fixed": "ran -> hit",
        "total": "ran key differs 0.00 s",
    }
    assert alike == "0 stages alike"
    assert "rows.count  100  ->  120" in values
    document = call("runs", "compare", first, "last", "--json").document
    assert document["before"]["run_id"] == first
    pairs = {stage["name"]: stage for stage in document["stages"]}
    assert (pairs["rows"]["same_key"], pairs["fixed"]["same_key"]) == (False, True)
    assert pairs["rows"]["after"]["rows"] == 120
    second = call("runs", "list", "--json").document["runs"][0]["run_id"]
    call("run", "-t", "fixed")
    lines = call("runs", "compare", second).out.splitlines()
    assert [line.split()[:4] for line in lines[2:4]] == [
        ["rows", "ran", "->", "absent"],
        ["total", "ran", "->", "absent"],
    ]
    assert lines[4] == "1 stage alike"
    assert call("runs", "compare", "nope").code == 2


def test_a_stage_is_listed_over_runs_and_runs_are_summed_up(
    call: Call, counting: ProjectFolder
) -> None:
    for count in (100, 100, 90):
        call("run", "-p", f"rows.count={count}")
    lines = call("runs", "list", "--stage", "rows").out.splitlines()
    assert [line.split()[3] for line in lines] == ["ran", "hit", "ran"]
    assert ["90 rows" in lines[0], "100 rows" in lines[1]] == [True, True]
    document = call("runs", "list", "--stage", "rows", "--json").document
    assert [line["rows"] for line in document["runs"]] == [90, 100, 100]
    answer = call("runs", "list")
    assert "3 runs in" in answer.err
    assert "3 done; stages: 5 ran in" in answer.err
    totals = call("runs", "list", "--json").document["totals"]
    assert (totals["ran"], totals["hits"], totals["statuses"]) == (5, 4, {"done": 3})
    answer = call("runs", "list", "--stage", "row")
    assert answer.code == 2
    assert "Did you mean 'rows'?" in answer.err


def test_an_unusual_volume_is_told_after_a_run(call: Call, counting: ProjectFolder) -> None:
    for count in range(100, 105):
        assert "usual are" not in call("run", "-t", "rows", "-p", f"rows.count={count}").err
    answer = call("run", "-t", "rows", "-p", "rows.count=7", "--json")
    assert answer.code == 0
    assert "warning: stage 'rows' made 7 rows; usual are 92 rows to 112 rows (5 " in answer.err
    (found,) = answer.document["unusual"]
    assert (found["stage"], found["quantity"], found["value"]) == ("rows", "rows", 7)
    assert "usual are" not in call("run", "-t", "rows", "-p", "rows.count=7").err


TREE = """\
total  key ............, code ............  just now
├─ fixed  key ............, code ............  just now
│  └─ rows  100 rows, key ............, code ............, count = 100  just now
│     └─ files: data/a.txt  ............
├─ low (of stage pair)  1 row, key ............, code ............  just now
└─ rows  see above
"""


def test_a_lineage_is_a_tree_down_to_the_files(call: Call, project: ProjectFolder) -> None:
    project.write("data/a.txt", "text")
    project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import Files, stage

        @stage
        def rows(count: int = 100, files: Files = Files("data/a.txt")) -> pl.DataFrame:
            return pl.DataFrame({"x": range(count)})

        @stage
        def fixed(rows: pl.DataFrame) -> int:
            return 1

        @stage(outputs=("low", "high"))
        def pair() -> tuple[pl.DataFrame, ...]:
            return pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2]})

        @stage
        def total(rows: pl.DataFrame, fixed: int, low: pl.DataFrame) -> int:
            return rows["x"].sum()
        """,
    )
    call("run")
    answer = call("show", "total", "--lineage")
    assert answer.code == 0
    assert re.sub(r"\b[0-9a-f]{12}\b", "." * 12, steady(answer.out)) == TREE
    document = call("show", "low", "--lineage", "--json").document
    assert (document["artifact"], [step["stage"] for step in document["stages"]]) == (
        "low", ["pair"],
    )  # fmt: skip
    document = call("show", "fixed", "--lineage", "--json").document
    (source,) = document["stages"][1]["sources"]
    assert list(source["files"]) == ["data/a.txt"]
    assert document["stages"][0]["inputs"]["rows"]["key"] == document["stages"][1]["key"]


def test_a_run_is_exported_a_line_per_event(call: Call, counting: ProjectFolder) -> None:
    call("run")
    answer = call("runs", "export", "last", "--namespace", "mine")
    events = [json.loads(line) for line in answer.out.splitlines()]
    assert len(events) == 6
    assert {event["job"]["namespace"] for event in events} == {"mine"}
    assert "wrote 6 events to out.jsonl" in call("runs", "export", "-o", "out.jsonl").err
    assert len((counting.root / "out.jsonl").read_text().splitlines()) == 6
    assert call("runs", "export", "--format", "other").code == 2
