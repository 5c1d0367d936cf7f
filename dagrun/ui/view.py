"""What of a pipeline is drawn, and what is told of each stage: the whole, or a neighbourhood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dagrun.engine.graph import Graph
from dagrun.engine.plan import Plan
from dagrun.engine.stage import Stage
from dagrun.engine.store.entries import Entry
from dagrun.ui.quantities import counted, seconds, size

Shape = Literal["stage", "gate", "effect"]
ACTIONS: Mapping[str, str] = {
    "run": "would run",
    "unknown": "not known yet",
    "hit": "would hit",
    "prune": "would be pruned",
}
"""What a run would do to a stage, in the order of a legend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A stage as it is drawn.

    Attributes:
        action: what a run would do, "" when that is not known.
        about: what it did last time in a few words, or its outputs.
        facts: lines for a closer look: its docstring, the reason, its history.
        outputs: its named outputs.
        hidden: numbers of neighbours above and below that are not in the view.
        called: what it is mapped over, and when it is called at all.
    """

    name: str
    shape: Shape
    action: str = ""
    about: str = ""
    facts: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    hidden: tuple[int, int] = (0, 0)
    called: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Stages in topological order, what each takes from, and the names of what it takes.

    `focus` has those whose neighbourhood this is, `total` is the number of all stages there are.
    """

    title: str
    nodes: Mapping[str, Node]
    upstream: Mapping[str, tuple[str, ...]]
    taken: Mapping[tuple[str, str], str] = field(default_factory=dict)
    focus: frozenset[str] = frozenset()
    total: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many stages a run would do what to, in the order of a legend."""
        counts = Counter(node.action for node in self.nodes.values())
        return {action: counts[action] for action in ACTIONS if counts[action]}

    @property
    def summary(self) -> str:
        """One line: `17 stages: 1 would run, 16 would hit`."""
        parts = [f"{count} {ACTIONS[action]}" for action, count in self.counts.items()]
        head = counted(len(self.nodes), "stage")
        if len(self.nodes) < self.total:
            head = f"{len(self.nodes)} of {counted(self.total, 'stage')}"
        return f"{head}: {', '.join(parts)}" if parts else head


def view_of(
    graph: Graph,
    title: str,
    plan: Plan | None,
    last_entry: Callable[[str], Entry | None],
    names: Iterable[str] | None = None,
) -> View:
    """Return the view of some stages (default: all); without a plan nothing is told of runs."""
    chosen = set(graph.order if names is None else names)
    planned = {stage.name: stage for stage in plan.stages} if plan else {}
    nodes, upstream, taken = {}, {}, {}
    for name in graph.order:
        if name not in chosen:
            continue
        stage, found = graph.stages[name], planned.get(name)
        entry = None
        if plan and found:
            entry = plan.decisions[name].entry or last_entry(name)
        before = graph.upstream(name)
        upstream[name] = tuple(each for each in before if each in chosen)
        below = sum(each not in chosen for each in graph.consumers(name))
        nodes[name] = Node(
            name=name,
            shape="gate" if stage.gate else "effect" if stage.effect else "stage",
            action=found.action if found else "",
            about=_about(entry) or (", ".join(stage.outputs) if stage.named else ""),
            facts=tuple(
                line
                for line in (
                    (stage.function.__doc__ or "").strip().partition("\n")[0],
                    f"{ACTIONS[found.action]}{f': {found.reason}' if found.reason else ''}"
                    if found
                    else "",
                    f"gives {', '.join(stage.outputs)}" if stage.named else "",
                    _called(stage),
                    _history(entry),
                )
                if line
            ),
            outputs=stage.outputs if stage.named else (),
            hidden=(len(before) - len(upstream[name]), below),
            called=_called(stage),
        )
        for each in upstream[name]:
            source = graph.stages[each]
            if source.named:
                items = [item for item in stage.inputs if item in source.outputs]
                taken[each, name] = ", ".join(items)
    return View(title=title, nodes=nodes, upstream=upstream, taken=taken, total=len(graph.order))


def neighbourhood(graph: Graph, name: str, steps: int) -> set[str]:
    """Return a stage and all that are at most so many steps above or below it."""
    found = {name}
    for near in (graph.upstream, graph.consumers):
        edge = {name}
        for _ in range(steps):
            edge = {each for stage in edge for each in near(stage)} - found
            found |= edge
    return found


def _called(stage: Stage[..., Any]) -> str:
    over = stage.over or ", ".join(stage.swept)
    when = f"when {'' if stage.expected else 'not '}{stage.condition}" if stage.condition else ""
    return ", ".join(text for text in (f"over {over}" if over else "", when) if text)


def _rows(entry: Entry) -> int | None:
    rows = [output.rows for output in entry.outputs.values() if output.rows is not None]
    return sum(rows) if rows else None


def _about(entry: Entry | None) -> str:
    if entry is None:
        return ""
    rows = _rows(entry)
    amount = counted(rows, "row") if rows is not None else _stored(entry)
    return f"{amount}, {seconds(entry.seconds)}"


def _history(entry: Entry | None) -> str:
    if entry is None:
        return ""
    rows = _rows(entry)
    amount = f"{counted(rows, 'row')}, " if rows is not None else ""
    return f"last time {seconds(entry.seconds)}, {amount}{_stored(entry)}"


def _stored(entry: Entry) -> str:
    return size(sum(output.size for output in entry.outputs.values()))
