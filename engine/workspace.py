"""The workspace: one project's pipeline and store, and the verbs that act on them.

This is the engine's front door: `Workspace.open(...)`, then `plan`, `why` or `run`. It ties the
parts together and decides nothing itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dagrun.engine.dispatch import Dispatcher
from dagrun.engine.errors import DagrunError, DefinitionError, listing, nearest
from dagrun.engine.events import Event, RunResult, RunStarted, RunStatus, StageResult
from dagrun.engine.execute import HANDLES, Handle
from dagrun.engine.executors.named import EXECUTORS
from dagrun.engine.explain import Cause, Explainer
from dagrun.engine.pipeline import Pipeline, load_pipeline, read_overrides
from dagrun.engine.plan import Action, Plan, make_plan
from dagrun.engine.prepare import Prepared, Selection, prepare
from dagrun.engine.project import GitState, Project, find_project
from dagrun.engine.resources import make_capacity
from dagrun.engine.runlog import RunLog, Runs, new_run_id
from dagrun.engine.statcache import StatCache
from dagrun.engine.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How to run.

    Attributes:
        jobs: stages at a time; None means the CPUs this process may use.
        executor: `inline`, `threads` or `processes`.
        keep_going: after a failure, finish what does not depend on it.
        limits: how much of a resource there is, besides what the machine and the project say.
    """

    jobs: int | None = None
    executor: str = "threads"
    keep_going: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)

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
        has_history: whether the stage has ever run here.
        elements: of a mapped stage, how many elements would hit and how many run.
    """

    stage: str
    action: Action
    reason: str
    causes: tuple[Cause, ...] = ()
    upstream: tuple[Explanation, ...] = ()
    same_inputs: tuple[str, ...] = ()
    has_history: bool = True
    elements: Mapping[str, int] | None = None


class UnknownArtifact(DefinitionError):
    """No stage makes an artifact of that name."""

    def __init__(self, name: str, pipeline: str, known: Iterable[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(
            f"no artifact named {name!r} in {pipeline}.{nearest(name, self.known)}\n"
            f"       artifacts: {listing(self.known)}"
        )


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
        return prepared, make_plan(prepared, find, explainer.reason_for, last, self.store.load)

    def why(self, name: str, selection: Selection) -> Explanation:
        """Explain one stage (or the stage that makes the artifact of that name)."""
        prepared, plan = self.plan(selection)
        name = prepared.graph.select([name])[-1]
        return self._explain(name, prepared, plan, {})

    def load(self, name: str, wanted: type | None = None) -> Any:
        """Return an artifact as the last run left it, in the form of `wanted` if that is given.

        A table is a `pl.DataFrame` unless `pl.LazyFrame` or `pyarrow.Table` is wanted. Raises
        `UnknownArtifact`, or `NeverMade` when no run has made it.
        """
        stages = self.pipeline.stages.values()
        producers = {output: stage.name for stage in stages for output in stage.outputs}
        if name not in producers:
            raise UnknownArtifact(name, str(self.project.pipeline), producers)
        entry = self.runs.last_entry(producers[name])
        if entry is None:
            raise NeverMade(producers[name], effect=False)
        return self.store.load(entry.outputs[name], wanted)

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
            has_history=last is not None,
            elements=planned.elements,
        )
        return seen[name]

    def run(
        self, selection: Selection, settings: RunSettings, emit: Callable[[Event], None]
    ) -> RunResult:
        """Run the selected stages and log the run; `emit` receives events as they happen.

        Raises `DefinitionError` or `StoreError` before anything runs; what stages do wrong is in
        the result. A second interrupt leaves as `KeyboardInterrupt`.
        """
        prepared = self.prepare(selection)
        limits = (self.project.limits, settings.limits)
        capacity = make_capacity(prepared.stages, settings.jobs, *limits)
        git = GitState(self.project.root)
        run_id, cancelled = new_run_id(), threading.Event()
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
                capacity=capacity,
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
