"""The forecast: what a plan will probably cost, and what of it a cutoff may save.

Guarantee: figures are sums of what the same stages took and stored last time; a stage without
history counts as nothing and is named in `untimed`. A stage is listed as savable only if it would
hit should its inputs come out as they were: its own code, params and sources are those of an entry
that is whole. The limit: more or slower data is not foreseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dagrun.engine.explaining.acceptance import tell_accepted
from dagrun.engine.explaining.explain import Explainer
from dagrun.engine.explaining.reasons import in_one_line
from dagrun.engine.plan import Find, Plan
from dagrun.engine.prepare import Prepared
from dagrun.engine.store.entries import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a plan will probably cost.

    Attributes:
        seconds, size: of the stages that would run, last time; bytes are those stored.
        waiting_seconds, waiting_size: of the stages not known yet, should all of them run.
        untimed: stages that would run or may run and have no history.
        savable: stages not known yet that a cutoff may spare.
        savable_seconds: what those took last time.
        accepted: for stages that would hit what was accepted, by whom, when and why.
        own_changes: for stages not known yet, what differs of their own, in one line.
    """

    seconds: float = 0.0
    size: int = 0
    waiting_seconds: float = 0.0
    waiting_size: int = 0
    untimed: tuple[str, ...] = ()
    savable: tuple[str, ...] = ()
    savable_seconds: float = 0.0
    accepted: Mapping[str, str] = field(default_factory=dict)
    own_changes: Mapping[str, str] = field(default_factory=dict)


def make_forecast(
    prepared: Prepared,
    plan: Plan,
    explainer: Explainer,
    find: Find,
    last_entry: Callable[[str], Entry | None],
) -> Forecast:
    """Sum up a plan from history; pure, as the plan is."""
    runs = [stage for stage in plan.stages if stage.action == "run"]
    waits = [stage for stage in plan.stages if stage.action == "unknown"]
    savable, own_changes = [], {}
    for planned in waits:
        recipe, last = prepared.recipes[planned.name], last_entry(planned.name)
        if planned.effect or last is None or planned.name in prepared.forced:
            continue
        causes = explainer.causes(recipe, plan.decisions[planned.name], last)
        if causes:
            own_changes[planned.name] = in_one_line(causes)
        elif recipe.stage.cache and find(last.key):
            savable.append(planned)
    return Forecast(
        seconds=sum(stage.seconds or 0.0 for stage in runs),
        size=sum(stage.size or 0 for stage in runs),
        waiting_seconds=sum(stage.seconds or 0.0 for stage in waits),
        waiting_size=sum(stage.size or 0 for stage in waits),
        untimed=tuple(
            stage.name for stage in (*runs, *waits) if stage.seconds is None and not stage.effect
        ),
        savable=tuple(stage.name for stage in savable),
        savable_seconds=sum(stage.seconds or 0.0 for stage in savable),
        accepted={
            name: told
            for name, decision in plan.decisions.items()
            if (told := tell_accepted(decision.entry))
        },
        own_changes=own_changes,
    )
