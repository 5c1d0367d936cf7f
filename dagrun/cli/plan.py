"""`dagrun plan`: what a run would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagrun.cli.documents import plan_document, show_document
from dagrun.cli.leaving import leave_plan
from dagrun.engine.receipts.evidence import Witness
from dagrun.engine.workspace import Workspace
from dagrun.ui.decisions import plan_lines
from dagrun.ui.terminal import show, tell_warning


def plan(
    *,
    pipeline: str | None,
    targets: tuple[str, ...],
    params: Mapping[str, str],
    seed: int,
    force: tuple[str, ...],
    data: str | None,
    as_json: bool,
    words: Sequence[str],
) -> int:
    """Show the plan. Raises `DefinitionError` or `StoreError`.

    `words` are the command line, under which a receipt is left.
    """
    witness = Witness(words, pipeline)
    workspace = Workspace.open(pipeline)
    chosen: dict[str, Any] = {"targets": targets, "params": params, "data": data}
    selection = workspace.select(seed=seed, force=force, **chosen)
    prepared, decided = workspace.plan(selection, witness)
    for warning in prepared.warnings:
        tell_warning(warning)
    forecast = workspace.forecast(prepared, decided)
    if as_json:
        show_document(plan_document(decided, forecast))
    else:
        for line in plan_lines(decided, forecast):
            show(line)
    leave_plan(witness, words, workspace, decided, forecast, as_json=as_json)
    return 0
