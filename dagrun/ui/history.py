"""Past runs on the terminal: a line for each, or one with all its stages."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dagrun.engine.events import StageResult
from dagrun.engine.history.bands import Unusual
from dagrun.engine.history.comparison import Pair, Totals
from dagrun.engine.history.runlog import Run
from dagrun.ui.columns import Cell, aligned, indented
from dagrun.ui.outcome import ROLES, refusal, stage_line
from dagrun.ui.quantities import about, ago, counted, seconds, short, short_run
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


def totals_line(sums: Totals) -> str:
    """Return `20 runs in 3 min: 18 done, 2 failed; stages: 41 ran in 2 min, 300 hit (...)`."""
    ended = ", ".join(f"{count} {status}" for status, count in sums.statuses.items())
    saved = f" (saved about {about(sums.saved)})" if sums.saved >= 0.1 else ""
    head = f"{counted(sums.runs, 'run')} in {about(sums.seconds)}: {ended}"
    return f"{head}; stages: {sums.ran} ran in {about(sums.ran_seconds)}, {sums.hits} hit{saved}"


def stage_lines(stage: str, runs: Sequence[Run]) -> list[str]:
    """Return a line per run: what became of one stage, in what time, with how many rows."""
    rows: list[list[Cell]] = []
    for run in runs:
        line = run.stages[stage]
        status: str = line["status"]
        took = seconds(line["seconds"]) if line.get("seconds") else ""
        rows.append(
            [
                short_run(run.run_id),
                _when(run),
                (status, ROLES.get(status)),
                took,
                counted(line["rows"], "row") if "rows" in line else "",
                short(line.get("key")),
                textwrap.shorten(str(line.get("reason", "")), 60, placeholder="..."),
            ]
        )
    return aligned(rows, right={3, 4})


def comparison_lines(before: Run, after: Run, pairs: Sequence[Pair]) -> list[str]:
    """Return a line per stage that differs or ran in both runs, and how many are alike."""
    told = [pair for pair in pairs if not pair.alike]
    lines = run_lines([before, after])
    rows: list[list[Cell]] = [
        [
            pair.name,
            _both(pair.before.get("status", "absent"), pair.after.get("status", "absent")),
            {True: "", False: "key differs", None: ""}[pair.same_key],
            _both(_rows(pair.before), _rows(pair.after)),
            _both(_seconds(pair.before), _seconds(pair.after)) if _ran_twice(pair) else "",
        ]
        for pair in told
    ]
    alike = len(pairs) - len(told)
    return [*lines, *aligned(rows), f"{counted(alike, 'stage')} alike"]


def _ran_twice(pair: Pair) -> bool:
    return bool(pair.before.get("seconds") and pair.after.get("seconds"))


def _both(before: str, after: str) -> str:
    return before if before == after else f"{before or 'none'} -> {after or 'none'}"


def _rows(line: Mapping[str, Any]) -> str:
    return counted(line["rows"], "row") if "rows" in line else ""


def _seconds(line: Mapping[str, Any]) -> str:
    return seconds(line["seconds"]) if line.get("seconds") else ""


def unusual_line(found: Unusual) -> str:
    """Return what left its usual band, and by what it is judged."""
    show = _row_count if found.quantity == "rows" else seconds
    verb = "made" if found.quantity == "rows" else "took"
    return (
        f"stage {found.stage!r} {verb} {show(found.value)}; usual are {show(found.low)} to "
        f"{show(found.high)} ({counted(found.runs, 'earlier run')}; see: dagrun runs list "
        f"--stage {found.stage})"
    )


def _row_count(value: float) -> str:
    return counted(round(value), "row")


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
        *([verified] if (verified := _verified(run)) else []),
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


def _verified(run: Run) -> str:
    unlike = run.header.get("unlike", [])
    count = counted(run.header.get("verified", 0), "hit")
    named = f", of which {', '.join(unlike)} gave other data" if unlike else ""
    return f"verified {count}{named}" if "verified" in run.header else ""


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
