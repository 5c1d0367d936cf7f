"""Dispatch: the run-time loop that turns decisions into results.

Stages whose inputs are known are decided at once; hits cost no slot. Those to run start in the
order of the critical path, at most `jobs` at a time. A failure stops new stages from starting
(unless `keep_going`) and skips what is downstream; a gate's refusal halts what is downstream
and lets the rest finish; the first interrupt stops starting, a second one gives up waiting.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from typing import Any

from dagrun.engine.events import (
    Event,
    Output,
    RunStopping,
    StageFinished,
    StageResult,
    StageRetried,
    StageStarted,
)
from dagrun.engine.execute import Reply, Request, perform
from dagrun.engine.executors.named import EXECUTORS
from dagrun.engine.executors.processes import ProcessExecutor
from dagrun.engine.explain import Explainer
from dagrun.engine.interrupts import Interrupts
from dagrun.engine.plan import Decision, decide
from dagrun.engine.prepare import Prepared
from dagrun.engine.runlog import Runs
from dagrun.engine.store.store import Store

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0
"""Seconds before the first retry, doubled for each further one up to the longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A stage on its way: its decision, and how often it was tried."""

    name: str
    decision: Decision
    reason: str
    number: int = 1
    started: float = 0.0


class Dispatcher:
    """Runs the selected stages of one prepared pipeline, once."""

    def __init__(
        self,
        prepared: Prepared,
        store: Store,
        *,
        run_id: str,
        overrides: Mapping[str, Mapping[str, Any]],
        jobs: int,
        executor: str,
        keep_going: bool,
        cancelled: threading.Event,
        emit: Callable[[Event], None],
    ) -> None:
        self._prepared, self._store, self._run_id = prepared, store, run_id
        self._overrides, self._jobs, self._keep_going = overrides, jobs, keep_going
        self._cancelled, self._emit = cancelled, emit
        self._runs = Runs(store)
        self._explainer = Explainer(store, self._runs)
        self._executor_name = executor
        self._executors: dict[str, Executor] = {}
        self.results: dict[str, StageResult] = {}
        self._outputs: dict[str, tuple[str, Output]] = {}
        self._refused: dict[str, str] = {}
        order = prepared.order
        self._position = {name: index for index, name in enumerate(order)}
        self._missing = {name: len(prepared.graph.upstream(name)) for name in order}
        self._ready = [name for name in order if not self._missing[name]]
        self._waiting: list[tuple[int, int, Attempt]] = []
        self._delayed: list[tuple[float, int, Attempt]] = []
        self._running: dict[Future[Reply], Attempt] = {}
        self._stopping = False
        self._interrupts = Interrupts()

    def run(self) -> None:
        """Bring every selected stage to a result; see `results`."""
        try:
            with self._interrupts:
                while self._ready or self._waiting or self._delayed or self._running:
                    try:
                        self._decide_ready()
                        self._start_waiting()
                        self._collect()
                    except KeyboardInterrupt:
                        if self._cancelled.is_set():
                            raise
                        self._interrupt()
        finally:
            for executor in self._executors.values():
                executor.shutdown(wait=False, cancel_futures=True)

    def _interrupt(self) -> None:
        self._cancelled.set()
        self._stopping = True
        for executor in self._executors.values():
            if isinstance(executor, ProcessExecutor):
                executor.stop()
        running = tuple(attempt.name for attempt in self._running.values())
        self._emit(RunStopping(running=running))

    def _decide_ready(self) -> None:
        while self._ready:
            name = self._ready.pop()
            if blocked := self._blocked(name):
                self._finish(blocked)
                continue
            recipe = self._prepared.recipes[name]
            inputs = {item: self._outputs[item][1] for item in recipe.stage.inputs}
            decision = decide(recipe, inputs, self._store.use, name in self._prepared.forced)
            if decision.entry:
                self._finish(self._hit(name, decision))
                continue
            reason = self._explainer.reason_for(recipe, decision)
            self._enqueue(Attempt(name=name, decision=decision, reason=reason))

    def _enqueue(self, attempt: Attempt) -> None:
        depth = self._prepared.graph.depth[attempt.name]
        heapq.heappush(self._waiting, (-depth, self._position[attempt.name], attempt))

    def _blocked(self, name: str) -> StageResult | None:
        """Return the result of a stage that cannot or must not run, else None."""
        for before in self._prepared.graph.upstream(name):
            if before in self._refused:
                self._refused[name] = self._refused[before]
                reason = f"gate {self._refused[name]!r} refused"
                return StageResult(name=name, status="halted", reason=reason)
        for before in self._prepared.graph.upstream(name):
            status = self.results[before].status
            if status in ("failed", "skipped"):
                return StageResult(name=name, status="skipped", reason=f"{before!r} {status}")
        return None

    def _hit(self, name: str, decision: Decision) -> StageResult:
        assert decision.entry is not None
        upstream = self._prepared.graph.upstream(name)
        ran = [before for before in upstream if self.results[before].status == "ran"]
        return self._done(
            name,
            "hit",
            decision,
            decision.entry.outputs,
            saved=decision.entry.seconds,
            cutoff=bool(ran),
            reason=f"{', '.join(ran)} gave equal data" if ran else "",
        )

    def _start_waiting(self) -> None:
        now = time.monotonic()
        while self._delayed and (self._delayed[0][0] <= now or self._stopping):
            self._enqueue(heapq.heappop(self._delayed)[2])
        while self._waiting and (self._stopping or len(self._running) < self._jobs):
            attempt = heapq.heappop(self._waiting)[2]
            if self._stopping:
                reason = "interrupted" if self._cancelled.is_set() else "an earlier stage failed"
                self._finish(StageResult(name=attempt.name, status="skipped", reason=reason))
                continue
            self._start(attempt)

    def _start(self, attempt: Attempt) -> None:
        name, decision = attempt.name, attempt.decision
        stage = self._prepared.recipes[name].stage
        if attempt.number == 1:
            last = self._runs.last_entry(name)
            self._emit(StageStarted(name=name, usual=last.seconds if last else None))
        project = self._prepared.pipeline.project
        request = Request(
            run_id=self._run_id,
            root=project.root,
            pipeline=project.pipeline,
            stage=name,
            key=decision.key or "",
            seed=self._prepared.seed,
            inputs=dict(decision.inputs),
            producers={item: (self._outputs[item][0], item) for item in stage.inputs},
            overrides=dict(self._overrides.get(name, {})),
            force=name in self._prepared.forced or not stage.cache,
        )
        executor = self._executor("processes" if stage.timeout else self._executor_name)
        options = {"timeout": stage.timeout} if stage.timeout else {}
        started = replace(attempt, started=time.perf_counter())
        self._running[executor.submit(perform, request, **options)] = started

    def _executor(self, name: str) -> Executor:
        if name not in self._executors:
            self._executors[name] = EXECUTORS[name](self._jobs)
        return self._executors[name]

    def _collect(self) -> None:
        due = max(0.0, self._delayed[0][0] - time.monotonic()) if self._delayed else None
        if not self._running:
            if due is not None and not self._ready and not self._waiting:
                with self._interrupts.window():
                    self._cancelled.wait(due)
            return
        with self._interrupts.window():
            done, _ = wait(self._running, due, return_when=FIRST_COMPLETED)
        for future in done:
            attempt = self._running.pop(future)
            error = future.exception()
            message = f"running stage {attempt.name!r}: {error}"
            reply = Reply(error=message) if error else future.result()
            self._settle(attempt, reply)

    def _settle(self, attempt: Attempt, reply: Reply) -> None:
        name, stage = attempt.name, self._prepared.recipes[attempt.name].stage
        seconds = time.perf_counter() - attempt.started
        if reply.error is None:
            last = self._runs.last_entry(name)
            logical = {item: output.logical for item, output in reply.outputs.items()}
            same = last is not None and logical == {
                item: output.logical for item, output in last.outputs.items()
            }
            result = self._done(
                name,
                "hit" if reply.shared else "ran",
                attempt.decision,
                reply.outputs,
                seconds=seconds,
                reason="another process ran it" if reply.shared else attempt.reason,
                same=same and not reply.shared,
                attempts=attempt.number,
            )
            self._finish(result)
        elif self._cancelled.is_set():
            self._finish(StageResult(name=name, status="skipped", reason="interrupted"))
        elif attempt.number <= stage.retries:
            delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (attempt.number - 1))
            delay *= random.uniform(0.5, 1.0)
            self._emit(
                StageRetried(name=name, attempt=attempt.number, delay=delay, error=reply.error)
            )
            again = replace(attempt, number=attempt.number + 1)
            heapq.heappush(self._delayed, (time.monotonic() + delay, self._position[name], again))
        else:
            self._stopping = self._stopping or not self._keep_going
            failed = StageResult(
                name=name,
                status="failed",
                key=attempt.decision.key,
                seconds=seconds,
                reason=attempt.reason,
                attempts=attempt.number,
                error=reply.error,
                trace=reply.trace,
            )
            self._finish(failed)

    def _done(
        self,
        name: str,
        status: Any,
        decision: Decision,
        outputs: Mapping[str, Output],
        **details: Any,
    ) -> StageResult:
        """Make the result of a stage that hit or ran, and hand out its outputs."""
        rows = [output.rows for output in outputs.values() if output.rows is not None]
        stage = self._prepared.recipes[name].stage
        verdict = None
        if stage.gate:
            value = self._store.load(outputs[name])
            verdict = {"passed": value.passed, "reasons": list(value.reasons)}
            if not value.passed:
                self._refused[name] = name
        return StageResult(
            name=name,
            status=status,
            key=decision.key,
            rows=sum(rows) if rows else None,
            outputs=dict(outputs),
            verdict=verdict,
            **details,
        )

    def _finish(self, result: StageResult) -> None:
        self.results[result.name] = result
        for item, output in result.outputs.items():
            self._outputs[item] = (result.key or "", output)
        self._emit(StageFinished(result=result))
        for after in self._prepared.graph.consumers(result.name):
            if after in self._missing:
                self._missing[after] -= 1
                if not self._missing[after]:
                    self._ready.append(after)
