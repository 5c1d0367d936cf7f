"""A plan on the terminal: what would hit, what would run, why, and what that took last time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from dagrun.engine.explaining.forecast import Forecast
from dagrun.engine.plan import Plan, PlannedStage
from dagrun.ui.columns import Cell, aligned
from dagrun.ui.quantities import about, counted, elements, seconds, size
from dagrun.ui.terminal import Role

ROLES: Mapping[str, Role] = {"hit": "dim", "run": "new", "unknown": "warn", "prune": "dim"}


def plan_lines(plan: Plan, forecast: Forecast) -> list[str]:
    """Return a line per stage, the effects apart, the sum, and what a cutoff may save."""
    stages = [stage for stage in plan.stages if not stage.effect]
    effects = [stage for stage in plan.stages if stage.effect]
    lines = _table([*stages, *effects], {**forecast.own_changes, **forecast.accepted})
    if effects:
        lines.insert(len(stages), "effects")
    lines.append(_sum(stages, forecast))
    if forecast.savable:
        lines.append(_saving(forecast))
    return lines


def _table(stages: Sequence[PlannedStage], notes: Mapping[str, str]) -> list[str]:
    rows: list[list[Cell]] = []
    for stage in stages:
        told = elements(stage.elements) if stage.elements is not None else ""
        notes_of = [text for text in (told, stage.reason, notes.get(stage.name)) if text]
        expected = stage.action not in ("hit", "prune")
        rows.append(
            [
                stage.name,
                (stage.action, ROLES[stage.action]),
                seconds(stage.seconds) if stage.seconds is not None and expected else "",
                size(stage.size) if stage.size is not None and expected else "",
                "; ".join(notes_of),
            ]
        )
    return aligned(rows, right={2, 3})


def _sum(stages: Sequence[PlannedStage], forecast: Forecast) -> str:
    counts = Counter[str](stage.action for stage in stages)
    words = {
        "run": f"would run{_cost(forecast.seconds, forecast.size)}",
        "unknown": "not known yet"
        + _cost(forecast.waiting_seconds, forecast.waiting_size, most="at most "),
        "hit": "would hit",
        "prune": "would be pruned",
    }
    parts = [f"{counts[action]} {text}" for action, text in words.items() if counts[action]]
    return ", ".join(parts) if parts else "nothing to do"


def _cost(expected: float, stored: int, most: str = "") -> str:
    """Return what stages took last time in parentheses, nothing when it is not worth a word."""
    return f" ({most}about {about(expected)}, {size(stored)})" if expected >= 0.05 else ""


def _saving(forecast: Forecast) -> str:
    count, spared = len(forecast.savable), forecast.savable_seconds
    usual = f", about {about(spared)}," if spared >= 0.05 else ""
    return f"up to {counted(count, 'stage')}{usual} may be saved by a cutoff"
