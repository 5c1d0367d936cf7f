"""Comparing runs by what their logs say: pure work on history.

The limit: a log knows keys, rows and seconds, not data; that two keys differ says that something
which determines the stage differs, and `dagrun why` and `dagrun diff` say what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagrun.engine.history.runlog import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One stage in two runs: its logged lines (empty where a run did not have it).

    Attributes:
        same_key: None when one of the two has no key.
        alike: no difference in fate, key or rows, and not executed in both.
    """

    name: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    same_key: bool | None
    alike: bool


def compare(before: Run, after: Run) -> tuple[Pair, ...]:
    """Pair the stages of two runs, in the order of the second and then of the first."""
    return tuple(
        _pair(name, before.stages.get(name, {}), after.stages.get(name, {}))
        for name in dict.fromkeys((*after.stages, *before.stages))
    )


def _pair(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Pair:
    keys = (before.get("key"), after.get("key"))
    same_key = None if None in keys else keys[0] == keys[1]
    fate = before.get("status") == after.get("status") != "ran"
    alike = fate and same_key is not False and before.get("rows") == after.get("rows")
    return Pair(name=name, before=before, after=after, same_key=same_key, alike=alike)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over runs.

    Attributes:
        seconds: of the runs that ended.
        statuses: how many runs ended how, the most frequent first.
        ran, ran_seconds: stages that ran, and the seconds they took.
        hits, saved: stages that hit, and the seconds they took when they ran.
    """

    runs: int
    seconds: float
    statuses: Mapping[str, int]
    ran: int
    ran_seconds: float
    hits: int
    saved: float


def totals(runs: Sequence[Run]) -> Totals:
    """Sum up runs."""
    lines = [line for run in runs for line in run.stages.values()]
    ran = [line for line in lines if line["status"] == "ran"]
    hits = [line for line in lines if line["status"] == "hit"]
    return Totals(
        runs=len(runs),
        seconds=sum(run.seconds or 0.0 for run in runs),
        statuses=dict(Counter(run.status for run in runs).most_common()),
        ran=len(ran),
        ran_seconds=sum(line.get("seconds", 0.0) for line in ran),
        hits=len(hits),
        saved=sum(line.get("saved", 0.0) for line in hits),
    )
