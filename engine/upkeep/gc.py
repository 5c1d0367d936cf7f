"""Collecting what nothing needs any more: entries, the blobs that only they needed, old run logs.

Kept are the results of each pipeline's last runs, what refs name (model versions, pins), and
whatever was written or used within the grace period or since the oldest run that is going on.
With a budget, of the rest only as much goes as is needed, what was used longest ago first.

Guarantee: a run, also one that starts meanwhile, never relies on something that is collected.
It touches an entry before it reads it, and writes or touches every blob that its entries will
need; the collector moves a file away, looks at its time, and moves it back when it was touched.
Killed at any instant, it leaves misses, nothing damaged. The limit: reading by other means than
a run (the interface in Python, a notebook) is protected by the grace period alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dagrun.engine.history.runlog import Run, Runs
from dagrun.engine.store.durable import fsync_folder, store_errors, temporary_path
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.locks import held, is_held
from dagrun.engine.store.store import RUN_LOCK, Store
from dagrun.engine.store.survey import StoredFile, Survey, needs, snapshot_blobs, survey
from dagrun.engine.upkeep.runlogs import old_logs, remove_logs

KEEP_RUNS = 10
GRACE = 86400.0
SEARCHED_RUNS = 1000
"""How many logs are read, newest first, to find each pipeline's last runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What to keep.

    Attributes:
        keep_runs: results of this many last runs of each pipeline and choice of targets.
        grace: seconds for which everything is kept after it was last used.
        budget: bytes that results may take; None removes all that are not kept.
        keep_logs: seconds for which run logs are kept; None keeps them for good.
    """

    keep_runs: int = KEEP_RUNS
    grace: float = GRACE
    budget: int | None = None
    keep_logs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """A file to be collected; `name` is a key, a blob digest or a run's id."""

    kind: Literal["entry", "replaced entry", "blob", "run log"]
    name: str
    file: StoredFile
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What goes (or went), and the bytes before and after it: of entries, blobs and these logs."""

    going: tuple[Going, ...]
    before: int
    after: int

    @property
    def freed(self) -> int:
        """Bytes that going files take."""
        return self.before - self.after


def collect(store: Store, policy: Policy, *, dry_run: bool = False) -> Collected:
    """Collect, or with `dry_run` only tell what would go. Raises `StoreUnusable`."""
    with held(store.locks, "gc"):
        now = _now(store)
        cutoff = min(now - int(policy.grace * 1e9), *_starts(store, now))
        found = survey(store)
        runs = list(last_runs(Runs(store).newest_first(), policy.keep_runs))
        marked = {key for _, keys in runs for key in keys} | found.pinned_keys.keys()
        marked |= {
            key
            for stored in found.entries
            if stored.entry and stored.key in marked
            for key in stored.entry.elements
        }
        going = choose(found, marked, cutoff, policy.budget)
        logs = []
        if policy.keep_logs is not None:
            limit = min(cutoff, now - int(policy.keep_logs * 1e9))
            found_logs = old_logs(store, {run_id for run_id, _ in runs}, limit)
            logs = [Going(kind="run log", name=run_id, file=file) for run_id, file in found_logs]
        if not dry_run:
            going = sweep(store, going, cutoff)
            remove_logs(each.file.path for each in logs)
        going = [*going, *logs]
    before = sum(stored.file.size for stored in found.entries)
    before += sum(file.size for file in found.blobs.values())
    before += sum(each.file.size for each in logs)
    after = before - sum(each.file.size for each in going)
    return Collected(going=tuple(going), before=before, after=after)


def _now(store: Store) -> int:
    """Return the time by the clock that stamps the store's files, in nanoseconds."""
    path = temporary_path(store.temporary)
    with store_errors(path):
        path.touch()
        now = path.stat().st_mtime_ns
        path.unlink()
    return now


def _starts(store: Store, now: int) -> Iterable[int]:
    """Yield `now`, and when each run that is going on has started."""
    yield now
    for path in store.locks.glob(f"{RUN_LOCK}*"):
        if (file := StoredFile.of(path)) and is_held(path):
            yield file.used


def last_runs(runs: Iterable[Run], count: int) -> Iterator[tuple[str, set[str]]]:
    """Yield the ids of the last `count` runs of each pipeline and its targets, with their keys."""
    seen: Counter[tuple[str, ...]] = Counter()
    for _, run in zip(range(SEARCHED_RUNS), runs, strict=False):
        what = (str(run.header.get("file")), *map(str, run.header.get("targets", ())))
        seen[what] += 1
        if seen[what] <= count:
            keys = {str(line["key"]) for line in run.stages.values() if line.get("key")}
            yield run.run_id, keys


def choose(found: Survey, marked: Collection[str], cutoff: int, budget: int | None) -> list[Going]:
    """Choose what goes: not marked, last used before `cutoff`, until the budget is met."""
    present = [stored for stored in found.entries if stored.is_present]
    users = Counter(blob for stored in present if stored.entry for blob in everything(stored.entry))
    old_blobs = {
        name: file
        for name, file in found.blobs.items()
        if file.used < cutoff and name not in found.pinned_blobs
    }
    going = [
        Going(kind="blob", name=name, file=file)
        for name, file in old_blobs.items()
        if not users[name]
    ]
    going += [
        Going(
            kind="replaced entry",
            name=stored.key,
            file=stored.file,
            stage=stored.entry.stage if stored.entry else "",
        )
        for stored in found.entries
        if not stored.is_present and stored.file.used < cutoff
    ]
    size = sum(stored.file.size for stored in found.entries)
    size += sum(file.size for file in found.blobs.values())
    size -= sum(each.file.size for each in going)
    for stored in sorted(present, key=lambda stored: (stored.file.used, stored.key)):
        if stored.key in marked or stored.file.used >= cutoff:
            continue
        if budget is not None and size <= budget:
            break
        stage = stored.entry.stage if stored.entry else ""
        with_it = [Going(kind="entry", name=stored.key, file=stored.file, stage=stage)]
        for blob in everything(stored.entry) if stored.entry else ():
            users[blob] -= 1
            if not users[blob] and blob in old_blobs:
                with_it.append(Going(kind="blob", name=blob, file=old_blobs[blob], stage=stage))
        size -= sum(each.file.size for each in with_it)
        going += with_it
    return going


def everything(entry: Entry) -> frozenset[str]:
    """Return every blob that an entry names, source texts and snapshots included."""
    return needs(entry) | snapshot_blobs(entry) | frozenset(entry.texts.values())


def sweep(store: Store, going: list[Going], cutoff: int) -> list[Going]:
    """Remove the chosen files, but for those used since `cutoff`; return what went."""
    entries = [each for each in going if each.kind != "blob" and _remove(store, each, cutoff)]
    for folder in {each.file.path.parent for each in entries}:
        fsync_folder(folder)
    # Entries may have come, or come back, since the choice was made.
    left = survey(store)
    needed = {
        blob
        for stored in left.entries
        if stored.entry
        for blob in everything(stored.entry)
        if stored.is_present
    }
    needed |= left.pinned_blobs.keys()
    blobs = [each for each in going if each.kind == "blob" and each.name not in needed]
    return entries + [each for each in blobs if _remove(store, each, cutoff)]


def _remove(store: Store, each: Going, cutoff: int) -> bool:
    """Remove a file unless it was touched meanwhile; tell whether it is gone."""
    path, aside = each.file.path, temporary_path(store.temporary)
    with store_errors(path):
        try:
            path.rename(aside)
        except FileNotFoundError:
            return True
        is_used = aside.stat().st_mtime_ns >= cutoff
        if is_used:
            _put_back(aside, path)
        aside.unlink()
    return not is_used


def _put_back(aside: Path, path: Path) -> None:
    try:
        os.link(aside, path)
    except FileExistsError:
        return  # written anew meanwhile
