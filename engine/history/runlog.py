"""The run log: one append-only file per run, written while the run goes.

Guarantee: every line that is read back is what was written; a damaged one and a torn tail (a
killed run) are left out, and without its end a run shows as `interrupted`. Logs are history, not
truth: results live in entries.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from dagrun.engine.errors import DagrunError, listing, nearest
from dagrun.engine.events import RunResult, StageResult
from dagrun.engine.history.runids import domain
from dagrun.engine.store.durable import store_errors
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.sealed import seal, unseal
from dagrun.engine.store.store import Store

RUNLOG_VERSION = 2
HISTORY_DEPTH = 200
"""How many runs are searched for a stage's last entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as its log tells it; `stages` maps a stage's name to its logged line."""

    run_id: str
    header: Mapping[str, Any]
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    status: str = "interrupted"
    seconds: float | None = None


class UnknownRun(DagrunError):
    """No run, or more than one, has the given id."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        super().__init__(
            f"no single run is called {name!r}.{nearest(name, known)} "
            f"Runs: {listing(known[::-1], 5)} (all of them: dagrun runs list)"
        )


def stage_form(result: StageResult) -> dict[str, Any]:
    """Return the line of a stage's result in a run log."""
    line = {
        "stage": result.name,
        "status": result.status,
        "key": result.key,
        "seconds": round(result.seconds, 6),
        "saved": round(result.saved, 6) or None,
        "rows": result.rows,
        "reason": result.reason,
        "attempts": result.attempts,
        "error": result.error,
        "trace": result.trace,
        "verdict": result.verdict,
        **_element_lines(result),
    }
    return {name: value for name, value in line.items() if value is not None}


class RunLog:
    """The log of a run in progress; a context manager.

    While it is entered, nothing that the run uses is collected.
    """

    def __init__(self, store: Store, run_id: str, header: Mapping[str, Any]) -> None:
        self._path, self._domain = store.runs / f"{run_id}.jsonl", domain(run_id)
        self._running = store.running(run_id)
        with store_errors(self._path):
            self._file = self._path.open("ab")
        self._append({"version": RUNLOG_VERSION, "run_id": run_id, **header})

    def _append(self, line: Mapping[str, Any]) -> None:
        with store_errors(self._path):
            self._file.write(seal(self._domain, line))

    def stage(self, result: StageResult) -> None:
        """Log a stage's result. Outputs are left to the entry, which the key leads to."""
        self._append({**stage_form(result), "at": round(time.time(), 6)})
        if result.status == "failed":
            self._file.flush()

    def finish(self, result: RunResult) -> None:
        """Log the end of the run, durably."""
        end = {"status": result.status, "seconds": round(result.seconds, 6)}
        unlike = [check.name for check in result.checks or () if not check.passed]
        verified = {"verified": len(result.checks), "unlike": unlike} if result.checks else {}
        self._append({**end, **verified, "commit": result.commit, "dirty": result.dirty})
        with store_errors(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def __enter__(self) -> RunLog:
        self._running.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._running.__exit__(kind, error, tb)
        with store_errors(self._path):
            self._file.close()


def _element_lines(result: StageResult) -> dict[str, Any]:
    """Return what is logged of elements: how many had which status, and those that did not hit."""
    if result.elements is None:
        return {}
    fields = ("element", "label", "status", "key", "seconds", "error")
    called = [each for each in result.elements if each.status != "hit"]
    return {
        "elements": dict(Counter(each.status for each in result.elements)),
        "called": [{name: getattr(each, name) for name in fields} for each in called],
    }


class Runs:
    """The runs of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[str, str] = {}
        self._unread = itertools.islice(self.newest_first(), HISTORY_DEPTH)

    @property
    def root(self) -> Path:
        """The folder of the project whose runs these are."""
        return self._store.folder.parent

    def ids(self) -> list[str]:
        """Ids of all runs, oldest first."""
        return sorted(path.stem for path in self._store.runs.glob("*.jsonl"))

    def read(self, name: str) -> Run:
        """Return a run by its id, or by any unambiguous beginning or end of it, or `last`.

        Raises `UnknownRun`.
        """
        ids = self.ids()
        found = [known for known in ids if known == name]
        found = found or [known for known in ids if known.startswith(name) or known.endswith(name)]
        if name == "last":
            found = ids[-1:]
        if len(found) != 1:
            raise UnknownRun(name, ids)
        return _parse(found[0], self._store.runs / f"{found[0]}.jsonl")

    def newest_first(self) -> Iterator[Run]:
        """All runs, newest first, read as they are asked for."""
        for run_id in reversed(self.ids()):
            yield _parse(run_id, self._store.runs / f"{run_id}.jsonl")

    def last_entry(self, stage: str) -> Entry | None:
        """Return the entry the stage had when it last hit or ran, or None."""
        while stage not in self._keys:
            run = next(self._unread, None)
            if run is None:
                return None
            for name, line in run.stages.items():
                if line["status"] in ("hit", "ran") and line.get("key"):
                    self._keys.setdefault(name, line["key"])
        return self._store.entries.read(self._keys[stage])

    def measures(
        self, stages: Collection[str], *, before: str, depth: int, most: int
    ) -> dict[str, list[tuple[int | None, float]]]:
        """Return `(rows, seconds)` of each stage in the runs before one that really ran it.

        Newest first, at most `most` of each, from at most `depth` runs of the same pipeline file.
        """
        found: dict[str, list[tuple[int | None, float]]] = {name: [] for name in stages}
        wanted = set(stages)
        ids = [known for known in self.ids() if known < before][-depth:]
        file = _read_header(self._store.runs, before).get("file")
        for run_id in reversed(ids):
            if not wanted or _read_header(self._store.runs, run_id).get("file") != file:
                continue
            data = (self._store.runs / f"{run_id}.jsonl").read_bytes()
            for text in _lines_with(RAN, data):
                line = unseal(domain(run_id), text)
                if line and line.get("stage") in wanted and line["status"] == "ran":
                    measured = found[line["stage"]]
                    measured.append((line.get("rows"), line["seconds"]))
                    if len(measured) == most:
                        wanted.remove(line["stage"])
        return found


RAN = b'"status":"ran"'


def _lines_with(text: bytes, data: bytes) -> Iterator[bytes]:
    """Yield the lines that hold a text; the others, which are most, are not even split."""
    at = data.find(text)
    while at >= 0:
        end = data.find(b"\n", at) + 1 or len(data)
        yield data[data.rfind(b"\n", 0, at) + 1 : end]
        at = data.find(text, end)


def _read_header(folder: Path, run_id: str) -> Mapping[str, Any]:
    try:
        with (folder / f"{run_id}.jsonl").open("rb") as file:
            return unseal(domain(run_id), file.readline()) or {}
    except FileNotFoundError:
        return {}


def _parse(run_id: str, path: Path) -> Run:
    texts = path.read_bytes().splitlines(keepends=True)
    sealed = (unseal(domain(run_id), text) for text in texts)
    lines = [line for line in sealed if line is not None]
    header = next((line for line in lines if "run_id" in line), {})
    end: Mapping[str, Any] = next(
        (line for line in lines if "stage" not in line and "run_id" not in line), {}
    )
    return Run(
        run_id=run_id,
        header={**header, **end},
        stages={line["stage"]: line for line in lines if "stage" in line},
        status=end.get("status", "interrupted"),
        seconds=end.get("seconds"),
    )
