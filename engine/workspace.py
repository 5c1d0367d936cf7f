"""The workspace: one project's pipeline and store, and the verbs that act on them.

This is the engine's front door: `Workspace.open(...)`, then `plan`, `why` or `run`. It ties the
parts together and decides nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dagrun.engine.code.closure import code_version
from dagrun.engine.code.dependencies import Dependencies, list_dependencies
from dagrun.engine.errors import DagrunError
from dagrun.engine.events import Event, RunResult
from dagrun.engine.explaining.acceptance import accept, accepted_changes, tell_accepted
from dagrun.engine.explaining.explain import Cause, Explainer
from dagrun.engine.explaining.forecast import Forecast, make_forecast
from dagrun.engine.graph import Graph
from dagrun.engine.history.hearing import Above
from dagrun.engine.history.runlog import Runs
from dagrun.engine.pipeline import Pipeline, load_pipeline, read_overrides
from dagrun.engine.plan import Action, Plan, make_plan
from dagrun.engine.prepare import Prepared, Selection, prepare
from dagrun.engine.project import Project, find_project
from dagrun.engine.receipts.evidence import Witness
from dagrun.engine.remote.recorded import recorded
from dagrun.engine.running import RunSettings, carry_out
from dagrun.engine.statcache import StatCache
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store
from dagrun.engine.upkeep.checkout import find_past, with_elements


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a stage would or would not run.

    Attributes:
        upstream: explanations of the stages above it that would run first, nearest first.
        same_inputs: inputs known to be what they were.
        accepted: who let an earlier result stand for this one, when and why; else "".
        accepted_changes: the edits of code that were accepted so.
        has_history: whether the stage has ever run here.
        elements: of a mapped stage, how many elements would hit and how many run.
    """

    stage: str
    action: Action
    reason: str
    causes: tuple[Cause, ...] = ()
    upstream: tuple[Explanation, ...] = ()
    same_inputs: tuple[str, ...] = ()
    accepted: str = ""
    accepted_changes: tuple[Cause, ...] = ()
    has_history: bool = True
    elements: Mapping[str, int] | None = None


class NeverMade(DagrunError):
    """A stage has no result in the store."""

    def __init__(self, stage: str, effect: bool) -> None:
        self.stage, self.effect = stage, effect
        super().__init__(
            f"stage {stage!r} is an effect and stores nothing. What became of it: dagrun show last"
            if effect
            else f"stage {stage!r} has made nothing here yet. Run: dagrun run -t {stage}"
        )


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A loaded pipeline and its store."""

    project: Project
    store: Store
    pipeline: Pipeline
    stats: StatCache
    started: float = field(default_factory=time.perf_counter)

    @classmethod
    def open(cls, pipeline: str | Path | None = None, folder: Path | None = None) -> Workspace:
        """Find, load and open; `pipeline` and `folder` as in `find_project`.

        Raises `DefinitionError` or `StoreError`.
        """
        started = time.perf_counter()
        project = find_project(pipeline, folder or Path.cwd())
        store = Store.open(project.root)
        return cls(
            project=project,
            store=store,
            pipeline=load_pipeline(project),
            stats=StatCache(store.folder / "stats.json"),
            started=started,
        )

    @cached_property
    def runs(self) -> Runs:
        """The store's run history."""
        return Runs(self.store)

    def select(
        self,
        *,
        targets: tuple[str, ...] = (),
        params: Mapping[str, str] | None = None,
        seed: int = 0,
        force: tuple[str, ...] = (),
        data: str | None = None,
    ) -> Selection:
        """Read what a user typed into a selection; `data` is a past run, a pin or a revision.

        Raises `DefinitionError`, `UnknownPast` and `SnapshotsGone`.
        """
        overrides = read_overrides(self.pipeline, params or {})
        chosen = Selection(targets=targets, overrides=overrides, seed=seed, force=force)
        if data is None:
            return chosen
        past = find_past(self.store, data)
        entries = [entry for key in past.keys for entry in with_elements(self.store, key)]
        settled = recorded(past.label, self.pipeline.stages, entries, self.store.blobs)
        return replace(chosen, data=past.label, settled=settled)

    def prepare(self, selection: Selection, witness: Witness | None = None) -> Prepared:
        """Check the pipeline and make its recipes. Raises `DefinitionError`.

        A `witness` then looks at what the recipes rest on.
        """
        prepared = prepare(self.pipeline, selection, self.stats)
        self.stats.save()
        if witness:
            witness.look(prepared, self.store)
        return prepared

    def plan(self, selection: Selection, witness: Witness | None = None) -> tuple[Prepared, Plan]:
        """Decide every selected stage, changing nothing."""
        prepared = self.prepare(selection, witness)
        explainer = Explainer(self.store, self.runs)
        find, last = self.store.find, self.runs.last_entry
        return prepared, make_plan(prepared, find, explainer.reason_for, last, self.store.load)

    def forecast(self, prepared: Prepared, plan: Plan) -> Forecast:
        """Sum up from history what a plan will cost, and what a cutoff may save of it."""
        explainer = Explainer(self.store, self.runs)
        return make_forecast(prepared, plan, explainer, self.store.find, self.runs.last_entry)

    def dependencies(self, name: str) -> Dependencies:
        """List the code that a stage (or the stage that makes an artifact) reaches."""
        graph = Graph(self.pipeline.stages, str(self.project.pipeline))
        stage = self.pipeline.stages[graph.select([name])[-1]]
        code = code_version(stage.function, self.project.root, stage.name)
        return list_dependencies(stage.name, code, self.project.root)

    def why(self, name: str, selection: Selection) -> Explanation:
        """Explain one stage (or the stage that makes the artifact of that name)."""
        prepared, plan = self.plan(selection)
        name = prepared.graph.select([name])[-1]
        return self._explain(name, prepared, plan, {})

    def _explain(
        self, name: str, prepared: Prepared, plan: Plan, seen: dict[str, Explanation]
    ) -> Explanation:
        if name in seen:
            return seen[name]
        planned = next(stage for stage in plan.stages if stage.name == name)
        decision, last = plan.decisions[name], self.runs.last_entry(name)
        causes: tuple[Cause, ...] = ()
        same: tuple[str, ...] = ()
        if last is not None and not planned.effect:
            explainer = Explainer(self.store, self.runs)
            causes = explainer.causes(prepared.recipes[name], decision, last)
            old = last.preimage["inputs"]
            new = {item: output.logical for item, output in decision.inputs.items()}
            same = tuple(item for item in new if old.get(item) == new[item])
        waiting = [
            before
            for before in prepared.graph.upstream(name)
            if plan.decisions[before].action in ("run", "unknown")
        ]
        seen[name] = Explanation(
            stage=name,
            action=planned.action,
            reason=planned.reason,
            causes=causes,
            upstream=tuple(self._explain(before, prepared, plan, seen) for before in waiting),
            same_inputs=same,
            accepted=tell_accepted(decision.entry),
            accepted_changes=accepted_changes(self.store, decision.entry),
            has_history=last is not None,
            elements=planned.elements,
        )
        return seen[name]

    def accept(self, name: str, selection: Selection, reason: str) -> Entry:
        """Let a stage's last result stand although its code was edited; return the new entry.

        Raises `NotAcceptable`.
        """
        prepared, plan = self.plan(selection)
        name = prepared.graph.select([name])[-1]
        return accept(prepared, plan, self.store, self.runs, name, reason)

    def run(
        self,
        selection: Selection,
        settings: RunSettings,
        emit: Callable[[Event], None],
        *,
        witness: Witness | None = None,
        above: Above | None = None,
    ) -> RunResult:
        """Run the selected stages and log the run; `emit` receives events as they happen.

        What stages print is kept, and shown by `above` or written on to the standard streams.

        Raises `DefinitionError` or `StoreError` before anything runs; what stages do wrong is in
        the result. A second interrupt leaves as `KeyboardInterrupt`.
        """
        return carry_out(
            self.prepare(selection, witness),
            self.store,
            settings,
            overrides=selection.overrides,
            header=self.header(selection),
            started=self.started,
            emit=emit,
            above=above,
        )

    def header(self, selection: Selection) -> dict[str, Any]:
        """Return what the log of a run begins with, besides its id."""
        return {
            "pipeline": self.pipeline.name,
            "file": self.project.pipeline.relative_to(self.project.root).as_posix(),
            "targets": list(selection.targets),
            "seed": selection.seed,
            **({"data": selection.data} if selection.data else {}),
            "started": time.time(),
        }
