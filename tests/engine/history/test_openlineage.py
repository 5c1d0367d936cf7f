"""OpenLineage events: what the specification asks for, one pair a stage."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any
from urllib.parse import urlparse

import pytest
from tests_project import ProjectFolder

from dagrun.engine.history.openlineage import FACETS, export

# What the facets' published schemas call for, beside `_producer` and `_schemaURL`.
REQUIRED = {
    "parent": {"run", "job"},
    "processing_engine": {"version"},
    "errorMessage": {"message", "programmingLanguage"},
    "jobType": {"processingType", "integration"},
    "schema": {"fields"},
    "version": {"datasetVersion"},
    "outputStatistics": {"rowCount"},
    "dagrun_stage": set(),
}


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    project.write("data/a.csv", "x\n1\n2\n")
    project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import Files, stage

        @stage
        def raw(files: Files = Files("data/*.csv")) -> pl.DataFrame:
            return files.read_csv()

        @stage(outputs=("low", "high"))
        def split(raw: pl.DataFrame, at: int = 2) -> tuple[pl.DataFrame, ...]:
            return raw.filter(pl.col("x") < at), raw.filter(pl.col("x") >= at)

        @stage
        def ratio(low: pl.DataFrame, high: pl.DataFrame, by: int = 1) -> float:
            return low.height / by

        @stage
        def after(ratio: float) -> float:
            return ratio

        @stage(effect=True)
        def act(raw: pl.DataFrame) -> None:
            print("acted")
        """,
    )
    return project


def events(project: ProjectFolder, run: str = "last") -> list[dict[str, Any]]:
    workspace = project.open()
    found = export(
        workspace.store, workspace.runs.read(run), namespace="ns", producer="urn:dagrun:1.2"
    )
    return json.loads(json.dumps(found))


def check(event: dict[str, Any]) -> None:
    """Check an event against version 2-0-2 of the specification."""
    assert {"eventTime", "producer", "schemaURL", "run", "job"} <= set(event)
    assert event["eventType"] in ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
    assert dt.datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert str(uuid.UUID(event["run"]["runId"])) == event["run"]["runId"]
    for url in (event["producer"], event["schemaURL"]):
        assert urlparse(url).scheme
    assert event["schemaURL"].endswith("/2-0-2/OpenLineage.json#/$defs/RunEvent")
    datasets = [*event["inputs"], *event["outputs"]]
    for named in (event["job"], *datasets):
        assert isinstance(named["namespace"], str)
        assert isinstance(named["name"], str)
    for holder in (event["run"], event["job"], *datasets):
        for facets in (holder.get("facets", {}), holder.get("outputFacets", {})):
            for name, facet in facets.items():
                assert REQUIRED[name] | {"_producer", "_schemaURL"} <= set(facet), name
                assert urlparse(facet["_schemaURL"]).fragment.startswith("/$defs/")


def test_each_stage_is_one_valid_pair(shop: ProjectFolder) -> None:
    assert shop.run().status == "done"
    found = events(shop)
    for event in found:
        check(event)
    pairs: dict[str, list[str]] = {}
    for event in found:
        pairs.setdefault(event["job"]["name"], []).append(event["eventType"])
    names = ("raw", "split", "ratio", "after", "act")
    assert pairs == {f"project.{name}": ["START", "COMPLETE"] for name in names}
    assert len({event["run"]["runId"] for event in found}) == len(names)
    assert len({event["run"]["facets"]["parent"]["run"]["runId"] for event in found}) == 1
    times = [event["eventTime"] for event in found]
    assert times == sorted(times)
    assert set(FACETS) >= {name for event in found for name in event["job"]["facets"]}


def test_datasets_carry_digests_schemas_and_counts(shop: ProjectFolder) -> None:
    result = shop.run()
    ended = {e["job"]["name"]: e for e in events(shop) if e["eventType"] == "COMPLETE"}
    (file,) = ended["project.raw"]["inputs"]
    assert (file["namespace"], file["name"]) == ("file", "data/a.csv")
    assert len(file["facets"]["version"]["datasetVersion"]) == 64
    (raw,) = ended["project.raw"]["outputs"]
    assert raw["facets"]["schema"]["fields"] == [{"name": "x", "type": "Int64"}]
    assert raw["outputFacets"]["outputStatistics"]["rowCount"] == 2
    (taken,) = ended["project.split"]["inputs"]
    logical = result.stages[0].outputs["raw"].logical
    assert taken["name"] == raw["name"] == "project.raw"
    assert taken["facets"]["version"]["datasetVersion"] == logical
    names = [output["name"] for output in ended["project.split"]["outputs"]]
    assert names == ["project.high", "project.low"]
    assert ended["project.ratio"]["run"]["facets"]["dagrun_stage"]["params"] == {"by": 1}


def test_a_failure_is_a_fail_event_and_what_was_skipped_is_silent(shop: ProjectFolder) -> None:
    shop.run()
    result = shop.run(params={"ratio.by": "0"})
    assert result.status == "failed"
    found = events(shop)
    for event in found:
        check(event)
    kinds = {event["job"]["name"]: event["eventType"] for event in found}
    assert kinds["project.ratio"] == "FAIL"
    assert "project.after" not in kinds
    (failed,) = [event for event in found if event["eventType"] == "FAIL"]
    error = failed["run"]["facets"]["errorMessage"]
    assert "ZeroDivisionError" in error["message"]
    assert "pipeline.py" in error["stackTrace"]
    hit = next(event for event in found if event["job"]["name"] == "project.raw")
    assert hit["run"]["facets"]["dagrun_stage"]["status"] == "hit"
