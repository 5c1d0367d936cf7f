"""What was recorded of the stages behind an artifact, and recipes that follow it again.

Guarantee: the recipes have the recorded params and seed, and how they differ from what was recorded
is exact: code by symbol, sources by file, libraries by version. A source that is not of files is
not asked again: its stage is taken from the store. The limit: it reaches as far as the entries are
kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dagrun.engine.canonical import decode
from dagrun.engine.code.closure import Closures
from dagrun.engine.dispatching.launch import own_process
from dagrun.engine.errors import DagrunError, listing
from dagrun.engine.explaining.explain import Cause, Explainer
from dagrun.engine.graph import Graph
from dagrun.engine.history.lineage import Step, make_step, trace
from dagrun.engine.history.runlog import Run, Runs
from dagrun.engine.keys import Recipe, make_recipe
from dagrun.engine.pipeline import Pipeline, load_pipeline
from dagrun.engine.plan import Decision
from dagrun.engine.prepare import Prepared, bind_params
from dagrun.engine.project import Project
from dagrun.engine.remote.snapshots import Snapshots
from dagrun.engine.stage import Stage
from dagrun.engine.statcache import StatCache
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store

_UNKNOWN = Decision(action="unknown")


class LineageLost(DagrunError):
    """The entries that led to an artifact, or the data it began with, are no longer stored."""

    def __init__(self, what: str, missing: list[str]) -> None:
        self.what, self.missing = what, tuple(missing)
        super().__init__(
            f"{what} cannot be followed back in this store, which does not hold "
            f"{listing(missing)}. Ask where it was made; `dagrun pin RUN` keeps a run's results "
            "from gc"
        )


def lineage_entries(store: Store, key: str) -> dict[str, Entry]:
    """Return the entries that led to one, by stage, its own first; of several the newest.

    Raises `LineageLost`.
    """
    entry = store.entries.read(key)
    if entry is None:
        raise LineageLost("it", [f"the entry {key[:12]} of the stage that made it"])
    steps = trace(store, entry)
    if lost := [_called(step, steps) for step in steps if not step.stored]:
        raise LineageLost(f"what stage {entry.stage!r} made", lost)
    entries: dict[str, Entry] = {}
    for found in filter(None, (store.entries.read(step.key) for step in steps)):
        known = entries.setdefault(found.stage, found)
        if found.created > known.created:
            entries[found.stage] = found
    return entries


def _called(lost: Step, steps: tuple[Step, ...]) -> str:
    origins = [origin for step in steps for origin in step.inputs.values()]
    names = dict.fromkeys(origin.artifact for origin in origins if origin.key == lost.key)
    return f"the entry {lost.key[:12]} of {' and '.join(names)}"


def run_behind(runs: Runs, key: str) -> Run | None:
    """Return the run that executed a stage under `key`, or else the newest that hit it."""
    newest: Run | None = None
    for run in runs.newest_first():
        for line in run.stages.values():
            if line.get("key") == key:
                if line["status"] == "ran":
                    return run
                newest = newest or run
    return newest


def files_read(entry: Entry) -> Iterator[str]:
    """Yield the names of all files that a stage's sources read."""
    for use in make_step(entry).sources:
        if use.kind == "Files":
            yield from use.files


@dataclass(slots=True, kw_only=True)
class Followed:
    """The stages of a project, prepared as they were recorded.

    Attributes:
        prepared: their recipes, those of today's code.
        overrides: their params.
        causes: by stage, how what determines it differs from what was recorded, but for inputs.
        taken: stages that are not to be executed, since their sources are not what they were.
    """

    prepared: Prepared
    overrides: Mapping[str, Mapping[str, Any]]
    causes: dict[str, tuple[Cause, ...]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    @property
    def other_code(self) -> int:
        """How many symbols differ from those that were recorded."""
        return sum(cause.kind == "code" for found in self.causes.values() for cause in found)

    def as_recorded(self, entries: Mapping[str, Entry]) -> Prepared:
        """Return the preparation under the recorded keys.

        An artifact may name the key it was made under (a bundle does), so it can come out equal
        only under that one. A stage that runs in a process of its own keeps the key it has now.
        """
        recipes = dict(self.prepared.recipes)
        for name, entry in entries.items():
            recipe = recipes.get(name)
            if recipe and (name in self.taken or not own_process(recipe.stage)):
                form = {part: value for part, value in entry.preimage.items() if part != "inputs"}
                recipes[name] = dataclasses.replace(recipe, form=form)
        return dataclasses.replace(self.prepared, recipes=recipes)


def follow(project: Project, store: Store, entries: Mapping[str, Entry]) -> Followed:
    """Load a project and prepare the stages of a lineage, the last of which comes first.

    Raises `DefinitionError` of many kinds when the project is another by now, and `LineageLost`.
    """
    pipeline = load_pipeline(project)
    graph = Graph(pipeline.stages, str(project.pipeline))
    order = graph.select([next(iter(entries))])
    overrides = {
        name: recorded_params(entry, pipeline.stages[name])
        for name, entry in entries.items()
        if name in pipeline.stages
    }
    seeds = (entry.preimage["seed"] for entry in entries.values() if "seed" in entry.preimage)
    seed = int(next(seeds, 0))
    recipes: dict[str, Recipe] = {}
    prepared = Prepared(
        pipeline=pipeline, graph=graph, order=order, recipes=recipes, forced=frozenset(), seed=seed
    )
    followed = Followed(prepared=prepared, overrides=overrides)
    cook = _Cook(pipeline, store, seed)
    for name in order:
        stage, entry = pipeline.stages[name], entries.get(name)
        recipe, problem = cook.recipe(stage, overrides.get(name, {}), entry)
        recipes[name] = recipe
        if entry is not None:
            followed.causes[name] = cook.causes(recipe, entry, problem)
            if any(cause.kind == "source" for cause in followed.causes[name]):
                if store.find(entry.key):
                    followed.taken.add(name)
                elif problem:
                    raise LineageLost(f"what stage {name!r} made", [f"its result ({problem})"])
    return followed


def recorded_params(entry: Entry, stage: Stage[..., Any]) -> dict[str, Any]:
    """Return the params that are no sources, as a stage was called with them."""
    params = make_step(entry).params
    return {name: decode(form) for name, form in params.items() if name in stage.params}


class _Cook:
    """Makes recipes of today's code with what was recorded."""

    def __init__(self, pipeline: Pipeline, store: Store, seed: int) -> None:
        self._pipeline, self._seed = pipeline, seed
        self._closures = Closures(pipeline.project.root)
        self._stats = StatCache(pipeline.project.root / ".dagrun-stats.json")
        self._explainer = Explainer(store, Runs(store))

    def recipe(
        self, stage: Stage[..., Any], params: Mapping[str, Any], entry: Entry | None
    ) -> tuple[Recipe, str]:
        """Return a recipe, and why its sources could not be read again ("" when they were)."""
        code = self._closures.code_version(stage.function, stage.name)
        uses = make_step(entry).sources if entry else ()
        asked = [use.kind for use in uses if use.kind != "Files"]
        problem = f"{listing(asked)} is not asked again" if asked else ""
        if not problem:
            try:
                given, root = {**stage.params, **params}, self._pipeline.project.root
                bound = bind_params(given, root, self._stats, Snapshots(root))
                return make_recipe(stage, bound, code, self._seed), ""
            except DagrunError as error:
                if not uses:
                    raise
                # Of the scene, which is gone when this is read, only what lies in it is named.
                problem = str(error).replace(f"{self._pipeline.project.root}/", "")
        return make_recipe(stage, params, code, self._seed), problem

    def causes(self, recipe: Recipe, entry: Entry, problem: str) -> tuple[Cause, ...]:
        """Return how a recipe differs from what was recorded, but for inputs."""
        found = self._explainer.causes(recipe, _UNKNOWN, entry)
        if not problem:
            return found
        sources = {use.param: use for use in make_step(entry).sources}
        return (
            *(cause for cause in found if cause.name not in sources),
            *(
                Cause(kind="source", name=name, before=", ".join(use.files), after=problem)
                for name, use in sources.items()
            ),
        )
