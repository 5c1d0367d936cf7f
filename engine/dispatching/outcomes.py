"""Outcomes: the result of a stage that hit, ran or failed, as the run reports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagrun.engine.dispatching.attempts import Attempt
from dagrun.engine.events import Output, StageResult, StageStatus
from dagrun.engine.execute import Reply
from dagrun.engine.lists import is_list, labels_of
from dagrun.engine.plan import Decision
from dagrun.engine.store.entries import Entry


def hit(name: str, decision: Decision, ran: Sequence[str] = ()) -> StageResult:
    """Return the result of a stage whose entry was found; `ran` are those above it that ran."""
    assert decision.entry is not None
    return done(
        name,
        "hit",
        decision.key,
        decision.entry.outputs,
        saved=decision.entry.seconds,
        cutoff=bool(ran),
        reason=f"{', '.join(ran)} gave equal data" if ran else "",
        elements=_elements(decision.entry),
    )


def _elements(entry: Entry) -> tuple[StageResult, ...] | None:
    """Return what the entry of a mapped stage tells of its elements."""
    first = next(iter(entry.outputs.values()))
    if not is_list(first):
        return None
    return tuple(
        StageResult(
            name=entry.stage,
            element=index,
            label=label,
            status="hit",
            key=key,
        )
        for index, (label, key) in enumerate(zip(labels_of(first), entry.elements, strict=True))
    )


def ran(attempt: Attempt, reply: Reply, seconds: float, last: Entry | None) -> StageResult:
    """Return the result of an attempt that succeeded; `last` is the stage's entry before it."""
    return done(
        attempt.name,
        "hit" if reply.shared else "ran",
        attempt.decision.key,
        reply.outputs,
        seconds=seconds,
        reason="another process ran it" if reply.shared else attempt.reason,
        same=not reply.shared and is_same(reply.outputs, last),
        attempts=attempt.number,
    )


def failed(
    attempt: Attempt, error: str, trace: str | None = None, seconds: float = 0.0
) -> StageResult:
    """Return the result of a stage whose last attempt failed."""
    return StageResult(
        name=attempt.name,
        status="failed",
        key=attempt.decision.key,
        seconds=seconds,
        reason=attempt.reason,
        attempts=attempt.number,
        error=error,
        trace=trace,
    )


def done(
    name: str,
    status: StageStatus,
    key: str | None,
    outputs: Mapping[str, Output],
    **details: Any,
) -> StageResult:
    """Return a result with outputs, their rows summed."""
    rows = [output.rows for output in outputs.values() if output.rows is not None]
    return StageResult(
        name=name,
        status=status,
        key=key,
        rows=sum(rows) if rows else None,
        outputs=dict(outputs),
        **details,
    )


def is_same(outputs: Mapping[str, Output], last: Entry | None) -> bool:
    """Tell whether outputs are those of an earlier entry."""
    return last is not None and {name: output.logical for name, output in outputs.items()} == {
        name: output.logical for name, output in last.outputs.items()
    }
