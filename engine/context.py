"""The context of a running stage, in the style of Go: cancellation, deadline, seed, scratch.

A stage whose first parameter is annotated `Context` receives it. Because a stage can read the
seed from it, the seed is part of that stage's key; nothing else in a context is, so a stage that
lets the run id, the clock or the scratch path flow into its result is not deterministic.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.engine.store.durable import temporary_path
from dagrun.engine.store.store import Store


class Cancelled(DagrunError):
    """The run was interrupted, or the stage's time is up."""

    def __init__(self, stage: str, why: str) -> None:
        self.stage, self.why = stage, why
        super().__init__(f"stage {stage!r} was cancelled: {why}")


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a stage may know about the run it is part of.

    Attributes:
        stage: name of the stage.
        key: key under which its outputs will be stored ("" for an effect).
        run_id: id of the run, as `dagrun runs list` shows it.
        seed: the run's seed; part of the key.
        inputs: logical digest of each input artifact, by parameter name.
        store: the project's store.
        cancelled: set when the run is interrupted.
        deadline: `time.monotonic()` seconds at which the attempt is stopped, or None.
        logger: logger named `dagrun.stage.<name>`.
    """

    stage: str
    key: str
    run_id: str
    seed: int
    inputs: Mapping[str, str]
    store: Store
    cancelled: threading.Event = field(default_factory=threading.Event)
    deadline: float | None = None

    @property
    def logger(self) -> logging.Logger:
        """The stage's logger."""
        return logging.getLogger(f"dagrun.stage.{self.stage}")

    @cached_property
    def scratch(self) -> Path:
        """An empty folder of the stage's own, removed when the attempt ends."""
        path = temporary_path(self.store.temporary)
        path.mkdir()
        return path

    def check(self) -> None:
        """Raise `Cancelled` if the run was interrupted or the deadline has passed."""
        if self.cancelled.is_set():
            raise Cancelled(self.stage, "the run was interrupted")
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise Cancelled(self.stage, "its timeout has passed")

    def close(self) -> None:
        """Remove the scratch folder, if the stage has asked for one."""
        if "scratch" in vars(self):
            shutil.rmtree(self.scratch, ignore_errors=True)


_CURRENT: ContextVar[Context] = ContextVar("dagrun.context")


def current() -> Context:
    """Return the context of the stage that is running in this thread.

    Raises `DefinitionError` outside a running stage.
    """
    try:
        return _CURRENT.get()
    except LookupError:
        raise DefinitionError(
            "there is no context here: it exists only inside a running stage. "
            "Run the stage with: dagrun run"
        ) from None


class entered:  # noqa: N801 - reads as a statement: `with entered(context):`
    """Make `context` the current one for a block, and close it afterwards."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> Context:
        self._token = _CURRENT.set(self._context)
        return self._context

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)
        self._context.close()
