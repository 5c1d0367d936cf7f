"""Dispatch: the run-time loop that turns decisions into results.

Stages whose inputs are known are decided at once; hits cost no slot. Those to run start in the
order of the critical path, at most `jobs` at a time. A failure stops new stages from starting
(unless `keep_going`) and skips what is downstream; a gate's refusal halts what is downstream
and lets the rest finish; the first interrupt stops starting, a second one gives up waiting.
A mapped stage is as many attempts as it has elements to call, and one result in the end.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dagrun.engine.branches import NOTHING, why_pruned
from dagrun.engine.dispatching import outcomes
from dagrun.engine.dispatching.attempts import Attempt, Retries
from dagrun.engine.dispatching.fanout import Fan
from dagrun.engine.dispatching.inflight import InFlight
from dagrun.engine.dispatching.interrupts import Interrupts, look
from dagrun.engine.dispatching.launch import Launcher
from dagrun.engine.dispatching.resources import make_demand
from dagrun.engine.dispatching.slots import Slots
from dagrun.engine.elements import expand
from dagrun.engine.errors import DagrunError, StageFailed
from dagrun.engine.events import (
    Event,
    Output,
    RunStopping,
    StageAdvanced,
    StageFinished,
    StageResult,
    StageRetried,
    StageStarted,
)
from dagrun.engine.execute import Reply
from dagrun.engine.explaining.explain import Explainer
from dagrun.engine.history.runlog import Runs
from dagrun.engine.plan import decide, decide_element
from dagrun.engine.prepare import Prepared
from dagrun.engine.stage import Stage
from dagrun.engine.store.store import Store
from dagrun.engine.verdicts import keep_verdict


class Dispatcher:
    """Runs the selected stages of one prepared pipeline, once."""

    def __init__(
        self,
        prepared: Prepared,
        store: Store,
        *,
        run_id: str,
        overrides: Mapping[str, Mapping[str, Any]],
        capacity: Mapping[str, float],
        executor: str,
        keep_going: bool,
        cancelled: threading.Event,
        emit: Callable[[Event], None],
    ) -> None:
        self._prepared, self._store, self._keep_going = prepared, store, keep_going
        self._cancelled, self._emit, self._run_id = cancelled, emit, run_id
        self._runs = Runs(store)
        self._explainer = Explainer(store, self._runs)
        self._launcher = Launcher(
            prepared, run_id=run_id, overrides=overrides, executor=executor, capacity=capacity
        )
        self.results: dict[str, StageResult] = {}
        self._outputs: dict[str, tuple[str, Output]] = {}
        self._refused: dict[str, str] = {}
        self._pruned: set[str] = set()
        self._fans: dict[str, Fan] = {}
        self._started: set[str] = set()
        order = prepared.order
        self._position = {name: index for index, name in enumerate(order)}
        self._missing = {name: len(prepared.graph.upstream(name)) for name in order}
        self._ready = [self._position[name] for name in order if not self._missing[name]]
        self._capacity, self._slots, self._retries = capacity, Slots(capacity), Retries()
        self._flights = InFlight(int(capacity["jobs"]))
        self._stopping = False
        self._interrupts = Interrupts()

    def run(self) -> None:
        """Bring every selected stage to a result; see `results`."""
        try:
            with self._interrupts:
                while self._ready or self._slots or self._retries or self._flights:
                    try:
                        self._decide_ready()
                        self._start_waiting()
                        self._collect()
                    except KeyboardInterrupt:
                        if self._cancelled.is_set():
                            raise
                        self._interrupt()
        finally:
            self._launcher.close()

    def _interrupt(self) -> None:
        self._cancelled.set()
        self._stopping = True
        self._launcher.stop()
        self._emit(RunStopping(running=self._flights.names))

    def computed(self, key: str) -> None:
        """Free the slots of the attempt at `key`, which is only being stored; in any thread."""
        self._flights.computed(key)

    def _decide_ready(self) -> None:
        while self._ready:
            name = self._prepared.order[heapq.heappop(self._ready)]
            try:
                blocked = self._blocked(name)
            except DagrunError as error:
                self._fail(name, StageFailed(name, "deciding whether it runs", error))
                continue
            if blocked:
                self._finish(blocked)
                continue
            recipe = self._prepared.recipes[name]
            inputs = {item: self._outputs[item][1] for item in recipe.stage.inputs}
            forced = name in self._prepared.forced
            decision = decide(recipe, inputs, self._store.use, forced)
            if decision.entry:
                self._finish(outcomes.hit(name, decision, self._ran_above(name)))
                continue
            reason = self._explainer.reason_for(recipe, decision)
            attempt = Attempt(name=name, decision=decision, reason=reason)
            if recipe.stage.mapped:
                self._fan_out(attempt, forced)
            else:
                self._enqueue(attempt)

    def _fan_out(self, whole: Attempt, forced: bool) -> None:
        """Decide each element of a mapped stage, and let those to be called wait."""
        recipe, inputs = self._prepared.recipes[whole.name], whole.decision.inputs
        try:
            elements = expand(recipe, inputs, self._store.load)
        except DagrunError as error:
            self._fail(whole.name, StageFailed(whole.name, "finding its elements", error))
            return
        fan = self._fans[whole.name] = Fan(whole, elements)
        for element in elements:
            decision = decide_element(recipe, element, inputs, self._store.use, forced)
            if decision.entry:
                fan.settle(element, decision.key, outcomes.hit(whole.name, decision))
            elif fan.claim(element, decision.key or ""):
                self._enqueue(replace(whole, decision=decision, element=element))
        if fan.done:
            self._gather(fan)

    def _fail(self, name: str, error: DagrunError) -> None:
        self._stopping = self._stopping or not self._keep_going
        self._finish(StageResult(name=name, status="failed", error=str(error)))

    def _gather(self, fan: Fan) -> None:
        """Finish a mapped stage whose elements all have their results."""
        name = fan.whole.name
        recipe = self._prepared.recipes[name]
        try:
            result = fan.gather(
                recipe,
                self._store,
                producers=self._producers(recipe.stage),
                last=self._runs.last_entry(name),
                force=name in self._prepared.forced or not recipe.stage.cache,
            )
        except DagrunError as error:
            self._fail(name, StageFailed(name, "storing the list of its elements", error))
            return
        self._finish(result)

    def _ran_above(self, name: str) -> list[str]:
        upstream = self._prepared.graph.upstream(name)
        return [before for before in upstream if self.results[before].status == "ran"]

    def _enqueue(self, attempt: Attempt) -> None:
        depth = self._prepared.graph.depth[attempt.name]
        order = (-depth, self._position[attempt.name])
        self._slots.add(attempt, self._demand(attempt), order)

    def _demand(self, attempt: Attempt) -> Mapping[str, float]:
        return make_demand(self._prepared.recipes[attempt.name].stage, self._capacity)

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
        stage = self._prepared.recipes[name].stage
        outputs = {item: self._outputs[item][1] for item in (stage.condition,) if item}
        reason = why_pruned(stage, self._pruned, outputs, self._store.load)
        return StageResult(name=name, status="pruned", reason=reason) if reason else None

    def _start_waiting(self) -> None:
        for attempt in self._retries.due(everything=self._stopping):
            self._enqueue(attempt)
        if self._stopping:
            reason = "interrupted" if self._cancelled.is_set() else "an earlier stage failed"
            for attempt in self._slots.drain():
                skipped = StageResult(name=attempt.name, status="skipped", reason=reason)
                self._conclude(attempt, skipped)
        while not self._flights.is_full and (attempt_now := self._slots.take()):
            self._start(attempt_now)

    def _start(self, attempt: Attempt) -> None:
        name = attempt.name
        stage = self._prepared.recipes[name].stage
        if name not in self._started:
            self._started.add(name)
            last = self._runs.last_entry(name)
            self._emit(StageStarted(name=name, usual=last.seconds if last else None))
        started = replace(attempt, started=time.perf_counter())
        self._flights.add(started, self._launcher.start(attempt, self._producers(stage)))

    def _producers(self, stage: Stage[..., Any]) -> dict[str, tuple[str, str]]:
        return {item: (self._outputs[item][0], item) for item in stage.inputs}

    def _collect(self) -> None:
        due = self._retries.wait()
        if not self._flights:
            if due is not None and not self._ready and not self._slots:
                with self._interrupts.window():
                    time.sleep(look(due))
            return
        with self._interrupts.window():
            self._flights.wait(due)
        computed, over = self._flights.collect()
        for attempt in computed:
            self._slots.give_back(self._demand(attempt))
        for attempt, future in over:
            error = future.exception()
            message = f"running stage {attempt.name!r}: {error}"
            reply = Reply(error=message) if error else future.result()
            self._settle(attempt, reply)

    def _settle(self, attempt: Attempt, reply: Reply) -> None:
        name, stage = attempt.name, self._prepared.recipes[attempt.name].stage
        seconds = time.perf_counter() - attempt.started
        if reply.error is None:
            last = self._runs.last_entry(name)
            self._conclude(attempt, outcomes.ran(attempt, reply, seconds, last))
        elif self._cancelled.is_set():
            interrupted = StageResult(name=name, status="skipped", reason="interrupted")
            self._conclude(attempt, interrupted)
        elif attempt.number <= stage.retries:
            delay = self._retries.add(attempt)
            self._emit(
                StageRetried(name=name, attempt=attempt.number, delay=delay, error=reply.error)
            )
        else:
            self._stopping = self._stopping or not self._keep_going
            self._conclude(attempt, outcomes.failed(attempt, reply.error, reply.trace, seconds))

    def _conclude(self, attempt: Attempt, result: StageResult) -> None:
        """Take the result of an attempt: of a stage, or of one element of it."""
        if attempt.element is None:
            self._finish(result)
            return
        fan = self._fans[attempt.name]
        fan.settle(attempt.element, attempt.decision.key, result)
        total = len(fan.elements)
        self._emit(StageAdvanced(name=attempt.name, done=fan.settled, total=total))
        if fan.done:
            self._gather(fan)

    def _finish(self, result: StageResult) -> None:
        stage = self._prepared.recipes[result.name].stage
        if stage.gate and result.outputs:
            value = self._store.load(result.outputs[stage.name])
            verdict = {"passed": value.passed, "reasons": list(value.reasons)}
            result = replace(result, verdict=verdict)
            keep_verdict(
                self._store.refs, value, said_in=f"gate {stage.name!r}, run {self._run_id}"
            )
            if not value.passed:
                self._refused[stage.name] = stage.name
        self.results[stage.name] = result
        for item, output in result.outputs.items():
            self._outputs[item] = (result.key or "", output)
        if result.status == "pruned":
            self._pruned |= set(stage.outputs)
            self._outputs |= dict.fromkeys(stage.outputs, ("", NOTHING))
        self._emit(StageFinished(result=result))
        for after in self._prepared.graph.consumers(result.name):
            if after in self._missing:
                self._missing[after] -= 1
                if not self._missing[after]:
                    heapq.heappush(self._ready, self._position[after])
