"""Launching: hand an attempt to the executor that fits it, and stop what was handed out.

Executors are made when first needed and live as long as the run. A stage with a timeout or a limit
of memory runs in a process of its own whatever executor the user chose: nothing else can be
stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, Future
from typing import Any

from dagrun.engine.dispatching.attempts import Attempt
from dagrun.engine.execute import Reply, Request, perform
from dagrun.engine.executors.named import EXECUTORS
from dagrun.engine.executors.processes import ProcessExecutor
from dagrun.engine.prepare import Prepared
from dagrun.engine.stage import Stage


def own_process(stage: Stage[..., Any]) -> dict[str, float]:
    """Return the limits for which a stage needs a process of its own; empty if it needs none."""
    limits = {"timeout": stage.timeout, "memory": stage.resources.get("memory")}
    return {name: limit for name, limit in limits.items() if limit is not None}


class Launcher:
    """The executors of one run of a prepared pipeline."""

    def __init__(
        self,
        prepared: Prepared,
        *,
        run_id: str,
        overrides: Mapping[str, Mapping[str, Any]],
        executor: str,
        capacity: Mapping[str, float],
    ) -> None:
        self._prepared, self._run_id, self._overrides = prepared, run_id, overrides
        self._name, self._jobs = executor, int(capacity["jobs"])
        self._executors: dict[str, Executor] = {}

    def start(self, attempt: Attempt, producers: Mapping[str, tuple[str, str]]) -> Future[Reply]:
        """Start one attempt; `producers` are the key and output name behind each input."""
        stage = self._prepared.recipes[attempt.name].stage
        project = self._prepared.pipeline.project
        request = Request(
            run_id=self._run_id,
            root=project.root,
            pipeline=project.pipeline,
            stage=stage.name,
            key=attempt.decision.key or "",
            seed=self._prepared.seed,
            inputs=dict(attempt.decision.inputs),
            producers=dict(producers),
            overrides=dict(self._overrides.get(stage.name, {})),
            force=stage.name in self._prepared.forced or not stage.cache,
            snapshots=self._prepared.settled(stage.name),
            element=attempt.element.forms if attempt.element else None,
        )
        options = own_process(stage)
        executor = self._executor("processes" if options else self._name)
        return executor.submit(perform, request, **options)

    def _executor(self, name: str) -> Executor:
        if name not in self._executors:
            self._executors[name] = EXECUTORS[name](self._jobs)
        return self._executors[name]

    def stop(self) -> None:
        """Kill what runs in processes of its own; what runs in threads has to end by itself."""
        for executor in self._executors.values():
            if isinstance(executor, ProcessExecutor):
                executor.stop()

    def close(self) -> None:
        """Release the executors, waiting for nobody."""
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)
