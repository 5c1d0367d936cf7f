"""Running: one prepared selection of stages, from the first decision to a logged result.

It ties dispatch, the run log, what stages say, strictness and verification together; what becomes
of a stage is decided elsewhere. The run is in its log from the moment it starts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dagrun.engine.checks.undeclared import strictly
from dagrun.engine.checks.verify import BadShare, verify_hits
from dagrun.engine.dispatching.dispatch import Dispatcher
from dagrun.engine.dispatching.resources import make_capacity
from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.events import Event, RunResult, RunStarted, RunStatus, StageResult
from dagrun.engine.execute import Handle, registered
from dagrun.engine.executors.named import EXECUTORS
from dagrun.engine.gitstate import GitState
from dagrun.engine.history.hearing import Above, Recorder
from dagrun.engine.history.runids import new_run_id
from dagrun.engine.history.runlog import RunLog
from dagrun.engine.prepare import Prepared
from dagrun.engine.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How to run.

    Attributes:
        jobs: stages at a time; None means the CPUs this process may use.
        executor: `inline`, `threads` or `processes`.
        keep_going: after a failure, finish what does not depend on it.
        limits: how much of a resource there is, besides what the machine and the project say.
        verify: share of the hits to execute again afterwards, from 0 (none) to 1 (all).
        strict: run each stage in a process of its own, and refuse what it reads undeclared.
    """

    jobs: int | None = None
    executor: str = "threads"
    keep_going: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)
    verify: float = 0.0
    strict: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.verify <= 1:
            raise BadShare(self.verify)
        if self.executor not in EXECUTORS:
            raise DefinitionError(
                f"no executor named {self.executor!r}.{nearest(self.executor, EXECUTORS)} "
                f"Executors: {listing(list(EXECUTORS))}"
            )
        if self.jobs is not None and self.jobs < 1:
            raise DefinitionError(f"jobs must be at least 1, not {self.jobs}")


def carry_out(
    prepared: Prepared,
    store: Store,
    settings: RunSettings,
    *,
    overrides: Mapping[str, Mapping[str, Any]],
    header: Mapping[str, Any],
    started: float,
    emit: Callable[[Event], None],
    above: Above | None = None,
) -> RunResult:
    """Run what is prepared and log it; see `Workspace.run`.

    `header` begins the run's log, `started` is the `time.perf_counter()` that its seconds count
    from.
    """
    git = GitState(prepared.pipeline.project.root)
    run_id, cancelled = new_run_id(), threading.Event()
    how: dict[str, Any] = {
        "run_id": run_id,
        "overrides": overrides,
        "executor": "processes" if settings.strict else settings.executor,
        "capacity": make_capacity(
            prepared.stages,
            settings.jobs,
            prepared.pipeline.project.limits,
            settings.limits,
        ),
    }
    with RunLog(store, run_id, header) as log, strictly(settings.strict) as unseen:
        going: dict[str, Any] = {"keep_going": settings.keep_going, "cancelled": cancelled}
        dispatcher = Dispatcher(prepared, store, emit=_logged(log, emit), **going, **how)
        name, warnings = prepared.pipeline.name, (*prepared.warnings, *unseen)
        emit(RunStarted(run_id=run_id, pipeline=name, stages=prepared.order, warnings=warnings))
        handle = Handle(
            store=store,
            recipes=prepared.recipes,
            cancelled=cancelled,
            computed=dispatcher.computed,
        )
        with registered(run_id, handle), Recorder(store, run_id, above):
            dispatcher.run()
            results = dispatcher.results
            status = _status(results.values(), cancelled.is_set())
            share = settings.verify if status in ("done", "halted") else 0.0
            checks = verify_hits(prepared, results, store, share=share, emit=emit, **how)
        commit, dirty = git.read()
        result = RunResult(
            run_id=run_id,
            pipeline=name,
            status=status,
            seconds=time.perf_counter() - started,
            stages=_results(prepared, results, effects=False),
            effects=_results(prepared, results, effects=True),
            commit=commit,
            dirty=dirty,
            checks=checks,
        )
        log.finish(result)
        return result


def _logged(log: RunLog, emit: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return what logs the results among the events before it passes them on."""

    def record(event: Event) -> None:
        if (result := getattr(event, "result", None)) is not None:
            log.stage(result)
        emit(event)

    return record


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
