"""`dagrun init`, `dagrun show` and `dagrun runs`: what is there, and where it comes from."""

from __future__ import annotations

import re

from tests_cli import Call, steady
from tests_project import ProjectFolder

BY_DAY = """\
by_day
  made    just now in 0.00 s
  key     ............
  inputs  orders (............)
content  4 rows, 881 B, digest ............
  day    Date
  taken  Float64
┌────────────┬───────┐
│ day        ┆ taken │
╞════════════╪═══════╡
│ 2024-03-01 ┆ 22.5  │
│ 2024-03-02 ┆ 29.5  │
│ 2024-03-03 ┆ 29.6  │
│ 2024-03-04 ┆ 15.1  │
└────────────┴───────┘
"""

RUN = """\
run ID  failed in 0.0 s, just now
pipeline project (pipeline.py), targets: model, seed 3
raw    ran          0.00 s                    first run
split  ran          0.00 s                    first run
model  failed       0.00 s                    ZeroDivisionError: division by zero

failed: stage 'model'
  Traceback (most recent call last):
"""


def test_a_new_project_runs_at_once_and_is_never_overwritten(call: Call) -> None:
    answer = call("init", "shop")
    assert answer.code == 0
    assert answer.out.endswith("next: cd shop && dagrun run\n")
    answer = call("run", "shop")
    assert answer.code == 0
    assert answer.out.startswith("a good day: 2024-03-03 with 29.6")
    assert "orders     ran" in answer.err
    assert "10 rows  first run" in answer.err
    again = call("init", "shop")
    assert again.code == 2
    assert "already has pipeline.py, pyproject.toml, data/orders.csv" in again.err


def test_a_table_is_shown_with_its_origin_schema_and_head(
    call: Call, project: ProjectFolder
) -> None:
    (project.root / "pyproject.toml").unlink()
    call("init", ".")
    call("run")
    answer = call("show", "by_day")
    assert answer.code == 0
    text = re.sub(r"\b[0-9a-f]{12}\b", "." * 12, steady(answer.out))
    assert re.sub(r"\d+ B", "881 B", text) == BY_DAY
    document = call("show", "orders", "--json").document
    (output,) = document["outputs"].values()
    assert output["columns"] == {
        "order": "Int64", "day": "Date", "item": "String", "price": "Float64", "count": "Int64",
    }  # fmt: skip
    assert len(output["head"]) == 5
    assert output["head"][0]["day"] == "2024-03-01"


def test_documents_are_shown_by_their_fields(call: Call, project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dataclasses import dataclass
        from dagrun import stage

        @dataclass(frozen=True)
        class Bin:
            low: float
            count: int

        @dataclass(frozen=True)
        class Report:
            auc: float
            bins: tuple[Bin, ...]
            notes: tuple[str, ...] = ("fine", "good")
            more: None = None

        @stage
        def report() -> Report:
            return Report(1 / 3, (Bin(0.5, 3), Bin(float("nan"), 12)))
        """,
    )
    call("run")
    shown = call("show", "report").out.partition("digest")[2].splitlines()[1:]
    assert shown == [
        "  auc: 0.333333",
        "  bins:",
        "    low  count",
        "    0.5  3",
        "    nan  12",
        "  notes: fine, good",
        "  more: null",
    ]
    document = call("show", "report", "--json").document["outputs"]["report"]["document"]
    assert document["auc"] == 1 / 3
    assert document["bins"][1] == {"low": "nan", "count": 12}


def test_a_stage_with_named_outputs_lists_them(call: Call, numbers: ProjectFolder) -> None:
    call("run")
    answer = call("show", "split")
    assert "params  at = 3" in answer.out
    assert answer.out.endswith("see what is in one: dagrun show low\n")
    assert "low, an output of stage split" in call("show", "low").out


def test_what_is_stale_is_marked(call: Call, numbers: ProjectFolder) -> None:
    answer = call("show", "model")
    assert answer.code == 2
    assert "Run: dagrun run -t model" in answer.err
    call("run")
    assert "stale" not in call("show", "model").out
    numbers.edit("pipeline.py", "2 * x", "3 * x")
    assert "stale   code: doubled changed (see: dagrun why model)" in call("show", "model").out
    assert call("show", "model", "--json").document["stale"]
    assert "is an effect and stores nothing" in call("show", "publish").err


def test_runs_are_listed_and_shown(call: Call, numbers: ProjectFolder) -> None:
    numbers.edit("pipeline.py", "2 * x", "2 * x / 0")
    call("run", "-t", "model", "--seed", "3")
    (run,) = call("runs", "list", "--json").document["runs"]
    assert (run["status"], run["stages"]) == ("failed", {"ran": 2, "failed": 1})
    identity = run["run_id"]
    line = call("runs", "list").out
    assert steady(line).split("  ")[1:3] == ["just now", "failed"]
    assert "2 ran, 1 failed" in line
    for name in (identity, identity[-4:], "last"):
        shown = call("show", name)
        assert shown.code == 0
        assert steady(shown.out).replace(identity, "ID").startswith(RUN)
    document = call("show", "last", "--json").document
    assert document["run_id"] == identity
    assert [stage["name"] for stage in document["stages"]] == ["raw", "split", "model"]
    assert "division by zero" in document["stages"][2]["trace"]
    call("run", "-t", "raw")
    assert len(call("runs", "list", "-n", "1").out.splitlines()) == 1
    assert len(call("runs", "list").out.splitlines()) == 2


def test_a_name_that_means_nothing_names_what_there_is(call: Call, numbers: ProjectFolder) -> None:
    call("run", "-t", "raw")
    answer = call("show", "spilt")
    assert answer.code == 2
    assert "no stage, artifact or run is called 'spilt'. Did you mean 'split'?" in answer.err
    assert "dagrun runs list" in call("show", "20990101-000000").err
