"""The workspace: one project's pipeline and store, and the verbs that act on them.

This is the engine's front door: `Workspace.open(...)`, then `plan`, `why` or `run`. It ties the
parts together and decides nothing itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dagrun.engine.acceptance import accept, accepted_changes, tell_accepted
from dagrun.engine.closure import code_version
from dagrun.engine.dependencies import Dependencies, list_dependencies
from dagrun.engine.dispatch import Dispatcher
from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.events import Event, RunResult, RunStarted, RunStatus, StageResult
from dagrun.engine.execute import HANDLES, Handle
from dagrun.engine.executors.named import EXECUTORS
from dagrun.engine.explain import Cause, Explainer
from dagrun.engine.forecast import Forecast, make_forecast
from dagrun.engine.graph import Graph
from dagrun.engine.pipeline import Pipeline, load_pipeline, read_overrides
from dagrun.engine.plan import Action, Plan, make_plan
from dagrun.engine.prepare import Prepared, Selection, prepare
from dagrun.engine.project import GitState, Project, find_project
from dagrun.engine.runlog import RunLog, Runs, new_run_id
from dagrun.engine.statcache import StatCache
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How to run.

    Attributes:
        jobs: stages at a time; None means the CPUs this process may use.
        executor: `inline`, `threads` or `processes`.
        keep_going: after a failure, finish what does not depend on it.
    """

    jobs: int | None = None
    executor: str = "threads"
    keep_going: bool = False

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise DefinitionError(
                f"no executor named {self.executor!r}.{nearest(self.executor, EXECUTORS)} "
                f"Executors: {listing(list(EXECUTORS))}"
            )
        if self.jobs is not None and self.jobs < 1:
            raise DefinitionError(f"jobs must be at least 1, not {self.jobs}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a stage would or would not run.

    Attributes:
        upstream: explanations of the stages above it that would run first, nearest first.
        same_inputs: inputs known to be what they were.
        accepted: who let an earlier result stand for this one, when and why; else "".
        accepted_changes: the edits of code that were accepted so.
        has_history: whether the stage has ever run here.
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
    ) -> Selection:
        """Read what a user typed into a selection. Raises `DefinitionError`."""
        overrides = read_overrides(self.pipeline, params or {})
        return Selection(targets=targets, overrides=overrides, seed=seed, force=force)

    def prepare(self, selection: Selection) -> Prepared:
        """Check the pipeline and make its recipes. Raises `DefinitionError`."""
        prepared = prepare(self.pipeline, selection, self.stats)
        self.stats.save()
        return prepared

    def plan(self, selection: Selection) -> tuple[Prepared, Plan]:
        """Decide every selected stage, changing nothing."""
        prepared = self.prepare(selection)
        explainer = Explainer(self.store, self.runs)
        find, last = self.store.find, self.runs.last_entry
        return prepared, make_plan(prepared, find, explainer.reason_for, last)

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
            if plan.decisions[before].action != "hit"
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
        self, selection: Selection, settings: RunSettings, emit: Callable[[Event], None]
    ) -> RunResult:
        """Run the selected stages and log the run; `emit` receives events as they happen.

        Raises `DefinitionError` or `StoreError` before anything runs; what stages do wrong is in
        the result. A second interrupt leaves as `KeyboardInterrupt`.
        """
        prepared = self.prepare(selection)
        git = GitState(self.project.root)
        run_id = new_run_id()
        cancelled = threading.Event()
        with RunLog(self.store, run_id, self._header(selection)) as log:

            def record(event: Event) -> None:
                if (result := getattr(event, "result", None)) is not None:
                    log.stage(result)
                emit(event)

            dispatcher = Dispatcher(
                prepared,
                self.store,
                run_id=run_id,
                overrides=selection.overrides,
                jobs=settings.jobs or len(os.sched_getaffinity(0)),
                executor=settings.executor,
                keep_going=settings.keep_going,
                cancelled=cancelled,
                emit=record,
            )
            emit(
                RunStarted(
                    run_id=run_id,
                    pipeline=self.pipeline.name,
                    stages=prepared.order,
                    warnings=prepared.warnings,
                )
            )
            HANDLES[run_id] = Handle(
                store=self.store, recipes=prepared.recipes, cancelled=cancelled
            )
            try:
                dispatcher.run()
            finally:
                del HANDLES[run_id]
                commit, dirty = git.read()
            status = _status(dispatcher.results.values(), cancelled.is_set())
            result = RunResult(
                run_id=run_id,
                pipeline=self.pipeline.name,
                status=status,
                seconds=time.perf_counter() - self.started,
                stages=self._results(prepared, dispatcher.results, effects=False),
                effects=self._results(prepared, dispatcher.results, effects=True),
                commit=commit,
                dirty=dirty,
            )
            log.finish(result)
            return result

    def _header(self, selection: Selection) -> dict[str, Any]:
        return {
            "pipeline": self.pipeline.name,
            "file": self.project.pipeline.relative_to(self.project.root).as_posix(),
            "targets": list(selection.targets),
            "seed": selection.seed,
            "started": time.time(),
        }

    @staticmethod
    def _results(
        prepared: Prepared, results: Mapping[str, StageResult], *, effects: bool
    ) -> tuple[StageResult, ...]:
        wanted = [name for name in prepared.order if prepared.recipes[name].stage.effect is effects]
        return tuple(results[name] for name in wanted)


def _status(results: Iterable[StageResult], interrupted: bool) -> RunStatus:
    if interrupted:
        return "interrupted"
    if any(result.status == "failed" for result in results):
        return "failed"
    refused = any(result.verdict and not result.verdict["passed"] for result in results)
    return "halted" if refused else "done"
