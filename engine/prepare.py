"""Preparing: from a loaded pipeline to a checked graph with one recipe per stage.

Nothing here runs a stage. Sources are hashed (or taken from the stat cache), those that are
elsewhere read into snapshots, and the code that each stage reaches is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagrun.engine.code.closure import Closures
from dagrun.engine.graph import Graph
from dagrun.engine.keys import Recipe, make_recipe
from dagrun.engine.pipeline import Pipeline
from dagrun.engine.remote.remote import Remote, settled_for
from dagrun.engine.remote.snapshots import Snapshot, Snapshots
from dagrun.engine.sources import Source
from dagrun.engine.stage import Stage
from dagrun.engine.statcache import StatCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to plan or run.

    Attributes:
        targets: stages or artifacts wanted; empty means all.
        overrides: `{stage: {param: value}}` in place of defaults.
        seed: the run's seed.
        force: stages to run although their entry exists.
        data: the past results whose sources are read again, in words; "" for none.
        settled: the snapshots of these sources, by request.
    """

    targets: tuple[str, ...] = ()
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0
    force: tuple[str, ...] = ()
    data: str = ""
    settled: Mapping[str, Snapshot] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A checked pipeline: its graph, the stages selected (in order) and their recipes."""

    pipeline: Pipeline
    graph: Graph
    order: tuple[str, ...]
    recipes: Mapping[str, Recipe]
    forced: frozenset[str]
    seed: int

    @property
    def stages(self) -> Iterator[Stage[..., Any]]:
        """The stages selected, in order."""
        return (self.recipes[name].stage for name in self.order)

    def settled(self, stage: str) -> dict[str, Snapshot]:
        """Return what the sources of a stage were read into, for another process to use."""
        return settled_for(self.recipes[stage].params.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the reader of the code could not be sure of, once each."""
        every = (text for recipe in self.recipes.values() for text in recipe.code.warnings)
        return tuple(dict.fromkeys(every))


def prepare(pipeline: Pipeline, selection: Selection, stats: StatCache) -> Prepared:
    """Check the graph and make the recipe of every selected stage.

    Raises `DefinitionError` of many kinds: graph, code, params, sources.
    """
    graph = Graph(pipeline.stages, str(pipeline.project.pipeline))
    order = graph.select(selection.targets)
    forced = frozenset(name for target in selection.force for name in graph.select([target])[-1:])
    return Prepared(
        pipeline=pipeline,
        graph=graph,
        order=order,
        recipes=make_recipes(
            pipeline, order, selection, stats, forced=forced, settled=selection.settled
        ),
        forced=forced,
        seed=selection.seed,
    )


def make_recipes(
    pipeline: Pipeline,
    names: Iterable[str],
    selection: Selection,
    stats: StatCache,
    *,
    forced: Collection[str] = (),
    settled: Mapping[str, Snapshot] | None = None,
) -> dict[str, Recipe]:
    """Make the recipes of the named stages: params, sources' identities, code versions.

    What is elsewhere is read anew for `forced` stages, and not at all where it is `settled`.
    """
    closures = Closures(pipeline.project.root)
    snapshots = Snapshots(pipeline.project.root, dict(settled or {}))
    recipes = {}
    # Forced ones first: others that read the same see what these have read.
    for name in sorted(names, key=lambda name: name not in forced):
        stage = pipeline.stages[name]
        given = {**stage.params, **selection.overrides.get(name, {})}
        into = snapshots.forced() if name in forced else snapshots
        params = bind_params(given, pipeline.project.root, stats, into)
        code = closures.code_version(stage.function, name)
        recipes[name] = make_recipe(stage, params, code, selection.seed)
    return recipes


def bind_params(
    given: Mapping[str, Any], root: Path, stats: StatCache, snapshots: Snapshots
) -> dict[str, Any]:
    """Return the params a stage is called with: those given, its sources bound to the root."""
    bound = {
        name: value.bind(root, stats) for name, value in given.items() if isinstance(value, Source)
    }
    shared = {name: it.into(snapshots) for name, it in bound.items() if isinstance(it, Remote)}
    return {**given, **bound, **shared}
