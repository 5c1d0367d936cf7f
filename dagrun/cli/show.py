"""`dagrun show`: a run, an artifact, or what a stage made.

A name of the pipeline wins over a run's id. What is shown of a stage is what a run would find
now, or else what the last run made, marked as stale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dagrun.cli.documents import show_document
from dagrun.cli.lineage import show_lineage
from dagrun.cli.opening import open_store
from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.events import Output
from dagrun.engine.explaining.artifacts import Artifacts
from dagrun.engine.history.runlog import Run, Runs, UnknownRun
from dagrun.engine.lists import is_list, outputs_of
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store
from dagrun.engine.workspace import NeverMade, Workspace
from dagrun.ui.artifact import (
    HEAD_ROWS,
    content_lines,
    entry_lines,
    fact_lines,
    output_line,
    plain,
)
from dagrun.ui.history import one_run_lines
from dagrun.ui.terminal import paint
from dagrun.ui.terminal import show as tell_result


class NothingCalled(DefinitionError):
    """No stage, artifact or run has a name."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(
            f"no stage, artifact or run is called {name!r}.{nearest(name, known)}\n"
            f"       artifacts: {listing(known)}\n"
            "       runs: see dagrun runs list"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a stage made, and why that is not what a run would make now ("" when it is)."""

    entry: Entry
    stale: str


def show(*, name: str, lineage: bool, pipeline: str | None, as_json: bool) -> int:
    """Show what is called `name`, or its lineage.

    Raises `NothingCalled`, `NeverMade`, or what `Artifacts.find` does.
    """
    if ":" in name:
        return _show_past(Workspace.open(pipeline), name, as_json, lineage)
    if not name.isidentifier() or name == "last":
        return _show_run(Runs(open_store(pipeline)).read(name), as_json)
    workspace = Workspace.open(pipeline)
    stages = workspace.pipeline.stages
    producers = {output: stage.name for stage in stages.values() for output in stage.outputs}
    stage_name = name if name in stages else producers.get(name)
    if stage_name is None:
        try:
            return _show_run(workspace.runs.read(name), as_json)
        except UnknownRun:
            raise NothingCalled(name, sorted({*stages, *producers})) from None
    made = _find(workspace, stage_name)
    if lineage:
        return show_lineage(workspace.store, name, made.entry, as_json)
    wanted = stages[stage_name].outputs if name in stages else (name,)
    outputs = {item: made.entry.outputs[item] for item in wanted}
    return _tell(workspace.store, name, made, outputs, as_json)


def _show_past(workspace: Workspace, name: str, as_json: bool, lineage: bool) -> int:
    found = Artifacts(workspace).find(name)
    made = Made(entry=found.entry, stale="")
    if lineage:
        return show_lineage(workspace.store, found.name, found.entry, as_json)
    return _tell(workspace.store, found.name, made, {found.name: found.output}, as_json)


def _tell(store: Store, name: str, made: Made, outputs: Mapping[str, Output], as_json: bool) -> int:
    if as_json:
        show_document(_document(store, made, outputs))
        return 0
    for line in _lines(store, name, made, outputs):
        tell_result(line)
    return 0


def _find(workspace: Workspace, stage: str) -> Made:
    _, plan = workspace.plan(workspace.select(targets=(stage,)))
    planned = next(each for each in plan.stages if each.name == stage)
    if fresh := plan.decisions[stage].entry:
        return Made(entry=fresh, stale="")
    last = workspace.runs.last_entry(stage)
    if last is None:
        raise NeverMade(stage, planned.effect)
    return Made(entry=last, stale=f"{planned.reason} (see: dagrun why {stage})")


def _lines(store: Store, name: str, made: Made, outputs: Mapping[str, Output]) -> list[str]:
    entry = made.entry
    by = "" if entry.stage == name else f", an output of stage {entry.stage}"
    lines = [paint(name, "bold") + by, *entry_lines(entry, made.stale)]
    if len(outputs) > 1:
        lines.append("outputs")
        lines += fact_lines({item: output_line(output) for item, output in outputs.items()})
        return [*lines, f"see what is in one: dagrun show {next(iter(outputs))}"]
    (output,) = outputs.values()
    lines.append("content  " + output_line(output))
    return lines + content_lines(output, None if is_list(output) else store.load(output))


def _document(store: Store, made: Made, outputs: Mapping[str, Output]) -> dict[str, Any]:
    entry = made.entry
    return {
        "stage": entry.stage,
        "key": entry.key,
        "stale": made.stale or None,
        "created": entry.created,
        "accepted": dict(entry.accepted) or None,
        "seconds": entry.seconds,
        "params": entry.preimage.get("params", {}),
        "inputs": {
            name: {"logical": digest, "producer": entry.producers.get(name, ("", ""))[0] or None}
            for name, digest in entry.preimage.get("inputs", {}).items()
        },
        "outputs": {name: _output(store, output) for name, output in outputs.items()},
    }


def _output(store: Store, output: Output) -> dict[str, Any]:
    document: dict[str, Any] = {
        "logical": output.logical,
        "blob": output.blob,
        "codec": output.codec,
        "size": output.size,
        "rows": output.rows,
    }
    if is_list(output):
        document["elements"] = [
            {"label": label, "logical": part.logical, "rows": part.rows, "size": part.size}
            for label, part in outputs_of(output)
        ]
    elif output.columns:
        frame = store.load(output)
        document["columns"] = {name: output.columns[name][0] for name in frame.columns}
        document["head"] = json.loads(frame.head(HEAD_ROWS).write_json())
    elif output.codec == "dagrun.engine.documents:DOCUMENT":
        document["document"] = plain(store.load(output))
    return document


def _show_run(run: Run, as_json: bool) -> int:
    if as_json:
        stages = [{"name": line["stage"], **line} for line in run.stages.values()]
        for stage in stages:
            del stage["stage"]
        header = {**run.header, "run_id": run.run_id, "status": run.status}
        show_document({**header, "seconds": run.seconds, "stages": stages})
        return 0
    for line in one_run_lines(run):
        tell_result(line)
    return 0
