"""The account of a run: its params, metrics, data and code versions, as plain values.

Guarantee: everything is what the entries of the run's stages record, hits included, so it holds for
old runs too. A metric is a number in a document that a stage returned, named by its place:
`report.scores.auc`; numbers in lists are none, nor are counts of true and false. The limits: of a
stage without an entry (an effect, a failure, what `gc` took) only its line in the log is known.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dagrun.engine.codec import DOCUMENT_CODEC
from dagrun.engine.errors import DamagedBlob
from dagrun.engine.events import Output
from dagrun.engine.explaining.documentdiff import readable_form
from dagrun.engine.history.lineage import Step, make_step
from dagrun.engine.history.runlog import Run
from dagrun.engine.store.store import Store

MOST_METRICS = 500
"""Of one artifact: a document with more numbers is data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of one run.

    Attributes:
        run: its log.
        steps: what the entries of its stages record, by stage.
        params: `stage.param` to the value, of params that are no sources.
        metrics: `artifact.place` to the number.
        data: `stage.param: name` of what sources read to its digest.
        code: stage to the digest over the code that it reached.
        libraries: distributions that the stages reached, and Python, with their versions.
    """

    run: Run
    steps: Mapping[str, Step]
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)


SECTIONS = ("params", "metrics", "data", "code", "libraries")


def account_of(store: Store, run: Run) -> Account:
    """Return the account of a run."""
    steps: dict[str, Step] = {}
    libraries: dict[str, str] = {}
    for name, line in run.stages.items():
        entry = store.entries.read(line["key"]) if line.get("key") else None
        if entry is not None and line["status"] in ("hit", "ran"):
            steps[name] = make_step(entry)
            libraries |= {"python": str(entry.preimage["python"]), **steps[name].distributions}
    return Account(
        run=run,
        steps=steps,
        params={
            f"{name}.{param}": readable_form(form)
            for name, step in steps.items()
            for param, form in step.params.items()
        },
        metrics={
            place: number
            for step in steps.values()
            for artifact, output in step.outputs.items()
            for place, number in metrics_of(store, artifact, output)
        },
        data={
            f"{name}.{use.param}: {file}": digest
            for name, step in steps.items()
            for use in step.sources
            for file, digest in use.files.items()
        },
        code={name: step.code for name, step in steps.items()},
        libraries=dict(sorted(libraries.items())),
    )


def metrics_of(store: Store, artifact: str, output: Output) -> list[tuple[str, float]]:
    """Return the numbers of a document by their places; none of another kind of artifact."""
    if output.codec != DOCUMENT_CODEC:
        return []
    form = output.inline
    if output.blob is not None:
        try:
            form = json.loads(store.blobs.read(output.blob))["document"]
        except DamagedBlob:
            return []
    found = list(_numbers(artifact, readable_form(form)))
    return found if len(found) <= MOST_METRICS else []


def _numbers(place: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # an integer beyond the doubles
            yield place, float(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _numbers(f"{place}.{name}", item)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value in two runs; None where a run does not have it."""

    section: str
    name: str
    before: Any
    after: Any

    @property
    def same(self) -> bool:
        """Whether it is the same in both."""
        return bool(self.before == self.after)


def compare_accounts(before: Account, after: Account) -> tuple[Change, ...]:
    """Pair all values of two runs, in the order of `SECTIONS` and then of the second run."""
    changes = []
    for section in SECTIONS:
        old, new = getattr(before, section), getattr(after, section)
        for name in dict.fromkeys((*new, *old)):
            values = {"before": old.get(name), "after": new.get(name)}
            changes.append(Change(section=section, name=name, **values))
    return tuple(changes)
