"""The plan: which stages would hit, which would run, and why. Pure: it only asks `find`.

`decide` is the one rule, used by the plan (over entries) and by the dispatch (over results).
A stage below one that runs is *unknown*: should the data come out equal, it hits (cutoff). The
elements of a mapped stage are decided one by one, as soon as its list is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dagrun.engine.branches import NOTHING, why_pruned
from dagrun.engine.canonical import Json
from dagrun.engine.elements import Element, Load, element_recipe, expand
from dagrun.engine.events import Output
from dagrun.engine.keys import Recipe, make_key, make_preimage
from dagrun.engine.lists import gather_outputs, labels_of
from dagrun.engine.prepare import Prepared
from dagrun.engine.store.entries import Entry

Action = Literal["hit", "run", "unknown", "prune"]
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
        elements: of a mapped stage, how many would hit and how many run; None while unknown.
    """

    name: str
    action: Action
    key: str | None
    reason: str
    effect: bool = False
    seconds: float | None = None
    size: int | None = None
    elements: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The decisions of one moment, in topological order, with the recipes behind them."""

    stages: tuple[PlannedStage, ...]
    decisions: Mapping[str, Decision]


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


def is_refused(outputs: Mapping[str, Output], load: Load) -> bool:
    """Tell whether a gate's stored verdict says no."""
    (output,) = outputs.values()
    return not load(output).passed


def decide_element(
    recipe: Recipe, element: Element, inputs: Mapping[str, Output], find: Find, forced: bool
) -> Decision:
    """Decide one element of a mapped stage, `inputs` being those of the stage."""
    return decide(
        element_recipe(recipe, element.params), {**inputs, **element.inputs}, find, forced
    )


@dataclass(slots=True, kw_only=True)
class _Known:
    """What planning has found out, stage by stage.

    Attributes:
        outputs: the artifacts that exist, those of pruned stages as `NOTHING`.
        pruned: the artifacts of pruned stages.
        blocked: stages that a gate halts, with the reason.
        waiting: stages whose outputs are not known.
    """

    outputs: dict[str, Output] = field(default_factory=dict)
    pruned: set[str] = field(default_factory=set)
    blocked: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)


def make_plan(
    prepared: Prepared,
    find: Find,
    reason_for: Callable[[Recipe, Decision], str],
    last_entry: Callable[[str], Entry | None],
    load: Load,
) -> Plan:
    """Decide every selected stage.

    `reason_for` words why a stage runs; `last_entry` is the stage's last one, for expectations;
    `load` reads the lists that stages are mapped over and the conditions of branches. Raises
    `NotAList` and `NoCondition`.
    """
    known = _Known()
    decisions: dict[str, Decision] = {}
    planned = []
    for name in prepared.order:
        recipe = prepared.recipes[name]
        stage = recipe.stage
        decision, reason = _decide_planned(prepared, name, known, find, load)
        elements = None
        if stage.mapped and decision.action in ("hit", "run"):
            decision, elements = _decide_elements(prepared, name, decision, known, find, load)
        decisions[name] = decision
        if decision.entry:
            known.outputs |= decision.entry.outputs
            if stage.gate and is_refused(decision.entry.outputs, load):
                known.blocked[name] = f"gate {name!r} refused: halted"
        if decision.action == "run":
            reason = reason_for(recipe, decision)
        if decision.action in ("run", "unknown"):
            known.waiting.add(name)
        last = decision.entry or last_entry(name)
        planned.append(
            PlannedStage(
                name=name,
                action=decision.action,
                key=decision.key,
                reason=reason,
                effect=stage.effect,
                seconds=last.seconds * _share(elements) if last else None,
                size=sum(output.size for output in last.outputs.values()) if last else None,
                elements=elements,
            )
        )
    return Plan(stages=tuple(planned), decisions=decisions)


def _share(elements: Mapping[str, int] | None) -> float:
    """Return which part of a stage would run: of a mapped one, that of the elements to be run."""
    total = sum(elements.values()) if elements else 0
    return (elements or {}).get("run", 0) / total if total else 1.0


def _decide_planned(
    prepared: Prepared, name: str, known: _Known, find: Find, load: Load
) -> tuple[Decision, str]:
    """Decide a stage, with the reason if it is pruned or has to wait."""
    recipe = prepared.recipes[name]
    stage = recipe.stage
    upstream = prepared.graph.upstream(name)
    for before in upstream:
        if before in known.blocked:
            known.blocked[name] = known.blocked[before]
            return Decision(action="unknown"), known.blocked[name]
    if reason := why_pruned(stage, known.pruned, known.outputs, load):
        known.pruned |= set(stage.outputs)
        known.outputs |= dict.fromkeys(stage.outputs, NOTHING)
        return Decision(action="prune"), reason
    if waiting := [before for before in upstream if before in known.waiting]:
        return Decision(action="unknown"), f"depends on what {', '.join(waiting)} will give"
    inputs = {item: known.outputs[item] for item in stage.inputs}
    return decide(recipe, inputs, find, name in prepared.forced), ""


def _decide_elements(
    prepared: Prepared, name: str, decision: Decision, known: _Known, find: Find, load: Load
) -> tuple[Decision, Mapping[str, int]]:
    """Decide the elements of a mapped stage; if all hit, so does the stage, whole or anew."""
    recipe = prepared.recipes[name]
    if decision.entry:
        (output, *_) = decision.entry.outputs.values()
        return decision, {"hit": len(labels_of(output))}
    forced = name in prepared.forced
    elements = expand(recipe, decision.inputs, load)
    each = [decide_element(recipe, item, decision.inputs, find, forced) for item in elements]
    counts = Counter[str](item.action for item in each)
    if counts["run"] or forced:
        return decision, counts
    outputs = [item.entry.outputs for item in each if item.entry]
    labels = [element.label for element in elements]
    known.outputs |= gather_outputs(recipe.stage.outputs, labels, outputs)
    return replace(decision, action="hit"), counts
