"""`dagrun runs`: the store's history."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store
from dagrun.engine.runlog import Run, Runs
from dagrun.ui.history import run_lines
from dagrun.ui.terminal import show


def list_runs(*, pipeline: str | None, count: int, as_json: bool) -> int:
    """List the newest runs. Raises `NoStore`."""
    found = list(itertools.islice(Runs(open_store(pipeline)).newest_first(), count))
    if as_json:
        show_document({"runs": [_document(run) for run in found]})
        return 0
    for line in run_lines(found) or ["no runs yet; start one with: dagrun run"]:
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
