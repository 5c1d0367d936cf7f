"""Explaining: what differs between two preimages, down to the line, the value, the column.

The causes are data (`Cause`); wording for a terminal is elsewhere. They are exact: the keys of
two preimages differ if and only if `compare` finds a cause.
"""

from __future__ import annotations

import contextlib
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from dagrun.engine.errors import DamagedBlob
from dagrun.engine.events import Output
from dagrun.engine.explaining.changes import (
    FileChange,
    TableChange,
    compare_files,
    compare_tables,
    source_sizes,
)
from dagrun.engine.explaining.documentdiff import describe_documents
from dagrun.engine.explaining.reasons import in_one_line
from dagrun.engine.history.runlog import Runs
from dagrun.engine.keys import Recipe
from dagrun.engine.lists import describe_lists, is_list
from dagrun.engine.plan import Decision
from dagrun.engine.remote.remote import Remote
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store

Kind = Literal[
    "code", "param", "source", "input", "distribution", "setting", "python", "schema", "seed"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One difference between what a stage was and what it is.

    Attributes:
        kind: which part of the key differs.
        name: the symbol, param, input, distribution or setting.
        before, after: the two values as text; None where it did not or does not exist.
        table: for an input or a source that is a table, how it differs.
        files: for a source, the files that differ.
        diff: for code, the lines of a unified diff without its header.
        path: for code, the chain of symbols from the stage to this one.
    """

    kind: Kind
    name: str
    before: str | None = None
    after: str | None = None
    diff: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    table: TableChange | None = None
    files: tuple[FileChange, ...] = ()

    def __str__(self) -> str:
        """A few words, for one line of a plan."""
        return in_one_line([self])


class Explainer:
    """Words why a stage runs, from the store's history."""

    def __init__(self, store: Store, runs: Runs) -> None:
        self._store, self._runs = store, runs

    def reason_for(self, recipe: Recipe, decision: Decision) -> str:
        """Return why the decision is to run, in one line."""
        stage = recipe.stage
        if stage.effect:
            return "an effect runs every time"
        if not stage.cache:
            return f"never cached: {stage.reason}"
        last = self._runs.last_entry(stage.name)
        if last is None:
            return "first run"
        if decision.key == last.key:
            return "forced" if self._store.find(last.key) else "its artifact is damaged or gone"
        causes = self.causes(recipe, decision, last)
        return in_one_line(causes)

    def causes(self, recipe: Recipe, decision: Decision, last: Entry) -> tuple[Cause, ...]:
        """Return every difference between the stage now and its last entry.

        While inputs are unknown (`decision.preimage` is None) they are left out.
        """
        new: Mapping[str, Any] = decision.preimage or recipe.form
        old = last.preimage
        sizes = source_sizes(recipe.params) if old["params"] != new["params"] else {}
        causes = [
            *_compare_scalars(old, new),
            *self._compare_code(old["code"], new["code"], recipe, last),
            *map(
                partial(_as_tables, recipe, last),
                compare_params(old["params"], new["params"], last.sizes, sizes),
            ),
            *_compare_values("distribution", old["distributions"], new["distributions"]),
            *_compare_values("setting", old["settings"], new["settings"]),
        ]
        if "inputs" in new:
            causes += self._compare_inputs(old["inputs"], new["inputs"], last, decision.inputs)
        return tuple(causes)

    def _compare_code(
        self, old: Mapping[str, str], new: Mapping[str, str], recipe: Recipe, last: Entry
    ) -> list[Cause]:
        causes = []
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) == new.get(name):
                continue
            before, after = self._old_text(last, name), recipe.code.texts.get(name)
            diff = code_diff(before, after)
            path = tuple(recipe.code.paths.get(name, ()))
            cause = Cause(kind="code", name=name, before=before, after=after, diff=diff, path=path)
            causes.append(cause)
        # A changed symbol says more than one that came or went because of it.
        return sorted(causes, key=lambda cause: cause.before is None or cause.after is None)

    def _old_text(self, last: Entry, name: str) -> str | None:
        if name not in last.preimage["code"]:
            return None
        with contextlib.suppress(DamagedBlob):
            if (text := self._store.text(last, name)) is not None:
                return text
        return "(its text is no longer stored)"

    def _compare_inputs(
        self,
        old: Mapping[str, str],
        new: Mapping[str, str],
        last: Entry,
        inputs: Mapping[str, Output],
    ) -> list[Cause]:
        causes = []
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) == new.get(name):
                continue
            before = self._output(last.producers.get(name))
            after = inputs.get(name)
            text = "is gone" if name not in new else "is new" if name not in old else "changed"
            table = None
            if before and after and before.columns and after.columns:
                table = compare_tables(before, after)
                text = str(table)
            elif before and after and is_list(before) and is_list(after):
                text = describe_lists(before, after)
            elif before and after and before.blob is None and after.blob is None:
                text = f"changed: {describe_documents(before.inline, after.inline)}"
            causes.append(
                Cause(kind="input", name=name, before=old.get(name), after=text, table=table)
            )
        return causes

    def _output(self, producer: tuple[str, str] | None) -> Output | None:
        entry = self._store.entries.read(producer[0]) if producer else None
        return entry.outputs.get(producer[1]) if entry and producer else None


def code_diff(before: str | None, after: str | None) -> tuple[str, ...]:
    """Return the lines of a unified diff of two texts, without its headers."""
    old, new = (before or "").splitlines(), (after or "").splitlines()
    lines = list(difflib.unified_diff(old, new, lineterm="", n=1))
    return tuple(line for line in lines[2:] if not line.startswith("@@"))


def compare_params(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    old_sizes: Mapping[str, Mapping[str, int]],
    new_sizes: Mapping[str, Mapping[str, int]],
) -> list[Cause]:
    """Compare the params of two preimages by value, sources by their files and their sizes."""
    causes = []
    for cause in _compare_values("param", old, new):
        before, after = old.get(cause.name), new.get(cause.name)
        if not (_is_source(before) and _is_source(after)):
            causes.append(cause)
            continue
        known = old_sizes.get(cause.name, {}), new_sizes.get(cause.name, {})
        files = compare_files(before, after, *known)
        if not files:
            cause = replace(cause, before=_identity(before), after=_identity(after))
        causes.append(replace(cause, kind="source", files=files))
    return causes


def _as_tables(recipe: Recipe, last: Entry, cause: Cause) -> Cause:
    """Return a cause that is a source of one table with how the table changed."""
    was, now = last.snapshots.get(cause.name, {}), recipe.params.get(cause.name)
    if cause.kind != "source" or len(was) != 1 or not isinstance(now, Remote):
        return cause
    ((name, before),) = was.items()
    after = now.snapshot.files.get(name)
    if after is None or not (before.columns and after.columns):
        return cause
    table = compare_tables(before, after)
    return replace(cause, after=str(table), table=table, files=())


def _is_source(form: Any) -> bool:
    return isinstance(form, dict) and list(form) == ["$source"]


def _identity(form: Any) -> str:
    """Return what a source other than files was identified by, digests shortened."""
    identity = form["$source"][1]
    if isinstance(identity, dict) and all(isinstance(each, str) for each in identity.values()):
        return ", ".join(f"{name} {each[:12]}" for name, each in identity.items())
    return str(identity)


def _compare_scalars(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Cause]:
    kinds: tuple[Kind, ...] = ("schema", "python", "seed")
    return [
        Cause(kind=kind, name=kind, before=str(old.get(kind)), after=str(new.get(kind)))
        for kind in kinds
        if old.get(kind) != new.get(kind)
    ]


def _compare_values(kind: Kind, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Cause]:
    return [
        Cause(kind=kind, name=name, before=_show(old, name), after=_show(new, name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) or (name in old) != (name in new)
    ]


def _show(values: Mapping[str, Any], name: str) -> str | None:
    if name not in values:
        return None
    text = _text(values[name])
    return text if len(text) <= 200 else text[:200] + "..."


def _text(value: Any) -> str:
    if isinstance(value, dict) and list(value) == ["$float"]:
        number = value["$float"]
        return number if number == "nan" else repr(float.fromhex(number))
    if isinstance(value, dict) and list(value) == ["$tuple"]:
        value = value["$tuple"]
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 200 else text[:200] + "..."
