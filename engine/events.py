"""What a run tells while it goes and when it ends: plain data, for terminals, logs and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

StageStatus = Literal["hit", "ran", "failed", "skipped", "halted", "pruned"]
RunStatus = Literal["done", "failed", "halted", "interrupted"]
EXIT_CODES: Mapping[RunStatus, int] = {"done": 0, "failed": 1, "halted": 3, "interrupted": 130}
VERIFICATION_FAILED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One stored artifact: where its bytes are, what they mean, and how to read them.

    Attributes:
        codec: import name of the codec that wrote it.
        blob: blob digest of the bytes, or None when the document is stored inline.
        inline: the document's JSON form when `blob` is None.
        logical: logical digest.
        size: bytes.
        rows: rows of a table, else None.
        columns: `{column: [dtype, logical digest]}` of a table, else empty.
        references: blob digests of further blobs that the artifact needs.
    """

    codec: str
    blob: str | None = None
    inline: Any = None
    logical: str
    size: int = 0
    rows: int | None = None
    columns: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """The fate of one stage in a run.

    Attributes:
        element: index of an element of a mapped stage, else None; `label` says which it is.
        elements: results of a mapped stage's elements in order; None for a plain stage.
        seconds: time spent in this run (0.0 for a hit).
        saved: for a hit, seconds the stage took when it ran, else 0.0.
        rows: total rows of its table outputs, None without tables.
        reason: why it ran, or why it did not.
        cutoff: the inputs' producer ran again but gave equal data, so this stage hit.
        same: it ran again and gave the data it gave before.
        error: the failure's message; `trace` its traceback, the user's frames first.
    """

    name: str
    element: int | None = None
    status: StageStatus
    key: str | None = None
    seconds: float = 0.0
    saved: float = 0.0
    rows: int | None = None
    outputs: Mapping[str, Output] = field(default_factory=dict)
    reason: str = ""
    cutoff: bool = False
    same: bool = False
    attempts: int = 0
    error: str | None = None
    trace: str | None = None
    verdict: Mapping[str, Any] | None = None
    label: str = ""
    elements: tuple[StageResult, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where a stage that was executed again gave other data than the store holds.

    Attributes:
        output: the artifact.
        column: the table's column or the document's field; None for the artifact as a whole.
        what: in words, what differs.
    """

    output: str
    column: str | None = None
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What came of executing a hit again.

    Attributes:
        seconds: how long its function took this time.
        differences: empty when it gave the data that the store holds.
        cause: what is suspected, and what to do about it; "" without differences.
        error: the failure's message, when it did not get through.
    """

    name: str
    seconds: float = 0.0
    differences: tuple[Difference, ...] = ()
    cause: str = ""
    error: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the very same data came out."""
        return not self.differences and self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A finished run. `stages` are in topological order; effects are listed apart.

    Attributes:
        checks: the hits that were executed again; None when none were to be.
    """

    run_id: str
    pipeline: str
    status: RunStatus
    seconds: float
    stages: tuple[StageResult, ...]
    effects: tuple[StageResult, ...]
    commit: str | None = None
    dirty: bool | None = None
    checks: tuple[Check, ...] | None = None

    @property
    def exit_code(self) -> int:
        """The command line's exit code: what a verification found outweighs a gate's no."""
        unlike = any(not check.passed for check in self.checks or ())
        return VERIFICATION_FAILED if unlike else EXIT_CODES[self.status]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run begins; `stages` are all stages it will report on, in topological order.

    `warnings` are what the reader of the stages' code could not be sure of.
    """

    run_id: str
    pipeline: str
    stages: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted:
    """A stage's function is about to be called; `usual` seconds is from history or None."""

    name: str
    usual: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRetried:
    """An attempt failed; the next one starts after `delay` seconds."""

    name: str
    attempt: int
    delay: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAdvanced:
    """So many of a mapped stage's elements have their results."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFinished:
    """A stage has its result."""

    result: StageResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStopping:
    """An interrupt arrived; no stage starts any more, `running` ones are waited for."""

    running: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageVerified:
    """A hit was executed again, after the run proper: the `done`th of `total`."""

    check: Check
    done: int
    total: int


Event = (
    RunStarted
    | StageStarted
    | StageRetried
    | StageAdvanced
    | StageFinished
    | RunStopping
    | StageVerified
)
