"""Accepting an edit: an old result stands for a new key, because somebody says it may.

Guarantee: it is done only where nothing but code differs from the stage's last result, and only
when that result is whole. The old entry is never changed; the new one, and the ref
`accepted/<stage>` with its history, say who accepted it, when and why, and both code versions are
kept. The limit: whether the edit was cosmetic is a person's word; `run --verify` puts it to the
test.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dagrun.engine.errors import DagrunError, DamagedBlob
from dagrun.engine.explaining.explain import Cause, Explainer, code_diff
from dagrun.engine.explaining.reasons import in_one_line
from dagrun.engine.history.runlog import Runs
from dagrun.engine.plan import Plan
from dagrun.engine.prepare import Prepared
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store

BEFORE = "before "
"""Opens the names under which an accepted entry keeps the texts of the code it replaces."""


class NotAcceptable(DagrunError):
    """An edit cannot be accepted: more than code differs, or there is nothing to stand for it."""

    def __init__(self, stage: str, problem: str, advice: str) -> None:
        self.stage, self.problem = stage, problem
        super().__init__(f"stage {stage!r} cannot be accepted: {problem}. {advice}")


def accept(
    prepared: Prepared, plan: Plan, store: Store, runs: Runs, name: str, reason: str
) -> Entry:
    """Let a stage's last result stand for its present key; return the new entry.

    Raises `NotAcceptable`, with the causes that stand against it.
    """
    recipe, decision = prepared.recipes[name], plan.decisions[name]
    last = _check(prepared, plan, store, runs, name)
    causes = Explainer(store, runs).causes(recipe, decision, last)
    others = [cause for cause in causes if cause.kind != "code"]
    if others:
        advice = f"See: dagrun why {name}; to compute it: dagrun run"
        raise NotAcceptable(name, f"more than code differs ({in_one_line(others)})", advice)
    assert decision.key is not None
    assert decision.preimage is not None
    old, new = last.preimage["code"], recipe.code.symbols
    changed = sorted(each for each in old.keys() | new.keys() if old.get(each) != new.get(each))
    value = {"key": decision.key, "stands": last.key, "change": in_one_line(causes)}
    ref = store.refs.update(f"accepted/{name}", value, reason=reason)
    record: dict[str, Any] = {
        "by": ref.by,
        "at": ref.at,
        "reason": reason,
        "stands": last.key,
        "change": value["change"],
        "code": {each: [old.get(each), new.get(each)] for each in changed},
    }
    texts = dict(recipe.code.texts)
    before = {each: _text(store, last, each) for each in changed}
    texts |= {BEFORE + each: text for each, text in before.items() if text is not None}
    entry = replace(last, key=decision.key, preimage=decision.preimage, accepted=record)
    with store.lock(decision.key) as claim:
        return store.commit(claim, entry, texts)


def _check(prepared: Prepared, plan: Plan, store: Store, runs: Runs, name: str) -> Entry:
    """Return the result that is to stand. Raises `NotAcceptable`."""
    stage, decision = prepared.recipes[name].stage, plan.decisions[name]
    if stage.effect or not stage.cache:
        raise NotAcceptable(name, "nothing of it is kept", "It runs every time")
    if decision.action == "unknown":
        above = [
            before
            for before in prepared.graph.upstream(name)
            if plan.decisions[before].action != "hit"
        ]
        problem = f"its inputs are not known before {', '.join(above)} has run"
        raise NotAcceptable(name, problem, "Run or accept what is above it first")
    if decision.action == "hit":
        raise NotAcceptable(name, "it would hit anyway", f"See: dagrun why {name}")
    last = runs.last_entry(name)
    if last is None:
        raise NotAcceptable(name, "it has never run here", "Run it: dagrun run")
    if store.find(last.key) is None:
        problem = "its last result is damaged or gone"
        raise NotAcceptable(name, problem, "Run it: dagrun run")
    if name in prepared.forced or last.key == decision.key:
        raise NotAcceptable(name, "it is forced to run", "Leave out --force")
    return last


def _text(store: Store, entry: Entry, symbol: str) -> str | None:
    try:
        return store.text(entry, symbol)
    except DamagedBlob:
        return "(its text is no longer stored)"


def accepted_changes(store: Store, entry: Entry | None) -> tuple[Cause, ...]:
    """Return the edits that were accepted, as `why` would have told them."""
    if entry is None or not entry.accepted:
        return ()
    causes = []
    for name in entry.accepted["code"]:
        before, after = (_text(store, entry, each) for each in (BEFORE + name, name))
        diff = code_diff(before, after)
        causes.append(Cause(kind="code", name=name, before=before, after=after, diff=diff))
    return tuple(causes)


def tell_accepted(entry: Entry | None) -> str:
    """Return `accepted by ada on 2026-11-21: renamed a variable`, or "" for a computed entry."""
    if entry is None or not entry.accepted:
        return ""
    record = entry.accepted
    return f"accepted by {record['by']} on {record['at'][:10]}: {record['reason']}"
