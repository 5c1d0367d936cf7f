"""Reproducing: an artifact made again from its lineage, in a scratch store, and compared.

Guarantee: nothing in the project or its store is changed. Every stage that led to the artifact is
executed, with the params and seed that its entry records, on what the stages before it have just
made; what comes out is compared by logical digest with what was recorded. A stage whose raw data
is no longer what it read is not executed but taken from the store, by its digest, and named so.

The limits are those of `recorded`. Other code, libraries or Python than were recorded are told and
used all the same: digests that are equal in spite of them are equal. Effects are never executed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dagrun.engine.checks.differences import compare_outputs
from dagrun.engine.checks.recorded import (
    Followed,
    files_read,
    follow,
    lineage_entries,
    run_behind,
)
from dagrun.engine.checks.scene import Scene, bring, scene_of_commit, scene_of_tree
from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.engine.events import Difference, Event, Output, StageResult
from dagrun.engine.explaining.explain import Cause
from dagrun.engine.history.hearing import Above
from dagrun.engine.history.runlog import Run, Runs
from dagrun.engine.project import Project
from dagrun.engine.running import RunSettings, carry_out
from dagrun.engine.store.durable import make_folder, temporary_path
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store
from dagrun.engine.store.survey import needs

Fate = Literal["identical", "differs", "taken", "failed", "not run"]


class SceneUnusable(DagrunError):
    """The project cannot be loaded, neither as it was nor as it is now."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "no state of the project has the stages to reproduce it from: " + "; ".join(problems)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """One stage that led to the artifact.

    Attributes:
        fate: `taken` from the store, or executed: what it made is identical, differs, or nothing.
        key: the recorded key.
        causes: how what determines the stage differs from what was recorded, but for its inputs.
        differences: where what it made differs.
        origin: it differs by itself: all of its inputs were identical.
        seconds: how long it took now; `recorded` how long it took then.
        error: of a stage that failed.
    """

    stage: str
    fate: Fate
    key: str
    causes: tuple[Cause, ...] = ()
    differences: tuple[Difference, ...] = ()
    origin: bool = False
    seconds: float = 0.0
    recorded: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What came of reproducing one artifact.

    Attributes:
        code_from: where the code came from: a commit, or the working tree.
        run: the run that made the artifact, if its log is kept.
        stages: in topological order.
        recorded: the artifact as it was recorded.
        made: the artifact as it came out now; None when it did not.
        scratch: the store that holds it, while the block lasts.
        seconds: how long it all took.
    """

    code_from: str
    run: Run | None
    stages: tuple[Rebuilt, ...]
    recorded: Output
    made: Output | None
    scratch: Store
    seconds: float

    @property
    def identical(self) -> bool:
        """Whether the artifact came out with the very digest that was recorded."""
        return self.made is not None and self.made.logical == self.recorded.logical


@contextmanager
def reproduced(
    project: Project,
    store: Store,
    key: str,
    output: str,
    *,
    emit: Callable[[Event], None],
    jobs: int | None = None,
    above: Above | None = None,
) -> Iterator[Reproduction]:
    """Make an output of the entry under `key` again; the scratch store lives as long as the block.

    Raises `LineageLost` or `SceneUnusable`.
    """
    started = time.perf_counter()
    entries = lineage_entries(store, key)
    target = next(iter(entries.values()))
    run = run_behind(Runs(store), key)
    folder = temporary_path(store.temporary)
    try:
        scene, followed = _set_up(project, store, entries, run, folder)
        prepared = followed.as_recorded(entries)
        scratch = Store.open(scene.project.root)
        for name in followed.taken:
            _lend(store, scratch, entries[name])
        result = carry_out(
            prepared,
            scratch,
            RunSettings(jobs=jobs, keep_going=True),
            overrides=followed.overrides,
            header={"pipeline": prepared.pipeline.name, "targets": [target.stage]},
            started=started,
            emit=emit,
            above=above,
        )
        results = {stage.name: stage for stage in result.stages}
        yield Reproduction(
            code_from=scene.origin,
            run=run,
            stages=tuple(_judged(followed, entries, results, store, scratch)),
            recorded=target.outputs[output],
            made=results[target.stage].outputs.get(output),
            scratch=scratch,
            seconds=time.perf_counter() - started,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _set_up(
    project: Project, store: Store, entries: Mapping[str, Entry], run: Run | None, folder: Path
) -> tuple[Scene, Followed]:
    """Lay out the scene whose code is nearest to what was recorded: the commit's, or today's."""
    header: Mapping[str, Any] = run.header if run else {}
    file = header.get("file") or project.pipeline.relative_to(project.root).as_posix()
    commit = str(header.get("commit") or "")
    problems: list[str] = []
    found: list[tuple[Scene, Followed]] = []
    for place in ("commit", "tree"):
        if place == "commit" and not commit:
            continue
        scene = (
            scene_of_commit(project, file, commit, folder / place)
            if place == "commit"
            else scene_of_tree(project, file, folder / place)
        )
        if scene is None:
            problems.append(f"commit {commit[:7]} is not in this repository")
            continue
        for entry in entries.values():
            bring(scene, project.root, files_read(entry))
        try:
            found.append((scene, follow(scene.project, store, entries)))
        except DefinitionError as error:
            problems.append(f"{scene.origin}: {error}")
        else:
            if not found[-1][1].other_code:
                return found[-1]
    if not found:
        raise SceneUnusable(problems)
    return min(found, key=lambda each: each[1].other_code)


def _lend(store: Store, scratch: Store, entry: Entry) -> None:
    """Let the scratch store have an entry and its blobs, which are linked where they can be."""
    for digest in needs(entry):
        source, target = store.blobs.path(digest), scratch.blobs.path(digest)
        make_folder(target.parent)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    target = scratch.entries.path(entry.key)
    make_folder(target.parent)
    shutil.copyfile(store.entries.path(entry.key), target)


def _judged(
    followed: Followed,
    entries: Mapping[str, Entry],
    results: Mapping[str, StageResult],
    store: Store,
    scratch: Store,
) -> Iterator[Rebuilt]:
    unlike: set[str] = set()
    for name in followed.prepared.order:
        result, entry = results[name], entries.get(name)
        if entry is None or result.status == "pruned":
            continue
        differences = [
            difference
            for output, was in entry.outputs.items()
            if output in result.outputs
            for difference in compare_outputs(output, store, was, scratch, result.outputs[output])
        ]
        stage = followed.prepared.recipes[name].stage
        origin = not unlike.intersection(stage.inputs)
        fate: Fate = "identical"
        if result.status in ("failed", "skipped", "halted"):
            fate = "failed" if result.status == "failed" else "not run"
        elif name in followed.taken and result.status == "hit":
            fate = "taken"
        elif differences:
            fate = "differs"
        if fate not in ("identical", "taken"):
            unlike |= set(stage.outputs)
        yield Rebuilt(
            stage=name,
            fate=fate,
            key=entry.key,
            causes=followed.causes.get(name, ()),
            differences=tuple(differences),
            origin=origin and fate in ("differs", "failed"),
            seconds=result.seconds,
            recorded=entry.seconds,
            error=result.error,
        )
