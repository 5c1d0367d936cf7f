"""Launching: hand an attempt to the executor that fits it, and stop what was handed out.

Executors are made when first needed and live as long as the run. A stage with a timeout or a limit
of memory runs in a process of its own whatever executor the user chose: nothing else can be
stopped.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future

from dagrun.engine.execute import Reply, Request, perform
from dagrun.engine.executors.named import EXECUTORS
from dagrun.engine.executors.processes import ProcessExecutor
from dagrun.engine.stage import Stage


class Launcher:
    """The executors of one run."""

    def __init__(self, name: str, jobs: int) -> None:
        self._name, self._jobs = name, jobs
        self._executors: dict[str, Executor] = {}

    def start(self, stage: Stage[..., object], request: Request) -> Future[Reply]:
        """Start one attempt at a stage."""
        limits = {"timeout": stage.timeout, "memory": stage.resources.get("memory")}
        options = {name: limit for name, limit in limits.items() if limit is not None}
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
