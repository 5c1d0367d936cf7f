"""Params, metrics, data and code of runs: side by side, as Parquet, and in a real MLflow server."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from tests_cli import Call
from tests_project import ProjectFolder

PEER = Path(__file__).parents[2] / "build" / "peers" / "mlflow"
PIPELINE = """
from dataclasses import dataclass

import polars as pl
from dagrun import Files, Verdict, stage

@dataclass(frozen=True, kw_only=True)
class Report:
    auc: float
    bins: tuple
    scores: dict

def weight(depth):
    return depth / 100

@stage
def rows(files: Files = Files("data/*.csv")) -> pl.DataFrame:
    return files.read_csv()

@stage
def model(rows: pl.DataFrame, depth: int = 6, kinds: tuple = ("a", "b")) -> dict:
    return {"rows": rows.height, "weight": weight(depth), "deep": depth > 5}

@stage
def report(model: dict) -> Report:
    scores = {"loss": 1.0 - model["weight"], "worst": float("inf")}
    return Report(auc=0.5 + model["weight"], bins=(1, 2, 3), scores=scores)

@stage(gate=True)
def verdict(report: Report, least: float = 0.51) -> Verdict:
    return Verdict(passed=report.auc >= least, reasons=("auc",))

@stage(effect=True)
def publish(model: dict, verdict: Verdict) -> None:
    pass
"""


@pytest.fixture
def runs(project: ProjectFolder, call: Call) -> list[str]:
    """The ids of two runs: another param, another line of code, another file."""
    project.write("pipeline.py", PIPELINE)
    project.write("data/a.csv", "x\n1\n2\n")
    assert call("run").code == 0
    project.edit("pipeline.py", "depth / 100", "depth / 50")
    project.write("data/b.csv", "x\n3\n")
    assert call("run", "-p", "model.depth=8").code == 0
    listed = call("runs", "list", "--json").document["runs"]
    return [run["run_id"] for run in reversed(listed)]


def test_two_runs_side_by_side(runs: list[str], call: Call) -> None:
    answer = call("runs", "compare", runs[0])
    lines = [line.split() for line in answer.out.splitlines()]
    assert ["model.depth", "6", "->", "8"] in lines
    assert ["report.auc", "0.56", "->", "0.66", "+0.1"] in lines
    assert ["model.rows", "2", "->", "3", "+1"] in lines
    assert [line[:3] for line in lines if line[0] == "rows.files:"] == [
        ["rows.files:", "data/b.csv", "none"]
    ]
    assert [line for line in lines if line[0] == "code"] == [["code", "3", "values", "the", "same"]]
    assert "model.kinds" not in answer.out
    assert "report.bins" not in answer.out
    every = call("runs", "compare", runs[0], "--all")
    assert "model.kinds" in every.out
    document = call("runs", "compare", runs[0], "--json").document
    assert document["values"]["params"]["model.depth"] == [6, 8]
    assert document["values"]["metrics"]["report.scores.loss"] == [0.94, 0.84]
    assert document["values"]["code"]["rows"][0] == document["values"]["code"]["rows"][1]
    assert document["values"]["libraries"]["polars"] == [pl.__version__, pl.__version__]


def test_the_same_run_differs_in_nothing(runs: list[str], call: Call) -> None:
    answer = call("runs", "compare", runs[0], runs[0])
    assert "params, metrics, data, code and libraries are the same" in answer.out


def test_all_runs_as_parquet_twice_are_the_same_tables(
    runs: list[str], call: Call, project: ProjectFolder
) -> None:
    folder = project.root / "told"
    for _ in range(2):
        answer = call("runs", "export", "--all", "--parquet", "told")
        assert answer.code == 0, answer.err
        assert "wrote 2 runs to told" in answer.out
    assert len(list((folder / "runs").iterdir())) == 2

    def table(name: str) -> pl.DataFrame:
        return pl.read_parquet(folder / name / "*.parquet")

    assert table("runs")["run_id"].to_list() == runs
    assert table("runs")["status"].to_list() == ["done", "done"]
    auc = table("metrics").filter(pl.col("metric") == "report.auc")
    assert auc.select("run_id", "stage", "value").rows() == [
        (runs[0], "report", 0.56),
        (runs[1], "report", 0.66),
    ]
    depth = table("params").filter(pl.col("param") == "depth")
    assert depth["value"].to_list() == ["6", "8"]
    data = table("data").group_by("run_id", maintain_order=True).agg("name")
    assert data["name"].to_list() == [["data/a.csv"], ["data/a.csv", "data/b.csv"]]
    made = table("artifacts").filter(pl.col("artifact") == "rows")
    assert made["rows"].to_list() == [2, 3]
    stages = table("stages").filter(pl.col("stage") == "publish")
    assert stages.select("status", "key").rows() == [("ran", None)] * 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an `mlflow server` on a fresh sqlite file."""
    if not (PEER / ".ready").exists():
        reason = "no environment for mlflow; make it with: make peers"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = ("--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1")
    with (folder / "out").open("w") as out:
        process = subprocess.Popen(
            [PEER / "bin" / "mlflow", "server", *store, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, (folder / "out").read_text()[-2000:]
            try:
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def told(server: str, experiment: str) -> list[dict[str, Any]]:
    """Return what the server has of an experiment's runs, by their start."""
    api = f"{server}/api/2.0/mlflow"
    named = {"experiment_name": experiment}
    found = httpx.get(f"{api}/experiments/get-by-name", params=named).json()
    ids = [found["experiment"]["experiment_id"]]
    wanted = {"experiment_ids": ids, "order_by": ["attributes.start_time ASC"]}
    answer = httpx.post(f"{api}/runs/search", json=wanted).json()
    return list(answer["runs"])


def test_runs_in_mlflow_are_there_once(server: str, runs: list[str], call: Call) -> None:
    for times in range(2):
        answer = call("runs", "export", "--all", "--mlflow", server)
        assert answer.code == 0, answer.err
        assert answer.out.count("it was there") == 2 * times
    found = told(server, "project")
    assert [run["info"]["run_name"] for run in found] == runs
    assert {run["info"]["status"] for run in found} == {"FINISHED"}
    first, second = (run["data"] for run in found)
    params = {item["key"]: item["value"] for item in second["params"]}
    assert params["model.depth"] == "8"
    assert params["model.kinds"] == '["a", "b"]'
    metrics = {item["key"]: item["value"] for item in first["metrics"]}
    assert metrics["report.auc"] == 0.56
    assert "report.scores.worst" not in metrics
    tags = {item["key"]: item["value"] for item in first["tags"]}
    assert tags["dagrun.run_id"] == runs[0]
    assert len(tags["dagrun.code.model"]) == 64
    assert tags["dagrun.library.polars"] == pl.__version__
    inputs = [each["dataset"] for each in found[1]["inputs"]["dataset_inputs"]]
    assert sorted(each["name"] for each in inputs) == ["data/a.csv", "data/b.csv"]
    history = httpx.get(
        f"{server}/api/2.0/mlflow/metrics/get-history",
        params={"run_id": found[0]["info"]["run_id"], "metric_key": "report.auc"},
    ).json()
    assert len(history["metrics"]) == 1


def test_an_export_that_was_cut_off_is_completed(server: str, runs: list[str], call: Call) -> None:
    api = f"{server}/api/2.0/mlflow"
    made = httpx.post(f"{api}/experiments/create", json={"name": "cut off"}).json()
    tags = [{"key": "dagrun.run_id", "value": runs[0]}]
    wanted = {"experiment_id": made["experiment_id"], "run_name": runs[0], "tags": tags}
    httpx.post(f"{api}/runs/create", json=wanted)
    answer = call("runs", "export", runs[0], "--mlflow", server, "--experiment", "cut off")
    assert answer.code == 0, answer.err
    (run,) = told(server, "cut off")
    assert {item["key"] for item in run["data"]["params"]} >= {"model.depth", "verdict.least"}
    assert run["info"]["status"] == "FINISHED"


def test_a_server_that_is_not_there_is_named(runs: list[str], call: Call) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    answer = call("runs", "export", "--mlflow", url)
    assert answer.code == 2
    assert f"MLflow at {url} did not take" in answer.err
    assert call("runs", "export", "--all").code == 2
