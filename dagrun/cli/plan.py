"""`dagrun plan`: what a run would do."""

from __future__ import annotations

from collections.abc import Mapping

from dagrun.cli.documents import plan_document, show_document
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
    as_json: bool,
) -> int:
    """Show the plan. Raises `DefinitionError` or `StoreError`."""
    workspace = Workspace.open(pipeline)
    selection = workspace.select(targets=targets, params=params, seed=seed, force=force)
    prepared, decided = workspace.plan(selection)
    for warning in prepared.warnings:
        tell_warning(warning)
    forecast = workspace.forecast(prepared, decided)
    if as_json:
        show_document(plan_document(decided, forecast))
    else:
        for line in plan_lines(decided, forecast):
            show(line)
    return 0
