"""The graph: which stage feeds which, checked whole before anything runs.

An edge goes from the stage that makes an artifact to each stage with a parameter of that name.
A graph that exists is sound: every input has one producer, there is no cycle, effects feed
nobody. Orders are deterministic: topological, ties broken by order of definition.
"""

from __future__ import annotations

import functools
import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.stage import Stage

if TYPE_CHECKING:
    import networkx as nx


class UnknownInput(DefinitionError):
    """A stage takes an artifact that no stage makes."""

    def __init__(self, stage: Stage[..., Any], name: str, known: list[str], hint: str) -> None:
        self.stage, self.name = stage.name, name
        super().__init__(
            f"stage {stage.name!r} ({stage.where}) takes {name!r}, which {hint or 'no stage makes'}"
            f".{nearest(name, known)} Artifacts: {listing(known)}. "
            "To make it a param, give it a default"
        )


class NameTaken(DefinitionError):
    """A name stands for two things in one pipeline."""

    def __init__(self, name: str, first: str, second: str) -> None:
        self.name = name
        super().__init__(f"{name!r} is both {first} and {second}; rename one")


class ConditionUnusable(DefinitionError):
    """A stage's `when=` names something that cannot decide whether it runs."""

    def __init__(self, stage: Stage[..., Any], problem: str) -> None:
        self.stage, self.name = stage.name, stage.condition
        super().__init__(
            f"stage {stage.name!r} ({stage.where}) runs when {stage.condition!r}, which {problem}"
        )


class Cycle(DefinitionError):
    """Stages need each other's outputs in a circle."""

    def __init__(self, path: list[str]) -> None:
        self.path = path
        super().__init__(
            f"stages form a cycle: {' -> '.join(path)}. Each takes what the one before it makes; "
            "split a stage or rename a parameter to break it"
        )


class UnknownStage(DefinitionError):
    """A stage was named that does not exist."""

    def __init__(self, name: str, where: str, known: list[str]) -> None:
        self.name = name
        super().__init__(
            f"no stage named {name!r} in {where}.{nearest(name, known)}\n"
            f"       stages: {listing(known)}"
        )


class Graph:
    """The DAG of a pipeline's stages."""

    def __init__(self, stages: Mapping[str, Stage[..., Any]], where: str) -> None:
        """Build and check. Raises `NameTaken`, `UnknownInput`, `ConditionUnusable` or `Cycle`."""
        self.stages, self.where = stages, where
        self.producers = self._find_producers()
        self._upstream = {name: self._find_upstream(stage) for name, stage in stages.items()}
        consumers = defaultdict[str, list[str]](list)
        for name, upstream in self._upstream.items():
            for before in upstream:
                consumers[before].append(name)
        self._consumers = {name: tuple(consumers[name]) for name in stages}
        self.order = self._sort()

    def _find_upstream(self, stage: Stage[..., Any]) -> tuple[str, ...]:
        found = [self._producer_for(stage, name) for name in stage.inputs]
        if stage.condition:
            found.append(self._decider_for(stage))
        return tuple(dict.fromkeys(found))

    def _sort(self) -> tuple[str, ...]:
        names = list(self.stages)
        position = {name: index for index, name in enumerate(names)}
        missing = {name: len(upstream) for name, upstream in self._upstream.items()}
        ready = [position[name] for name in names if not missing[name]]
        order: list[str] = []
        while ready:
            name = names[heapq.heappop(ready)]
            order.append(name)
            for after in self._consumers[name]:
                missing[after] -= 1
                if not missing[after]:
                    heapq.heappush(ready, position[after])
        if len(order) < len(names):
            raise Cycle(self._find_cycle())
        return tuple(order)

    def _find_cycle(self) -> list[str]:
        import networkx as nx  # takes 0.13 s, and a sound graph can do without

        edges = [(before, name) for name in self.stages for before in self._upstream[name]]
        network: nx.DiGraph[str] = nx.DiGraph(edges)
        network.add_nodes_from(self.stages)
        found = nx.find_cycle(network)
        return [source for source, _ in found] + [found[0][0]]

    def _find_producers(self) -> dict[str, str]:
        producers: dict[str, str] = {}
        for stage in self.stages.values():
            for output in stage.outputs:
                if output in producers:
                    first = f"an output of stage {producers[output]!r}"
                    raise NameTaken(output, first, f"an output of stage {stage.name!r}")
                if stage.named and output in self.stages:
                    raise NameTaken(output, "a stage", f"an output of stage {stage.name!r}")
                producers[output] = stage.name
        for stage in self.stages.values():
            for param in stage.params:
                if param in producers or param in self.stages:
                    at = f"a param with a default of stage {stage.name!r} ({stage.where})"
                    raise NameTaken(param, "an artifact", at)
        return producers

    def _producer_for(self, stage: Stage[..., Any], name: str) -> str:
        if name not in self.producers:
            hint = ""
            if name in self.stages:
                other = self.stages[name]
                outputs = listing(other.outputs)
                hint = "is an effect, and effects make no artifact"
                if not other.effect:
                    hint = f"is a stage with named outputs; take one of those ({outputs})"
            raise UnknownInput(stage, name, sorted(self.producers), hint)
        return self.producers[name]

    def _decider_for(self, stage: Stage[..., Any]) -> str:
        name = stage.condition
        if name not in self.producers:
            known = sorted(self.producers)
            problem = f"no stage makes.{nearest(name, known)} Artifacts: {listing(known)}"
            raise ConditionUnusable(stage, problem)
        if self.stages[self.producers[name]].mapped:
            problem = "is a list. Add a stage that returns one bool from it"
            raise ConditionUnusable(stage, problem)
        return self.producers[name]

    def select(self, targets: Iterable[str]) -> tuple[str, ...]:
        """Return the targets (stage or artifact names) and all they need, in order.

        Without targets, every stage. Raises `UnknownStage`.
        """
        wanted: set[str] = set()
        for target in targets:
            name = target if target in self.stages else self.producers.get(target)
            if name is None:
                raise UnknownStage(target, self.where, list(self.stages))
            wanted.add(name)
        if not wanted:
            return self.order
        for name in reversed(self.order):  # what a stage needs comes before it
            if name in wanted:
                wanted.update(self._upstream[name])
        return tuple(name for name in self.order if name in wanted)

    def consumers(self, name: str) -> tuple[str, ...]:
        """Return the stages that take an output of stage `name`."""
        return self._consumers[name]

    def upstream(self, name: str) -> tuple[str, ...]:
        """Return the stages whose outputs stage `name` takes."""
        return self._upstream[name]

    @functools.cached_property
    def depth(self) -> Mapping[str, int]:
        """Stages on the longest way from each stage to an end: the critical path's measure."""
        depth: dict[str, int] = {}
        for name in reversed(self.order):
            depth[name] = 1 + max((depth[after] for after in self.consumers(name)), default=0)
        return depth
