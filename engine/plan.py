"""The plan: which stages would hit, which would run, and why. Pure: it only asks `find`.

`decide` is the one rule, used by the plan (over entries) and by the dispatch (over results).
A stage below one that runs is *unknown*: should the data come out equal, it hits (cutoff).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dagrun.engine.canonical import Json
from dagrun.engine.events import Output
from dagrun.engine.keys import Recipe, make_key, make_preimage
from dagrun.engine.prepare import Prepared
from dagrun.engine.store.entries import Entry

Action = Literal["hit", "run", "unknown"]
Find = Callable[[str], Entry | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done with one stage, given its inputs."""

    action: Action
    key: str | None = None
    preimage: Mapping[str, Json] | None = None
    entry: Entry | None = None
    inputs: Mapping[str, Output] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """One line of a plan.

    Attributes:
        key: None while an input is unknown, and for effects.
        reason: why it would run, or what it waits for.
        seconds, size: what the stage took and stored last time, None without history.
    """

    name: str
    action: Action
    key: str | None
    reason: str
    effect: bool = False
    seconds: float | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The decisions of one moment, in topological order, with the recipes behind them."""

    stages: tuple[PlannedStage, ...]
    decisions: Mapping[str, Decision]

    @property
    def expected_seconds(self) -> float:
        """Seconds that the stages to run took last time, summed."""
        return sum(stage.seconds or 0.0 for stage in self.stages if stage.action == "run")


def decide(
    recipe: Recipe, inputs: Mapping[str, Output] | None, find: Find, forced: bool
) -> Decision:
    """Decide one stage; `inputs` is None while one of them is unknown."""
    if inputs is None:
        return Decision(action="unknown")
    stage = recipe.stage
    if stage.effect:
        return Decision(action="run", inputs=inputs)
    logical = {name: inputs[name].logical for name in stage.inputs}
    preimage = make_preimage(recipe, logical)
    key = make_key(preimage)
    entry = None if forced or not stage.cache else find(key)
    action: Action = "hit" if entry else "run"
    return Decision(action=action, key=key, preimage=preimage, entry=entry, inputs=inputs)


def is_refused(outputs: Mapping[str, Output]) -> bool:
    """Tell whether a gate's stored verdict says no."""
    (output,) = outputs.values()
    form: Any = output.inline
    return not form["$dataclass"][1]["passed"]


def make_plan(
    prepared: Prepared,
    find: Find,
    reason_for: Callable[[Recipe, Decision], str],
    last_entry: Callable[[str], Entry | None],
) -> Plan:
    """Decide every selected stage.

    `reason_for` words why a stage runs; `last_entry` is the stage's last one, for expectations.
    """
    outputs: dict[str, Output] = {}
    blocked: dict[str, str] = {}
    decisions: dict[str, Decision] = {}
    planned = []
    for name in prepared.order:
        recipe = prepared.recipes[name]
        stage = recipe.stage
        reason = _waits_for(prepared, name, decisions, blocked)
        inputs = None if reason else {item: outputs[item] for item in stage.inputs}
        decision = decide(recipe, inputs, find, name in prepared.forced)
        decisions[name] = decision
        if decision.entry:
            outputs |= decision.entry.outputs
            if stage.gate and is_refused(decision.entry.outputs):
                blocked[name] = f"gate {name!r} refused: halted"
        elif reason and reason in blocked.values():
            blocked[name] = reason
        if decision.action == "run":
            reason = reason_for(recipe, decision)
        last = decision.entry or last_entry(name)
        planned.append(
            PlannedStage(
                name=name,
                action=decision.action,
                key=decision.key,
                reason=reason,
                effect=stage.effect,
                seconds=last.seconds if last else None,
                size=sum(output.size for output in last.outputs.values()) if last else None,
            )
        )
    return Plan(stages=tuple(planned), decisions=decisions)


def _waits_for(
    prepared: Prepared, name: str, decisions: Mapping[str, Decision], blocked: Mapping[str, str]
) -> str:
    """Return what keeps a stage's inputs unknown, or "" when all of them are known."""
    upstream = prepared.graph.upstream(name)
    for before in upstream:
        if before in blocked:
            return blocked[before]
    waiting = [before for before in upstream if decisions[before].action != "hit"]
    return f"depends on what {', '.join(waiting)} will give" if waiting else ""
