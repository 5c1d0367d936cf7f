"""A plan on the terminal: what would hit, what would run, why, and what that took last time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from dagrun.engine.plan import Plan, PlannedStage
from dagrun.ui.columns import Cell, aligned
from dagrun.ui.quantities import about, elements, seconds, size
from dagrun.ui.terminal import Role

ROLES: Mapping[str, Role] = {"hit": "dim", "run": "new", "unknown": "warn", "prune": "dim"}


def plan_lines(plan: Plan) -> list[str]:
    """Return a line per stage, the effects apart, and the sum."""
    stages = [stage for stage in plan.stages if not stage.effect]
    effects = [stage for stage in plan.stages if stage.effect]
    lines = _table([*stages, *effects])
    if effects:
        lines.insert(len(stages), "effects")
    return [*lines, _sum(stages, plan.expected_seconds)]


def _table(stages: Sequence[PlannedStage]) -> list[str]:
    rows: list[list[Cell]] = [
        [
            stage.name,
            (stage.action, ROLES[stage.action]),
            seconds(stage.seconds) if stage.seconds is not None and stage.action != "hit" else "",
            size(stage.size) if stage.size is not None and stage.action != "hit" else "",
            _reason(stage),
        ]
        for stage in stages
    ]
    return aligned(rows, right={2, 3})


def _reason(stage: PlannedStage) -> str:
    told = elements(stage.elements) if stage.elements is not None else ""
    return "; ".join(text for text in (told, stage.reason) if text)


def _sum(stages: Sequence[PlannedStage], expected: float) -> str:
    counts = Counter[str](stage.action for stage in stages)
    usual = f" (about {about(expected)})" if expected >= 0.05 else ""
    words = {
        "run": f"{counts['run']} would run{usual}",
        "unknown": f"{counts['unknown']} not known yet",
        "hit": f"{counts['hit']} would hit",
        "prune": f"{counts['prune']} would be pruned",
    }
    parts = [text for action, text in words.items() if counts[action]]
    return ", ".join(parts) if parts else "nothing to do"
