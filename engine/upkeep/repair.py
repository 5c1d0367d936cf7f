"""Repairing a store: what is damaged becomes a miss, and is made again where that can be.

Guarantee: after `mend` nothing damaged can be taken for intact. Nothing is removed that holds
the only copy of something: a ref is restored from its copy or left, a damaged blob that a ref
needs is put aside, files that are not the store's are left alone. `recompute` runs just the stages
whose present keys were lost. The limit: what older code or other params made is not made again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dagrun.engine.canonical import digest_bytes
from dagrun.engine.errors import DamagedBlob
from dagrun.engine.events import Event, RunResult
from dagrun.engine.history.runids import log_domain, owner
from dagrun.engine.running import RunSettings
from dagrun.engine.store.durable import remove, store_errors, write_whole
from dagrun.engine.store.locks import is_held, remove_abandoned
from dagrun.engine.store.refs import parse_ref
from dagrun.engine.store.sealed import unseal
from dagrun.engine.store.store import RUN_LOCK, Store
from dagrun.engine.upkeep.findings import Finding
from dagrun.engine.upkeep.fsck import ASIDE
from dagrun.engine.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """What the pipeline could bring back.

    Attributes:
        runs: the runs that were needed, in order; the last one tells of a failure.
        restored: keys that are hits again.
        misses: keys that are not, each with the stage it belonged to ("" when unknown).
    """

    runs: tuple[RunResult, ...]
    restored: tuple[str, ...]
    misses: dict[str, str]

    @property
    def has_failed(self) -> bool:
        """Whether a stage failed, or the run was interrupted, when it was made again."""
        return any(run.status in ("failed", "interrupted") for run in self.runs)


def mend(store: Store, findings: Iterable[Finding]) -> None:
    """Do to each finding what its advice says, but for recomputing. Raises `StoreUnusable`."""
    actions: dict[str, Callable[[Store, Finding, Path], None]] = {
        "marker": lambda store, _finding, _path: store.make(),
        "ignore": lambda store, _finding, _path: store.make(),
        "folder": lambda store, _finding, _path: store.make(),
        "entry": _remove_entry,
        "old entry": _remove,
        "blob": _remove_blob,
        "lost blob": _retire_entries,
        "ref": _restore_ref,
        "copy": _copy_ref,
        "run log": _trim_run_log,
        "shortcut": _remove,
        "temporary": _remove,
        "lock": _remove_lock,
    }
    findings = list(findings)
    if any(finding.kind == "other version" for finding in findings):
        # What the marker said was perhaps another version too.
        findings = [finding for finding in findings if finding.kind != "marker"]
    for finding in findings:
        path = store.folder / finding.path
        with store_errors(path):
            if action := actions.get(finding.kind):
                action(store, finding, path)


def _remove(_store: Store, _finding: Finding, path: Path) -> None:
    remove(path)


def _remove_lock(_store: Store, _finding: Finding, path: Path) -> None:
    remove_abandoned(path.parent)


def _remove_entry(store: Store, finding: Finding, path: Path) -> None:
    (key,) = finding.keys
    with store.lock(key):
        # Unless a run has replaced it meanwhile; one in the wrong folder is nobody's.
        if path != store.entries.path(key) or store.find(key) is None:
            path.unlink(missing_ok=True)


def _retire_entries(store: Store, finding: Finding, _path: Path) -> None:
    for key in finding.keys:
        with store.lock(key):
            if store.entries.read(key) is not None and store.find(key) is None:
                store.entries.retire(key)


def _remove_blob(store: Store, finding: Finding, path: Path) -> None:
    if finding.refs:
        aside = store.folder / ASIDE
        aside.mkdir(exist_ok=True)
        path.replace(aside / path.name)
    else:
        path.unlink(missing_ok=True)
    _retire_entries(store, finding, path)


def _restore_ref(store: Store, finding: Finding, path: Path) -> None:
    _rewrite_ref(store, finding, path)


def _copy_ref(store: Store, finding: Finding, _path: Path) -> None:
    _rewrite_ref(store, finding, store.refs.paths(finding.refs[0])[1])


def _rewrite_ref(store: Store, finding: Finding, bad: Path) -> None:
    (name,) = finding.refs
    with store.refs.lock(name):
        for path in store.refs.paths(name):
            if path != bad and path.is_file() and (states := parse_ref(name, path.read_bytes())):
                store.refs.write(name, states)


def _trim_run_log(store: Store, _finding: Finding, path: Path) -> None:
    if is_held(store.locks / (RUN_LOCK + owner(path))):
        return
    lines = path.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines if unseal(log_domain(path), line) is not None]
    if whole:
        write_whole(path, b"".join(whole), store.temporary)
    else:
        path.unlink()


def recompute(
    workspace: Workspace,
    lost: Iterable[str],
    settings: RunSettings,
    emit: Callable[[Event], None],
) -> Recomputed:
    """Run the stages whose present keys are among the lost ones, until none is left.

    Raises `DefinitionError` or `StoreError`.
    """
    wanted = set(lost)
    runs: list[RunResult] = []
    store, selection = workspace.store, workspace.select()
    while True:
        prepared, plan = workspace.plan(selection)
        _store_texts(store, (recipe.code.texts for recipe in prepared.recipes.values()))
        found = {
            stage.name: stage.key
            for stage in plan.stages
            if stage.key in wanted and stage.action == "run" and not stage.effect
        }
        tried = {stage.key for run in runs for stage in run.stages if stage.status != "skipped"}
        targets = tuple(name for name, key in found.items() if key not in tried)
        if not targets:
            break
        runs.append(workspace.run(workspace.select(targets=targets), settings, emit))
        if runs[-1].status in ("failed", "interrupted"):
            break
    _forget_aside(store)
    restored = tuple(sorted(key for key in wanted if store.find(key) is not None))
    named = _stages_by_key(workspace)
    misses = {key: named.get(key, "") for key in sorted(wanted.difference(restored))}
    return Recomputed(runs=tuple(runs), restored=restored, misses=misses)


def _forget_aside(store: Store) -> None:
    """Remove damaged blobs that were put aside and are whole again in their place."""
    for path in (store.folder / ASIDE).glob("*"):
        with contextlib.suppress(DamagedBlob):
            store.blobs.verified(path.name)
            path.unlink()


def _store_texts(store: Store, texts: Iterable[object]) -> None:
    """Store the source texts again that entries name and that are lost."""
    current = {
        digest_bytes(text.encode()): text.encode()
        for each in texts
        if isinstance(each, dict)
        for text in each.values()
    }
    named = {
        blob
        for key in store.entries.keys()  # noqa: SIM118 - not a mapping
        if (entry := store.entries.read(key))
        for blob in entry.texts.values()
    }
    for blob in named & current.keys():
        store.blobs.put_bytes(current[blob])


def _stages_by_key(workspace: Workspace) -> dict[str, str]:
    return {
        str(line["key"]): name
        for run in workspace.runs.newest_first()
        for name, line in run.stages.items()
        if line.get("key")
    }
