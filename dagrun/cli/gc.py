"""`dagrun gc`: removing what nothing needs any more."""

from __future__ import annotations

from dataclasses import asdict

from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store
from dagrun.engine.upkeep.gc import Policy, collect
from dagrun.ui.storage import collected_lines
from dagrun.ui.terminal import show


def gc(
    *,
    pipeline: str | None,
    dry_run: bool,
    keep_runs: int,
    grace: float,
    budget: int | None,
    keep_logs: float | None,
    as_json: bool,
) -> int:
    """Collect and tell what went. Raises `NoStore` or `StoreError`."""
    policy = Policy(keep_runs=keep_runs, grace=grace, budget=budget, keep_logs=keep_logs)
    collected = collect(open_store(pipeline), policy, dry_run=dry_run)
    if as_json:
        going = [
            {"kind": each.kind, "name": each.name, "stage": each.stage, "size": each.file.size}
            for each in collected.going
        ]
        sizes = {"before": collected.before, "after": collected.after, "freed": collected.freed}
        show_document({"dry_run": dry_run, "policy": asdict(policy), "going": going, **sizes})
        return 0
    for line in collected_lines(collected, dry_run=dry_run, budget=budget):
        show(line)
    return 0
