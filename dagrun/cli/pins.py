"""`dagrun pin` and `dagrun unpin`: keeping results from being collected."""

from __future__ import annotations

from typing import Any

import dagrun.engine.upkeep.pins as kept
from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store
from dagrun.ui.columns import aligned
from dagrun.ui.quantities import ago, counted
from dagrun.ui.terminal import show


def pin(*, name: str | None, pipeline: str | None, reason: str, as_json: bool) -> int:
    """Pin `name`, or list the pins. Raises `NoStore`, `NothingToPin` or `StoreError`."""
    store = open_store(pipeline)
    found: tuple[kept.Pin, ...]
    if name is not None:
        found = (kept.pin(store, name, reason=reason),)
        lines = [f"pinned {found[0].name}: gc keeps {counted(len(found[0].keys), 'result')}"]
    else:
        found = kept.pins(store)
        lines = aligned([_row(each) for each in found])
        lines = lines or ["nothing is pinned; pin a run or a stage with: dagrun pin RUN|STAGE"]
    if as_json:
        show_document({"pins": [_document(each) for each in found]})
        return 0
    for line in lines:
        show(line)
    return 0


def unpin(*, name: str, pipeline: str | None, reason: str) -> int:
    """Remove a pin. Raises `NoStore`, `NotPinned` or `StoreError`."""
    found = kept.unpin(open_store(pipeline), name, reason=reason)
    show(f"unpinned {found.name}: gc may remove its results again")
    return 0


def _row(each: kept.Pin) -> list[str]:
    state = each.state
    when = f"{ago(state.at)} by {state.by}"
    return [each.name, counted(len(each.keys), "result"), when, state.reason]


def _document(each: kept.Pin) -> dict[str, Any]:
    state = each.state
    facts = {"at": state.at, "by": state.by, "reason": state.reason}
    return {"name": each.name, "keys": list(each.keys), **facts}
