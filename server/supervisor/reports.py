"""What a server tells its operator when it starts and when it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dagrun.server.observe import metrics
from dagrun.server.serving.exposure import Entrance
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.supervisor.channel import Document
from dagrun.server.supervisor.fleet import Fleet
from dagrun.server.supervisor.settings import Layout


def started(
    fleet: Fleet,
    address: str,
    http: str,
    layout: Layout,
    settings: ServerSettings,
    doors: Entrance,
) -> Iterator[str]:
    """Yield what is served, where it listens, how it is laid out, and what it asks of callers."""
    yield from fleet.start_report
    yield f"gRPC on {address} (dagrun.v1, Open Inference Protocol V2, health, reflection)"
    yield str(layout)
    yield f"metrics, probes on http{'s' if doors.certificate else ''}://{http}"
    if settings.prediction_log:
        yield f"predictions are logged to {settings.prediction_log}"
    yield from doors.report()


def ended(totals: Document) -> Iterator[str]:
    """Yield how much was answered, what was computed again, and what was logged."""
    calls = sum(call["sizes"][0] for call in totals["calls"])
    yield f"stopped: {calls} call{'' if calls == 1 else 's'} answered with scores"
    if rows := _sum(totals, metrics.RECHECKED):
        different = _sum(totals, metrics.DIFFERENT)
        yield f"rows computed again by the batch twin: {rows}, {different} with other bits"
    for _, (name, shadow), rows in _readings(totals, metrics.SHADOW_ROWS):
        others, failed = (
            sum(value for _, labels, value in _readings(totals, each) if labels[1] == shadow)
            for each in (metrics.SHADOW_LABELS, metrics.SHADOW_FAILED)
        )
        yield (
            f"{name}: shadow {shadow} computed {rows:g} rows along: {others:g} other labels, "
            f"{failed:g} failed"
        )
    logged, missing = _sum(totals, metrics.LOGGED), _sum(totals, metrics.LOG_MISSING)
    if logged or missing:
        yield f"prediction log: {logged} rows written{f', {missing} missing' * bool(missing)}"


def _readings(totals: Document, name: str) -> list[Any]:
    return [reading for reading in totals["readings"] if reading[0] == name]


def _sum(totals: Document, name: str) -> int:
    return sum(int(value) for _, _, value in _readings(totals, name))
