"""Past runs on the terminal: a line for each, or one with all its stages."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dagrun.engine.events import StageResult
from dagrun.engine.runlog import Run
from dagrun.ui.columns import Cell, aligned, indented
from dagrun.ui.outcome import ROLES, refusal, stage_line
from dagrun.ui.quantities import about, ago, short_run
from dagrun.ui.terminal import Role, paint

_ROLES: Mapping[str, Role] = {"done": "good", "failed": "bad", "halted": "warn"}


def run_lines(runs: Sequence[Run]) -> list[str]:
    """Return a line per run: id, when, how it ended and how long it took, its stages."""
    rows: list[list[Cell]] = [
        [
            short_run(run.run_id),
            _when(run),
            (run.status, _ROLES.get(run.status, "warn")),
            about(run.seconds) if run.seconds is not None else "",
            _counts(run),
            str(run.header.get("pipeline", "")),
            _commit(run),
        ]
        for run in runs
    ]
    return aligned(rows, right={3})


def one_run_lines(run: Run) -> list[str]:
    """Return a run whole: header, stages, and what failed or was refused."""
    took = f" in {about(run.seconds)}" if run.seconds is not None else ""
    status = paint(run.status, _ROLES.get(run.status, "warn"))
    targets = ", ".join(run.header.get("targets", [])) or "everything"
    about_it = [
        f"pipeline {run.header.get('pipeline', '?')} ({run.header.get('file', '?')})",
        f"targets: {targets}",
        f"seed {run.header.get('seed', 0)}",
        *([commit] if (commit := _commit(run)) else []),
    ]
    results = [_result(line) for line in run.stages.values()]
    width = max((len(result.name) for result in results), default=0)
    lines = [f"run {run.run_id}  {status}{took}, {_when(run)}", ", ".join(about_it)]
    lines += [stage_line(result, width) for result in results]
    for result in results:
        if result.status == "failed":
            trouble = (result.trace or result.error or "").rstrip()
            lines += ["", f"{paint('failed:', 'bad')} stage {result.name!r}", indented(trouble)]
        if result.verdict and not result.verdict["passed"]:
            lines += ["", refusal(result, [])]
    return lines


def _result(line: Mapping[str, Any]) -> StageResult:
    fields = ("status", "key", "seconds", "rows", "reason", "attempts", "error", "trace", "verdict")
    known = {name: line[name] for name in fields if name in line}
    if (counts := line.get("elements")) is not None:
        known["elements"] = tuple(
            StageResult(name=line["stage"], status=status)
            for status, count in counts.items()
            for _ in range(count)
        )
    return StageResult(name=line["stage"], **known)


def _when(run: Run) -> str:
    started = run.header.get("started")
    if started is None:
        return ""
    return ago(dt.datetime.fromtimestamp(started, dt.UTC).isoformat())


def _counts(run: Run) -> str:
    counts = Counter(line["status"] for line in run.stages.values())
    return ", ".join(f"{counts[status]} {status}" for status in ROLES if counts[status])


def _commit(run: Run) -> str:
    commit = run.header.get("commit")
    dirty = " + changes" if run.header.get("dirty") else ""
    return f"commit {commit[:7]}{dirty}" if commit else ""
