"""Totals of many workers, those that have ended included.

Guarantee: `merge` is associative and commutative, so that any grouping of snapshots adds up to the
same; with `ended` for the last snapshot of a worker that is gone, totals never fall while gauges
speak of the living only. A model that no living worker counts any longer can be left out with
`remembered`. It imports nothing heavy: the supervisor runs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dagrun.server.observe.metrics import METRICS, model_of

Json = dict[str, Any]


def merge(snapshots: Iterable[Json]) -> Json:
    """Return one snapshot with the sums of all, sorted by method and labels."""
    calls: dict[tuple[str, ...], Json] = {}
    readings: dict[tuple[str, tuple[str, ...]], float] = {}
    for snapshot in snapshots:
        for call in snapshot["calls"]:
            key = (call["method"], *call["labels"])
            calls[key] = _sum(calls[key], call) if key in calls else call
        for name, labels, value in snapshot["readings"]:
            read = (name, tuple(labels))
            readings[read] = readings.get(read, 0) + value
    return {
        "calls": [calls[key] for key in sorted(calls)],
        "readings": [
            [name, list(labels), readings[name, labels]] for name, labels in sorted(readings)
        ],
    }


def ended(snapshot: Json) -> Json:
    """Return what stays true of a worker that has ended: what it counted, not what it was."""
    counted = [each for each in snapshot["readings"] if METRICS[each[0]].kind != "gauge"]
    return {"calls": snapshot["calls"], "readings": counted}


def remembered(counted: Json, living: Iterable[Json]) -> Json:
    """Return what was counted of the models that are known to the living, and of no model."""
    known: set[tuple[str, ...]] = {(), ("", "", "")}
    for snapshot in living:
        known |= {tuple(call["labels"]) for call in snapshot["calls"]}
        known |= {model_of(name, labels) for name, labels, _ in snapshot["readings"]}
    return {
        "calls": [call for call in counted["calls"] if tuple(call["labels"]) in known],
        "readings": [each for each in counted["readings"] if model_of(*each[:2]) in known],
    }


def _sum(one: Json, other: Json) -> Json:
    return {
        "method": one["method"],
        "labels": one["labels"],
        "phases": one["phases"],
        "sizes": _added(one["sizes"], other["sizes"]),
        "sums": _added(one["sums"], other["sums"]),
        "buckets": [
            _added(first, second)
            for first, second in zip(one["buckets"], other["buckets"], strict=True)
        ],
    }


def _added(one: list[int], other: list[int]) -> list[int]:
    return [first + second for first, second in zip(one, other, strict=True)]
