"""An executor whose every call has a process of its own, which can be killed.

Guarantee: a call that runs out of time or memory, is interrupted or crashes takes down nobody but
itself, and a worker ends when its parent does, however that ends. Functions are sent by import
name, arguments and results in the canonical encoding, so nothing is ever pickled or forked. The
limit: memory is looked at every `POLL` seconds, so a call can pass its limit for that long.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import ContextVar
from typing import Any

from dagrun.engine.canonical import decode, encode, to_bytes
from dagrun.engine.dispatching.amounts import show_amount
from dagrun.engine.errors import DagrunError
from dagrun.engine.executors.memory import held_by
from dagrun.engine.executors.pipes import Pipes

POLL = 0.05
"""Seconds between two looks at a call's memory."""
Hear = Callable[[Any, str], None]
Hearing = Callable[..., AbstractContextManager[Hear | None]]


def _nobody(*_: object) -> AbstractContextManager[None]:
    return nullcontext()


HEARING: ContextVar[Hearing] = ContextVar("dagrun.hearing", default=_nobody)
"""Given a call's arguments, what takes `("stdout" or "stderr", text)` of its worker, if anybody.

Read where a call is submitted. A worker that nobody hears writes to this process's streams.
"""
TRACER: ContextVar[tuple[str, ...] | None] = ContextVar("dagrun.tracer", default=None)
"""None, or the command (empty: there is none) that records the files which a worker opens.

With one, the workers of the calls that are submitted refuse undeclared reads.
"""


class WorkerDied(DagrunError):
    """A worker process ended without a result."""

    def __init__(self, status: int) -> None:
        self.status = status
        how = f"exited with status {status}"
        if status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        hint = " (out of memory is the usual reason)" if status == -signal.SIGKILL else ""
        super().__init__(f"the worker process {how}{hint}")


class TimedOut(DagrunError):
    """A call took longer than it may and was killed."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"it took longer than its timeout of {seconds:g} s and was stopped")


class MemoryExceeded(DagrunError):
    """A call held more memory than it may and was killed."""

    def __init__(self, limit: float, held: int) -> None:
        self.limit, self.held = limit, held
        super().__init__(
            f"it held {show_amount('memory', held)} of memory, more than its limit of "
            f"{show_amount('memory', limit)}, and was stopped. Raise resources={{'memory': ...}} "
            "of the stage, or work on less at a time: a pl.LazyFrame, or a stage mapped over parts"
        )


class ProcessExecutor(Executor):
    """Runs each call in a fresh Python process, at most `jobs` at a time."""

    def __init__(self, jobs: int) -> None:
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="dagrun-worker")
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Schedule `call(*arguments)`; `timeout=` seconds and `memory=` bytes limit this call."""
        name = f"{call.__module__}:{call.__qualname__}"
        hearing = HEARING.get()
        arguments_form, heard = encode(list(arguments)), hearing is not _nobody
        message = to_bytes({"call": name, "arguments": arguments_form, "heard": heard})
        return self._threads.submit(
            self._run, message, hearing(*arguments), TRACER.get(), **options
        )

    def _run(
        self,
        message: bytes,
        hearing: AbstractContextManager[Hear | None],
        tracer: tuple[str, ...] | None,
        timeout: float | None = None,
        memory: float | None = None,
    ) -> Any:
        with tempfile.TemporaryFile() as answer, ExitStack() as stack:
            hear = stack.enter_context(hearing)
            pipes = Pipes(hear) if hear else None
            if pipes:
                stack.callback(pipes.finish)
            command = [sys.executable, "-m", "dagrun.engine.worker", str(answer.fileno())]
            if tracer is not None:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dagrun-trace-"))
                trace = f"{folder}/opens" if tracer else ""
                command = [*tracer, *(["-o", trace] if tracer else []), *command, trace]
            process = self._start(command, answer.fileno(), pipes)
            try:
                assert process.stdin is not None
                # The pipe stays open: its closing tells the worker that its parent is gone.
                process.stdin.write(message + b"\n")
                process.stdin.flush()
                status = _watch(process, timeout, memory)
            except BrokenPipeError:
                status = process.wait()
            finally:
                self._end(process)
            answer.seek(0)
            data = answer.read()
        if status != 0 or not data:
            raise WorkerDied(status)
        return decode(json.loads(data))

    def _start(
        self, command: list[str], answer: int, pipes: Pipes | None
    ) -> subprocess.Popen[bytes]:
        out, err = pipes.ends if pipes else (sys.stderr.fileno(), None)
        with self._lock:
            if self._stopped:
                raise DagrunError("the run was interrupted")
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                pass_fds=(answer,),
                env={**os.environ, "PYTHONSAFEPATH": "1"},
                start_new_session=True,
            )
            self._processes.add(process)
        if pipes:
            pipes.start()
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            _kill(process)
            process.wait()
        if process.stdin:
            process.stdin.close()
        with self._lock:
            self._processes.discard(process)

    def stop(self) -> None:
        """Kill every call that is running and start no further one."""
        with self._lock:
            self._stopped = True
            for process in self._processes:
                _kill(process)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Release the threads; running calls are waited for if `wait`."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


def _watch(process: subprocess.Popen[bytes], timeout: float | None, memory: float | None) -> int:
    """Wait for a process to end and return its status. Raises `TimedOut`, `MemoryExceeded`."""
    started = time.monotonic()
    while True:
        left = None if timeout is None else max(0.0, started + timeout - time.monotonic())
        try:
            return process.wait(
                left if memory is None else POLL if left is None else min(POLL, left)
            )
        except subprocess.TimeoutExpired:
            if memory is not None and (held := held_by(process.pid)) > memory:
                raise MemoryExceeded(memory, held) from None
            if timeout is not None and time.monotonic() >= started + timeout:
                raise TimedOut(timeout) from None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and what it has started; it leads a process group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
