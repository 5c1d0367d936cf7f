"""The JSON documents that commands print with `--json`; their fields only ever grow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dagrun.engine.events import RunResult, StageResult
from dagrun.engine.history.bands import Unusual
from dagrun.ui.terminal import show

if TYPE_CHECKING:
    from dagrun.engine.explaining.forecast import Forecast
    from dagrun.engine.plan import Plan

_STAGE_FIELDS = (
    "name",
    "element",
    "status",
    "key",
    "seconds",
    "rows",
    "reason",
    "saved",
    "cutoff",
    "attempts",
    "error",
    "verdict",
)
_ELEMENT_FIELDS = (
    "element",
    "label",
    "status",
    "key",
    "seconds",
    "rows",
    "reason",
    "saved",
    "attempts",
    "error",
)
_PLAN_FIELDS = ("name", "action", "key", "reason", "effect", "seconds", "size", "elements")


def show_document(document: Any) -> None:
    """Write a JSON document to standard output."""
    show(json.dumps(document, indent=2, ensure_ascii=False))


def run_document(result: RunResult, unusual: Sequence[Unusual] = ()) -> dict[str, Any]:
    """Return a run's result as `run --json` prints it."""
    return {
        "run_id": result.run_id,
        "pipeline": result.pipeline,
        "status": result.status,
        "seconds": result.seconds,
        "commit": result.commit,
        "dirty": result.dirty,
        "stages": [_stage(stage) for stage in result.stages],
        "effects": [_stage(stage) for stage in result.effects],
        "checks": None if result.checks is None else [asdict(check) for check in result.checks],
        "unusual": [asdict(found) for found in unusual],
    }


def _stage(result: StageResult) -> dict[str, Any]:
    fields = {name: getattr(result, name) for name in _STAGE_FIELDS}
    outputs = {
        name: {"logical": output.logical, "rows": output.rows, "size": output.size}
        for name, output in result.outputs.items()
    }
    return {**fields, "outputs": outputs, "elements": _elements(result)}


def _elements(result: StageResult) -> list[dict[str, Any]] | None:
    if result.elements is None:
        return None
    return [{name: getattr(each, name) for name in _ELEMENT_FIELDS} for each in result.elements]


def plan_document(plan: Plan, forecast: Forecast) -> dict[str, Any]:
    """Return a plan as `plan --json` prints it."""
    stages = [{name: getattr(stage, name) for name in _PLAN_FIELDS} for stage in plan.stages]
    return {"stages": stages, "forecast": asdict(forecast)}
