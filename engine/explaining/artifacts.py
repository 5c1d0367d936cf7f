"""Naming artifacts: as they are now, as a run had them, by a key, or by a digest.

    model               what a run would find now, or else what the last run made
    last:model          as the last run had it; last~1 is the run before it, 7f3a any run
    v1:model            as the last run of a git revision had it: a tag, a branch, a commit
    9c41a07b            the result under a key that begins so (9c41a07b:train for one of several)
    5e07aa31            an artifact whose digest begins so

Guarantee: a name that could mean two things is refused with both; nothing is loaded. The limit: a
digest is searched for in the entries that are stored now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dagrun.engine.errors import DagrunError, DefinitionError, listing, nearest
from dagrun.engine.events import Output
from dagrun.engine.history.commits import read_run
from dagrun.engine.history.runlog import Run, UnknownRun
from dagrun.engine.store.entries import Entry
from dagrun.engine.workspace import NeverMade, Workspace

LEAST_DIGITS = 6
"""Digits that a beginning of a key or digest must have, to be taken for one."""
_HEXADECIMAL = re.compile(rf"[0-9a-f]{{{LEAST_DIGITS},64}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One artifact and the entry it is in; `label` says in words which one it is."""

    label: str
    name: str
    output: Output
    entry: Entry


class UnknownArtifact(DefinitionError):
    """A name leads to no artifact."""

    def __init__(self, text: str, problem: str, known: list[str]) -> None:
        self.text, self.known = text, tuple(known)
        super().__init__(
            f"{text!r} names no artifact: {problem}.{nearest(text.rpartition(':')[2], known)} "
            f"Artifacts: {listing(known)}. A name may be NAME, RUN:NAME (RUN is last, last~1, an "
            f"id from: dagrun runs list, or a git revision), or {LEAST_DIGITS} or more digits of a "
            "key or digest"
        )


class SeveralOutputs(DefinitionError):
    """A stage was named that has several outputs."""

    def __init__(self, text: str, names: list[str]) -> None:
        self.text, self.names = text, tuple(names)
        super().__init__(f"{text!r} has several outputs; name one of them: {listing(names)}")


class NothingEarlier(DagrunError):
    """There is no other state of an artifact to compare with."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"no earlier run has made another {name!r} than there is now. Name two states, such "
            f"as: dagrun diff last~1:{name} last:{name}"
        )


class Artifacts:
    """Finds the artifacts of one workspace by name."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._store, self._runs = workspace.store, workspace.runs
        stages = workspace.pipeline.stages.values()
        self._producers = {output: stage.name for stage in stages for output in stage.outputs}
        self._stages = {stage.name: stage for stage in stages}

    def find(self, text: str) -> Artifact:
        """Return the artifact that a name stands for.

        Raises `UnknownArtifact`, `NeverMade`, `SeveralOutputs` or `UnknownRun`.
        """
        head, colon, name = text.rpartition(":")
        if not colon:
            if name in self._producers or name in self._stages:
                return self._now(name)
            if _HEXADECIMAL.fullmatch(name):
                return self._by_digits(name)
            raise self._unknown(text, "nothing in the pipeline is called so")
        try:
            run = read_run(self._runs, head)
        except UnknownRun:
            if _HEXADECIMAL.fullmatch(head):
                return self._by_digits(head, name)
            raise
        return self._of_run(run, name)

    def last(self, text: str) -> Artifact:
        """Return what `find` does, but a mere name means what the last run made.

        Nothing is planned, so sources may have changed since.
        """
        if text not in self._producers and text not in self._stages:
            return self.find(text)
        stage = self._producers.get(text, text)
        return self._pick(self._made(stage), text, f"{text}, last made")

    def before(self, now: Artifact) -> Artifact:
        """Return the newest earlier state of an artifact with another digest.

        Raises `NothingEarlier`.
        """
        for run in self._runs.newest_first():
            line = run.stages.get(now.entry.stage)
            entry = self._store.entries.read(line["key"]) if line and line.get("key") else None
            output = entry.outputs.get(now.name) if entry else None
            if entry and output and output.logical != now.output.logical:
                label = f"{run.run_id.rpartition('-')[2]}:{now.name}"
                return Artifact(label=label, name=now.name, output=output, entry=entry)
        raise NothingEarlier(now.name)

    def _now(self, name: str) -> Artifact:
        stage = self._producers.get(name, name)
        _, plan = self._workspace.plan(self._workspace.select(targets=(stage,)))
        if entry := plan.decisions[stage].entry:
            return self._pick(entry, name, f"{name} now")
        return self.last(name)

    def _made(self, stage: str) -> Entry:
        entry = self._runs.last_entry(stage)
        if entry is None:
            raise NeverMade(stage, self._stages[stage].effect)
        return entry

    def _of_run(self, run: Run, name: str) -> Artifact:
        label = f"{run.run_id.rpartition('-')[2]}:{name}"
        made = {name: line["key"] for name, line in run.stages.items() if line.get("key")}
        stage = self._producers.get(name, name)
        keys = [made[stage]] if stage in made else list(made.values())
        for entry in filter(None, map(self._store.entries.read, keys)):
            if name in entry.outputs or name == entry.stage:
                return self._pick(entry, name, label)
        raise self._unknown(label, f"run {run.run_id} has no stored result of that name")

    def _by_digits(self, digits: str, name: str = "") -> Artifact:
        found: dict[str, Artifact] = {}
        for entry in self._entries():
            outputs = entry.outputs.items()
            if entry.key.startswith(digits):
                wanted = name or entry.stage
                artifact = self._pick(entry, wanted, f"{wanted} {digits}")
                found[artifact.output.logical] = artifact
                continue
            for output_name, output in outputs:
                digests = (output.logical, output.blob or "")
                if any(each.startswith(digits) for each in digests):
                    found[output.logical] = Artifact(
                        label=f"{output_name} {digits}",
                        name=output_name,
                        output=output,
                        entry=entry,
                    )
        if len(found) != 1:
            many = f"{len(found)} artifacts begin so; give more digits" if found else ""
            raise self._unknown(digits, many or "no key and no digest in the store begins so")
        return found.popitem()[1]

    def _entries(self) -> Iterator[Entry]:
        read = map(self._store.entries.read, self._store.entries.keys())
        return (entry for entry in read if entry)

    def _pick(self, entry: Entry, name: str, label: str) -> Artifact:
        if name not in entry.outputs:
            if len(entry.outputs) != 1:
                raise SeveralOutputs(label, sorted(entry.outputs))
            (name,) = entry.outputs
        return Artifact(label=label, name=name, output=entry.outputs[name], entry=entry)

    def _unknown(self, text: str, problem: str) -> UnknownArtifact:
        return UnknownArtifact(text, problem, sorted(self._producers))
