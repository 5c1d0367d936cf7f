"""Leaving a receipt: the evidence of a command that left nothing to do, and its answer."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace

from dagrun.cli.documents import plan_document, run_document
from dagrun.engine.canonical import to_bytes
from dagrun.engine.errors import DagrunError
from dagrun.engine.events import RunResult
from dagrun.engine.explaining.forecast import Forecast
from dagrun.engine.history.runlog import RUNLOG_VERSION, stage_form
from dagrun.engine.plan import Plan
from dagrun.engine.prepare import Selection
from dagrun.engine.receipts.evidence import Witness
from dagrun.engine.receipts.receipt import SWITCH
from dagrun.engine.receipts.testimony import finished, leave, planned, testify
from dagrun.engine.workspace import Workspace
from dagrun.ui.decisions import plan_lines
from dagrun.ui.outcome import stage_line, tally
from dagrun.ui.terminal import tell

_STAGES = '"stages": '


def leave_run(
    witness: Witness,
    words: Sequence[str],
    workspace: Workspace,
    selection: Selection,
    result: RunResult,
    *,
    as_json: bool,
) -> None:
    """Leave the receipt of a run, if it was done and the witness is sure. Never raises."""
    with contextlib.suppress(OSError, DagrunError):
        stages = finished(result)
        found = testify(witness, workspace.store, stages) if stages else None
        _tell_doubts(witness)
        if found is None:
            return
        evidence, hits = found
        again = replace(result, stages=tuple(hits))
        width = max(len(stage.name) for stage in hits)
        document = json.dumps(run_document(again), indent=2, ensure_ascii=False) if as_json else ""
        tail = document[document.index(f",\n  {_STAGES}") :] if as_json else None
        answer = {
            "root": str(workspace.project.root),
            "runs": str(workspace.store.runs),
            "header": {"version": RUNLOG_VERSION, **workspace.header(selection)},
            "log": [to_bytes(stage_form(stage)).decode()[:-1] for stage in hits],
            "lines": "".join(stage_line(stage, width) + "\n" for stage in hits),
            "tally": tally(again),
            "document": tail,
        }
        leave(workspace.store, words, evidence, answer)


def leave_plan(
    witness: Witness,
    words: Sequence[str],
    workspace: Workspace,
    plan: Plan,
    forecast: Forecast,
    *,
    as_json: bool,
) -> None:
    """Leave the receipt of a plan in which everything hits. Never raises."""
    with contextlib.suppress(OSError, DagrunError):
        stages = planned(plan)
        found = testify(witness, workspace.store, stages) if stages else None
        _tell_doubts(witness)
        if found is not None:
            document = json.dumps(plan_document(plan, forecast), indent=2, ensure_ascii=False)
            text = document if as_json else "\n".join(plan_lines(plan, forecast))
            leave(workspace.store, words, found[0], {"text": text})


def _tell_doubts(witness: Witness) -> None:
    if os.environ.get(SWITCH) == "why":
        for doubt in witness.doubts:
            tell(f"no receipt: {doubt}")
