"""`dagrun lineage`: from an answer of a real server back to the model, its run, rows and code."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import polars as pl
import pytest
from tests_bundles import flights
from tests_cli import DAGRUN, Call
from tests_project import ProjectFolder

from dagrun import Client
from dagrun.stages.monitor import read_prediction_log

PIPELINE = """
import polars as pl
from dagrun import Context, Files, stage
from dagrun.stages import Booster, Bundle, FeatureSpec, fit_xgboost, make_bundle, register
from shared import FEATURES, far

@stage
def rows(files: Files = Files("rows.parquet")) -> pl.DataFrame:
    return far(files.read_parquet())

@stage(outputs=("spec", "matrix"))
def features(rows: pl.DataFrame):
    return FEATURES.fit_transform(rows, label="late")

@stage
def model(ctx: Context, spec: FeatureSpec, matrix: pl.DataFrame, depth: int = 2) -> Booster:
    return fit_xgboost(matrix, matrix, seed=ctx.seed, max_depth=depth, rounds=4, nthread=1)

@stage
def bundle(ctx: Context, spec: FeatureSpec, model: Booster, rows: pl.DataFrame) -> Bundle:
    return make_bundle(ctx, name="late", spec=spec, booster=model, sample=rows)

@stage(effect=True)
def publish(bundle: Bundle) -> None:
    register("late", bundle, alias="champion", reason="it is new")
"""
SHARED = """
import polars as pl
from dagrun.stages.features import feature_set, one_hot, standardize

FEATURES = feature_set(standardize("distance", "wind"), one_hot("carrier"))
LEAST = 500


def far(rows: pl.DataFrame) -> pl.DataFrame:
    # what is near is never late
    return rows.filter(pl.col("distance") > LEAST)
"""


@pytest.fixture
def served(project: ProjectFolder, call: Call) -> str:
    """The request id of an answer about two rows that late@1 gave."""
    project.write("pipeline.py", PIPELINE)
    project.write("shared.py", SHARED)
    flights(200).write_parquet(project.root / "rows.parquet")
    git(project.root, "init", "-q")
    git(project.root, "add", "pipeline.py", "shared.py", "pyproject.toml")
    git(project.root, "commit", "-qm", "the model")
    assert call("run", "--executor", "inline").code == 0
    command = [DAGRUN, "serve", "late", "--port", "0"]
    with subprocess.Popen(command, cwd=project.root, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        said = iter(server.stderr.readline, "")
        address = next(found[1] for line in said if (found := re.search(r"gRPC on (\S+)", line)))
        rows = flights(2, seed=3).select("distance", "wind", "carrier").to_dicts()
        with Client(address, timeout=60) as client:
            client.predict("late", rows)
        server.send_signal(signal.SIGTERM)
        server.stderr.read()
    logged = read_prediction_log(project.root / ".dagrun" / "predictions").collect()
    return str(logged["request_id"][0])


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_an_answer_is_followed_back_to_rows_and_code(
    served: str, project: ProjectFolder, call: Call
) -> None:
    project.edit("shared.py", "import polars as pl\n", "import polars as pl\n\n\n# another line\n")
    answer = call("lineage", "--prediction", served)
    assert answer.code == 0, answer.err
    distance = flights(2, seed=3)["distance"][0]
    for told in (
        f"request {served}, row 1 of 2",
        f"distance = {distance!r}",
        "late@1, registered just now by",
        "made in run",
        "files: rows.parquet",
        "depth = 2",
    ):
        assert told in answer.out
    code = {line.split()[1]: line.split() for line in answer.out.splitlines() if ".py:" in line}
    assert code["far"] == ["shared.py:9-11", "far", "rows"]  # as the commit has it
    assert code["LEAST"] == ["shared.py:6", "LEAST", "rows"]
    assert code["model"][0].startswith("pipeline.py:")
    with_code = call("lineage", "late@1", "--code").out
    assert 'return rows.filter(pl.col("distance") > LEAST)' in with_code
    document = call("lineage", "--prediction", served, "--json").document
    assert len(document["answers"]) == 2
    assert document["answers"][0]["raw_distance"] == distance
    (model,) = document["models"]
    assert {stage["stage"] for stage in model["stages"]} == {"bundle", "features", "model", "rows"}
    assert model["run"]["commit"]


def test_what_is_not_there_is_said(served: str, call: Call) -> None:
    answer = call("lineage", "--prediction", "another")
    assert answer.code == 2
    assert "has no answer to request 'another'; of its 2 rows 2 have a request id" in answer.err
    assert call("lineage").code == 2
    assert call("lineage", "late", "--prediction", served).code == 2


def test_a_bundle_whose_entry_is_gone_is_still_named(
    served: str, project: ProjectFolder, call: Call
) -> None:
    for entry in (project.root / ".dagrun" / "entries").rglob("*.json"):
        entry.unlink()
    answer = call("lineage", "--prediction", served)
    assert answer.code == 0
    assert "late@1, registered" in answer.out
    assert "no lineage, no code" in answer.out


def test_the_rows_of_the_model_are_in_the_store(served: str, call: Call) -> None:
    steps = call("lineage", "late", "--json").document["models"][0]["stages"]
    rows = next(step for step in steps if step["stage"] == "rows")
    shown = call("show", "rows", "--json").document
    assert shown["outputs"]["rows"]["logical"] == rows["outputs"]["rows"]["logical"]
    kept = flights(200).filter(pl.col("distance") > 500).height
    assert rows["outputs"]["rows"]["rows"] == kept
