"""`dagrun fsck`: what is damaged in the store, and mending it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from dagrun.cli.documents import show_document
from dagrun.cli.opening import store_folder
from dagrun.engine.project import PipelineMissing
from dagrun.engine.running import RunSettings
from dagrun.engine.store.store import Store, check_format
from dagrun.engine.upkeep.findings import Checked, Finding
from dagrun.engine.upkeep.fsck import check
from dagrun.engine.upkeep.repair import Recomputed, mend, recompute
from dagrun.engine.workspace import Workspace
from dagrun.ui.progress import Progress
from dagrun.ui.storage import checked_lines, recomputed_lines
from dagrun.ui.terminal import show, tell_warning

DONE, FAILED, DAMAGED = 0, 1, 4


def fsck(*, pipeline: str | None, repair: bool, as_json: bool) -> int:
    """Check, and with `repair` mend; return the exit code. Raises `StoreError`."""
    store = Store(store_folder(pipeline))
    check_format(store)
    first = check(store)
    left, again = first, None
    if repair and first.findings:
        again = _repair(store, pipeline, first)
        left = check(store)
    if as_json:
        show_document(_document(first, left, again, repair))
    else:
        for line in checked_lines(first, left, repair=repair):
            show(line)
        for line in recomputed_lines(again) if again else ():
            show(line)
    if again and again.has_failed:
        return FAILED
    return DAMAGED if left.damage else DONE


def _repair(store: Store, pipeline: str | None, first: Checked) -> Recomputed | None:
    mend(store, first.findings)
    lost = {key for finding in first.findings for key in finding.keys}
    wanted = lost or _needs_pipeline(first.findings)
    if not wanted:
        return None
    try:
        workspace = Workspace.open(pipeline)
    except PipelineMissing as error:
        tell_warning(f"nothing was made again: {error}")
        return None
    with Progress(()) as progress:
        return recompute(workspace, lost, RunSettings(), progress)


def _needs_pipeline(findings: Iterable[Finding]) -> bool:
    """Whether something other than a key was lost that the pipeline's code may bring back."""
    return any(finding.refs or finding.kind in ("blob", "text") for finding in findings)


def _document(
    first: Checked, left: Checked, again: Recomputed | None, repair: bool
) -> dict[str, Any]:
    remaining = {(finding.kind, finding.path) for finding in left.findings}
    findings = [
        {
            **asdict(finding),
            "repaired": repair and (finding.kind, finding.path) not in remaining,
        }
        for finding in first.findings
    ]
    return {
        "files": first.files,
        "size": first.size,
        "findings": findings,
        "left": [asdict(finding) for finding in left.findings] if repair else None,
        "restored": list(again.restored) if again else [],
        "misses": again.misses if again else {},
    }
