"""Stage logs: what each stage printed and logged, kept beside the log of its run.

One file of sealed lines a stage, `runs/<run id>.logs/<stage>.jsonl`, written line by line while the
stage runs and only if it says anything; the attempts of a retried stage follow each other.
Guarantee: a line that is read back is whole, and a log that cannot be written never harms the
stage. The limits: after `LIMIT` characters, or on a full disk, the rest is counted, not kept;
nothing is synced, so a power cut may take the end.
"""

from __future__ import annotations

import threading
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from dagrun.engine.errors import DagrunError, listing, nearest
from dagrun.engine.history.runids import STAGE_LOGS, log_domain
from dagrun.engine.history.runlog import Run, Runs
from dagrun.engine.store.sealed import seal, unseal
from dagrun.engine.store.store import Store

LIMIT = 16_000_000
"""Characters kept of one attempt."""

Origin = Literal["stdout", "stderr", "log"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: its text without the newline, where it came from, and the Unix time in seconds."""

    at: float
    origin: Origin
    text: str


class LogFile:
    """The log of one stage in one run, to be written; the file appears with its first line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._size = self._dropped = 0
        self._lock = threading.Lock()

    def add(self, origin: Origin, text: str) -> None:
        """Append a line."""
        with self._lock:
            if self._size > LIMIT or not self._append(origin, text):
                self._dropped += len(text) + 1
            self._size += len(text) + 1

    def _append(self, origin: Origin, text: str) -> bool:
        line = {"at": round(time.time(), 3), "origin": origin, "text": text}
        try:
            if self._file is None:
                self._path.parent.mkdir(exist_ok=True)
                self._file = self._path.open("ab", buffering=0)
            self._file.write(seal(log_domain(self._path), line))
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Say what was dropped, and close the file."""
        with self._lock:
            if self._dropped:
                self._append("log", f"({self._dropped:,} more characters were not kept)")
            if self._file is not None:
                self._file.close()
                self._file = None


def log_path(store: Store, run_id: str, stage: str) -> Path:
    """Where the log of a stage in a run is, or would be."""
    return store.runs / f"{run_id}{STAGE_LOGS}" / f"{urllib.parse.quote(stage, safe='[]')}.jsonl"


def read_log(store: Store, run_id: str, stage: str) -> tuple[Line, ...]:
    """Return what a stage said in a run; nothing when it was silent. A damaged line is dropped."""
    path = log_path(store, run_id, stage)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    forms = (unseal(log_domain(path), text) for text in data.splitlines(keepends=True))
    return tuple(Line(**form) for form in forms if form is not None)


class NotInRun(DagrunError):
    """A run has no stage of that name."""

    def __init__(self, stage: str, run_id: str, known: Sequence[str]) -> None:
        self.stage, self.run_id = stage, run_id
        super().__init__(
            f"run {run_id} has no stage {stage!r}.{nearest(stage, known)} "
            f"Its stages: {listing(known)}. Other runs: dagrun runs list"
        )


def speaking_run(store: Store, run: Run, stage: str) -> Run:
    """Return the run in which a stage said what led to its result in `run`.

    That is `run` itself, unless the stage hit in it: then the newest earlier one that ran it under
    the same key, as far as one is remembered. Raises `NotInRun`.
    """
    if stage not in run.stages:
        raise NotInRun(stage, run.run_id, list(run.stages))
    line = run.stages[stage]
    if line["status"] != "hit" or log_path(store, run.run_id, stage).exists():
        return run
    for earlier in Runs(store).newest_first():
        other = earlier.stages.get(stage, {})
        same = other.get("status") == "ran" and other.get("key") == line.get("key")
        if same and earlier.run_id < run.run_id:
            return earlier
    return run
