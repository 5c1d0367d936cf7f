"""Explaining: what differs between two preimages, down to the line, the value, the column.

The causes are data (`Cause`); wording for a terminal is elsewhere. They are exact: the keys of
two preimages differ if and only if `compare` finds a cause.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dagrun.engine.errors import DamagedBlob
from dagrun.engine.events import Output
from dagrun.engine.keys import Recipe
from dagrun.engine.lists import describe_lists, is_list
from dagrun.engine.plan import Decision
from dagrun.engine.runlog import Runs
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store

Kind = Literal["code", "param", "input", "distribution", "setting", "python", "schema", "seed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One difference between what a stage was and what it is.

    Attributes:
        kind: which part of the key differs.
        name: the symbol, param, input, distribution or setting.
        before, after: the two values as text; None where it did not or does not exist.
        diff: for code, the lines of a unified diff without its header.
        path: for code, the chain of symbols from the stage to this one.
    """

    kind: Kind
    name: str
    before: str | None = None
    after: str | None = None
    diff: tuple[str, ...] = ()
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A few words, for one line of a plan."""
        if self.kind == "code":
            verb = "changed" if self.before and self.after else "added" if self.after else "gone"
            return f"code: {self.name.partition(':')[2]} {verb}"
        if self.kind == "input":
            return f"input {self.name} {self.after or 'is gone'}"
        if self.before is None or self.after is None:
            return f"{self.kind} {self.name} {'added' if self.before is None else 'removed'}"
        return f"{self.kind} {self.name}: {self.before} -> {self.after}"


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
        more = f" (and {len(causes) - 2} more)" if len(causes) > 2 else ""
        return "; ".join(map(str, causes[:2])) + more

    def causes(self, recipe: Recipe, decision: Decision, last: Entry) -> tuple[Cause, ...]:
        """Return every difference between the stage now and its last entry.

        While inputs are unknown (`decision.preimage` is None) they are left out.
        """
        new: Mapping[str, Any] = decision.preimage or recipe.form
        old = last.preimage
        causes = [
            *_compare_scalars(old, new),
            *self._compare_code(old["code"], new["code"], recipe, last),
            *_compare_values("param", old["params"], new["params"]),
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
            lines = difflib.unified_diff(
                (before or "").splitlines(), (after or "").splitlines(), lineterm="", n=1
            )
            diff = tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))
            path = tuple(recipe.code.paths.get(name, ()))
            cause = Cause(kind="code", name=name, before=before, after=after, diff=diff, path=path)
            causes.append(cause)
        # A changed symbol says more than one that came or went because of it.
        return sorted(causes, key=lambda cause: cause.before is None or cause.after is None)

    def _old_text(self, last: Entry, name: str) -> str | None:
        if name not in last.preimage["code"]:
            return None
        try:
            return self._store.blobs.read(last.texts[name]).decode()
        except (KeyError, DamagedBlob):
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
            if before and after and before.columns and after.columns:
                text = describe_tables(before, after)
            elif before and after and is_list(before) and is_list(after):
                text = describe_lists(before, after)
            causes.append(Cause(kind="input", name=name, before=old.get(name), after=text))
        return causes

    def _output(self, producer: tuple[str, str] | None) -> Output | None:
        entry = self._store.entries.read(producer[0]) if producer else None
        return entry.outputs.get(producer[1]) if entry and producer else None


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
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def describe_tables(before: Output, after: Output) -> str:
    """Say how two tables differ, from their entries alone."""
    parts = []
    if before.rows != after.rows:
        parts.append(f"rows {before.rows:,} -> {after.rows:,}")
    old, new = before.columns, after.columns
    for verb, names in {
        "added": [name for name in new if name not in old],
        "gone": [name for name in old if name not in new],
        "changed": [name for name in new if name in old and tuple(old[name]) != tuple(new[name])],
    }.items():
        if names:
            more = f" and {len(names) - 6} more" if len(names) > 6 else ""
            parts.append(f"columns {verb}: {', '.join(names[:6])}{more}")
    return "; ".join(parts) or "changed in the order of its columns"
