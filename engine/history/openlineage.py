"""A run as OpenLineage events, for catalogs that speak this standard (https://openlineage.io).

Each stage that ran, hit or failed is one OpenLineage run with a START event and a COMPLETE or FAIL
event, under version 2-0-2 of the specification; all of them name dagrun's run as their parent. The
datasets are the artifacts, versioned by their logical digests, and the files of sources, by theirs.
The limits: stages that were skipped or halted did nothing and give no event; of a stage without an
entry (it failed, or is an effect) no datasets are known; a hit takes no time; the fields of a
schema come in alphabetical order.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from dagrun.engine.events import Output
from dagrun.engine.history.lineage import SourceUse, Step, make_step
from dagrun.engine.history.runlog import Run
from dagrun.engine.store.store import Store

SPEC = "https://openlineage.io/spec"
EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
RUN_FACET = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunFacet"
FACETS = {
    "parent": "1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    "schema": "1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
    "outputStatistics": (
        "1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet"
    ),
}
ENDS = {"ran": "COMPLETE", "hit": "COMPLETE", "failed": "FAIL"}


def export(store: Store, run: Run, *, namespace: str, producer: str) -> list[dict[str, Any]]:
    """Return a run's events, in the order of time.

    Args:
        store: the store whose entries tell inputs and outputs.
        run: the run.
        namespace: of the jobs and of the artifacts as datasets.
        producer: URI of the program that exports, with its version.
    """
    exported = _Export(store, run, namespace, producer)
    events = [event for name in run.stages for event in exported.events(name)]
    return sorted(events, key=lambda event: (event["eventTime"], event["eventType"] != "START"))


class _Export:
    def __init__(self, store: Store, run: Run, namespace: str, producer: str) -> None:
        self._store, self._run = store, run
        self._namespace, self._producer = namespace, producer
        self._pipeline = str(run.header.get("pipeline", "pipeline"))

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the two events of a stage; none for one that did nothing."""
        line = self._run.stages[name]
        kind = ENDS.get(line["status"])
        if kind is None:
            return []
        entry = self._store.entries.read(line["key"]) if line.get("key") else None
        step = make_step(entry) if entry and kind != "FAIL" else Step(key=line.get("key", ""))
        end = line.get("at", self._run.header.get("started", 0.0))
        common = {
            "run": {"runId": self._id(name), "facets": self._run_facets(line, step)},
            "job": {
                "namespace": self._namespace,
                "name": f"{self._pipeline}.{name}",
                "facets": self._facet(
                    "jobType", processingType="BATCH", integration="DAGRUN", jobType="STAGE"
                ),
            },
            "inputs": self._inputs(step),
            "producer": self._producer,
            "schemaURL": EVENT,
        }
        start = {"eventType": "START", "eventTime": _time(end - line.get("seconds", 0.0))}
        outputs = [self._output(*item) for item in step.outputs.items()]
        return [
            {**start, **common, "outputs": []},
            {"eventType": kind, "eventTime": _time(end), **common, "outputs": outputs},
        ]

    def _id(self, stage: str = "") -> str:
        name = f"dagrun:{self._namespace}:{self._run.run_id}:{stage}"
        return str(uuid.uuid5(uuid.NAMESPACE_URL, name))

    def _facet(self, name: str, /, **fields: Any) -> dict[str, Any]:
        url = f"{SPEC}/facets/{FACETS[name]}"
        return {name: {"_producer": self._producer, "_schemaURL": url, **fields}}

    def _run_facets(self, line: Mapping[str, Any], step: Step) -> dict[str, Any]:
        parent = {"namespace": self._namespace, "name": self._pipeline}
        facets = {
            **self._facet("parent", run={"runId": self._id()}, job=parent),
            **self._facet(
                "processing_engine", version=self._producer.rpartition(":")[2], name="dagrun"
            ),
            "dagrun_stage": {
                "_producer": self._producer,
                "_schemaURL": RUN_FACET,
                "runId": self._run.run_id,
                "key": step.key or None,
                "codeVersion": step.code or None,
                "params": dict(step.params),
                "status": line["status"],
                "reason": line.get("reason", ""),
            },
        }
        if line.get("error"):
            trace = {"stackTrace": line["trace"]} if line.get("trace") else {}
            error = {"message": line["error"], "programmingLanguage": "PYTHON", **trace}
            facets |= self._facet("errorMessage", **error)
        return facets

    def _inputs(self, step: Step) -> list[dict[str, Any]]:
        inputs = [
            self._artifact(
                origin.artifact, origin.logical, self._columns(origin.key, origin.artifact)
            )
            for origin in step.inputs.values()
        ]
        return inputs + [self._file(*file) for use in step.sources for file in _files(step, use)]

    def _columns(self, key: str, artifact: str) -> Mapping[str, tuple[str, str]]:
        entry = self._store.entries.read(key) if key else None
        output = entry.outputs.get(artifact) if entry else None
        return output.columns if output else {}

    def _artifact(
        self, name: str, logical: str, columns: Mapping[str, tuple[str, str]]
    ) -> dict[str, Any]:
        facets = self._facet("version", datasetVersion=logical)
        if columns:
            fields = [{"name": column, "type": dtype} for column, (dtype, _) in columns.items()]
            facets |= self._facet("schema", fields=fields)
        dataset = f"{self._pipeline}.{name}"
        return {"namespace": self._namespace, "name": dataset, "facets": facets}

    def _output(self, name: str, output: Output) -> dict[str, Any]:
        dataset = self._artifact(name, output.logical, output.columns)
        if output.rows is not None:
            dataset["outputFacets"] = self._facet(
                "outputStatistics", rowCount=output.rows, size=output.size
            )
        return dataset

    def _file(self, kind: str, name: str, digest: str) -> dict[str, Any]:
        facets = self._facet("version", datasetVersion=digest)
        return {"namespace": "file" if kind == "Files" else kind, "name": name, "facets": facets}


def _files(step: Step, use: SourceUse) -> list[tuple[str, str, str]]:
    # Only files of the project have names of their own.
    of = "" if use.kind == "Files" else f"{step.stage}.{use.param}/"
    return [(use.kind, of + name, digest) for name, digest in use.files.items()]


def _time(seconds: float) -> str:
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
