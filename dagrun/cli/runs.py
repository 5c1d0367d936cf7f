"""`dagrun runs`: the store's history."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store
from dagrun.engine.errors import DagrunError, listing, nearest
from dagrun.engine.history.account import account_of, compare_accounts
from dagrun.engine.history.comparison import compare, totals
from dagrun.engine.history.runlog import Run, Runs
from dagrun.ui.accounts import change_document, change_lines
from dagrun.ui.history import comparison_lines, run_lines, stage_lines, totals_line
from dagrun.ui.terminal import show, tell


def list_runs(*, pipeline: str | None, stage: str | None, count: int, as_json: bool) -> int:
    """List the newest runs, or what they made of one stage. Raises `NoStore` or `NoSuchStage`."""
    runs = Runs(open_store(pipeline)).newest_first()
    if stage is not None:
        return _list_stage(stage, runs, count, as_json)
    found = list(itertools.islice(runs, count))
    if as_json:
        show_document({"runs": [_document(run) for run in found], "totals": asdict(totals(found))})
        return 0
    for line in run_lines(found) or ["no runs yet; start one with: dagrun run"]:
        show(line)
    if found:
        tell(totals_line(totals(found)))
    return 0


class NoSuchStage(DagrunError):
    """No run that is remembered had a stage of that name."""

    def __init__(self, stage: str, known: list[str]) -> None:
        self.stage = stage
        super().__init__(
            f"no run had a stage {stage!r}.{nearest(stage, known)} Stages: {listing(known)}"
        )


def _list_stage(stage: str, runs: Iterator[Run], count: int, as_json: bool) -> int:
    known: set[str] = set()
    found: list[Run] = []
    for run in runs:
        known |= run.stages.keys()
        if stage in run.stages:
            found.append(run)
        if len(found) == count:
            break
    if not found:
        raise NoSuchStage(stage, sorted(known))
    if as_json:
        lines = [{"run_id": run.run_id, **run.stages[stage]} for run in found]
        show_document({"stage": stage, "runs": lines})
        return 0
    for line in stage_lines(stage, found):
        show(line)
    return 0


def compare_runs(
    *, before: str, after: str, every: bool, pipeline: str | None, as_json: bool
) -> int:
    """Compare two runs by stages and by values. Raises `NoStore` or `UnknownRun`."""
    store = open_store(pipeline)
    runs = Runs(store)
    first, second = runs.read(before), runs.read(after)
    pairs = compare(first, second)
    changes = compare_accounts(account_of(store, first), account_of(store, second))
    if as_json:
        document = {"before": _document(first), "after": _document(second)}
        stages = [asdict(pair) for pair in pairs]
        show_document({**document, "stages": stages, "values": change_document(changes)})
        return 0
    for line in comparison_lines(first, second, pairs):
        show(line)
    for line in change_lines(changes, every=every):
        show(line)
    return 0


def _document(run: Run) -> dict[str, Any]:
    counts = Counter(line["status"] for line in run.stages.values())
    return {
        **run.header,
        "run_id": run.run_id,
        "status": run.status,
        "seconds": run.seconds,
        "stages": dict(counts),
    }
