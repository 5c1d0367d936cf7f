"""`dagrun diff`: tables by their columns, documents by their places, models by their facts."""

from __future__ import annotations

import pytest
from tests_cli import Call
from tests_project import ProjectFolder

TABLES = """
import polars as pl
from dagrun import stage

@stage
def fares(rows: int = 4, raised: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": range(rows),
            "fare": [10.0 + raised * (n == 1) for n in range(rows)],
            "name": [f"n{n}" for n in range(rows)],
        }
    )

@stage(outputs=("cheap", "dear"))
def split(fares: pl.DataFrame):
    return fares.filter(pl.col("fare") < 11), fares.filter(pl.col("fare") >= 11)

@stage
def report(fares: pl.DataFrame) -> dict:
    return {"rows": fares.height, "mean": fares["fare"].mean()}

@stage(effect=True)
def publish(report):
    pass
"""


@pytest.fixture
def fares(call: Call, project: ProjectFolder) -> ProjectFolder:
    project.write("pipeline.py", TABLES)
    call("run", "--executor", "inline")
    call("run", "--executor", "inline", "-p", "fares.raised=5")
    return project


def body(text: str) -> list[str]:
    """Return the lines below the two that name the sides, times of making left out."""
    return [line for line in text.splitlines() if not line.startswith(("- ", "-  ", "+  "))]


def test_columns_are_told_without_reading(call: Call, fares: ProjectFolder) -> None:
    for blob in (fares.root / ".dagrun/blobs").glob("*/*"):
        blob.chmod(0o200)
    answer = call("diff", "last~1:fares", "last:fares")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[0].startswith("-  ")
    assert body(answer.out) == [
        "  param raised: 0 -> 5",
        "  changed  fare  Float64",
        "  2 columns identical",
        "see more with: --rows [--key COLUMN], --values",
    ]


def test_rows_and_values_on_request(call: Call, fares: ProjectFolder) -> None:
    answer = call("diff", "last~1:fares", "last:fares", "--key", "id", "--values")
    assert body(answer.out)[3:] == [
        "rows: 1 changed, 0 added, 0 removed (matched by key)",
        "  values changed: fare 1",
        "  id 1  fare  10 -> 15",
        "values     nulls  distinct  least  5%  50%  95%  greatest   mean",
        "  fare  -      0         1     10  10   10   10        10     10",
        "        +      0         2     10  10   10   15        15  11.25",
    ]
    by_place = body(call("diff", "last~1:fares", "last:fares", "--rows").out)
    assert "  row 1  fare  10 -> 15" in by_place


def test_a_plain_name_is_compared_with_what_it_was(call: Call, fares: ProjectFolder) -> None:
    call("run", "--executor", "inline", "-p", "fares.rows=3")
    call("run", "--executor", "inline")
    document = call("diff", "report", "--json").document
    assert document["document"] == [
        {"path": "$.rows", "change": "changed", "before": 3, "after": 4}
    ]
    assert (document["before"]["artifact"], document["identical"]) == ("report", False)
    assert document["after"]["label"] == "report now"
    (param,) = call("diff", "fares", "--json").document["params"]
    assert (param["name"], param["before"], param["after"]) == ("rows", "3", "4")


def test_a_run_alone_is_compared_with_now(call: Call, fares: ProjectFolder) -> None:
    assert body(call("diff", "last:report").out) == ["  changed  $.mean  11.25 -> 10"]
    same = call("diff", "last~1:report").out.splitlines()
    assert same[-1] == "identical: they have the same digest"


def test_keys_and_digests_name_artifacts(call: Call, fares: ProjectFolder) -> None:
    made = call("show", "fares", "--json").document
    digest = made["outputs"]["fares"]["logical"]
    for name in (made["key"][:8], digest[:8], digest, f"{made['key'][:10]}:fares"):
        assert call("diff", name, "fares", "--json").document["identical"]
    split = call("show", "split", "--json").document["key"]
    assert call("diff", f"{split[:8]}:cheap", "cheap", "--json").document["identical"]
    several = call("diff", split[:8])
    assert several.code == 2
    assert "name one of them: cheap, dear" in several.err
    assert "no key and no digest" in call("diff", "0" * 10).err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["far"], "Did you mean 'fares'?"),
        (["split"], "has several outputs; name one of them: cheap, dear"),
        (["last~9:fares"], "no single run is called 'last~9'"),
        (["last:gone"], "has no stored result of that name"),
        (["publish"], "'publish' is an effect and stores nothing"),
        (["report", "--rows"], "is no table"),
        (["last:fares", "--key", "di"], "Did you mean 'id'?"),
        (["dear"], "no earlier run has made another 'dear'"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_way_out(
    call: Call, fares: ProjectFolder, arguments: list[str], told: str
) -> None:
    call("run", "--executor", "inline", "-p", "fares.raised=5")
    if arguments == ["dear"]:
        for log in sorted((fares.root / ".dagrun/runs").glob("*"))[1:]:
            log.unlink()
    answer = call("diff", *arguments)
    assert answer.code in (1, 2)
    assert told in answer.err


MODELS = """
import polars as pl
from dagrun import Context, stage
from dagrun.stages import Booster, fit_xgboost
from tests_bundles import FEATURES, flights

@stage
def model(ctx: Context, depth: int = 2) -> Booster:
    spec, matrix = FEATURES.fit_transform(flights(200), label="late")
    return fit_xgboost(
        matrix, spec.transform(flights(80, seed=1)), seed=ctx.seed, max_depth=depth, rounds=3
    )
"""


def test_models_are_compared_by_their_facts(call: Call, project: ProjectFolder) -> None:
    project.write("pipeline.py", MODELS)
    call("run", "--executor", "inline", "-p", "model.depth=1")
    call("run", "--executor", "inline")
    document = call("diff", "model", "--json").document
    places = {place["path"]: (place["before"], place["after"]) for place in document["document"]}
    assert places["$.params.max_depth"] == (1, 2)
    assert '$["at the best round"]["valid-logloss"]' in places


def test_text_files_are_compared_line_by_line(call: Call, project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from pathlib import Path
        from dagrun import stage

        @stage
        def note(text: str = "one") -> Path:
            path = Path("note.txt").absolute()
            path.write_bytes(bytes([255]) if text == "bytes" else f"first\\n{text}\\n".encode())
            return path
        """,
    )
    for text in ("bytes", "two", "one"):
        done = call("run", "--executor", "inline", "-p", f"note.text={text}")
        assert done.code == 0, done.err
    answer = call("diff", "last~1:note", "last:note")
    assert answer.err == ""
    assert body(answer.out) == [
        "  param text: two -> one",
        "    first",
        "  - two",
        "  + one",
    ]
    assert call("diff", "last~2:note", "last:note", "--json").document["lines"][0] == "+first"
