"""A verification in words: what was executed again, and what did not come out the same."""

from __future__ import annotations

from collections.abc import Sequence

from dagrun.engine.events import Check, Difference, RunResult
from dagrun.ui.quantities import about, counted
from dagrun.ui.terminal import paint


def check_lines(check: Check) -> list[str]:
    """Return what is wrong with one stage, where, and what to do."""
    if check.error is not None:
        return [f"{paint('failed:', 'bad')} stage {check.name!r}, executed again", *_items(check)]
    return [f"{paint('differs:', 'bad')} stage {check.name!r} is not deterministic", *_items(check)]


def _items(check: Check) -> list[str]:
    if check.error is not None:
        return [f"  - {check.error}"]
    items = [f"  - {_place(found)}: {found.what}" for found in check.differences]
    return [*items, f"  {check.cause}"]


def _place(found: Difference) -> str:
    return found.output if found.column is None else f"{found.output}, {found.column}"


def verification_line(checks: Sequence[Check], hits: int) -> str:
    """Return `verified 4 of 5 hits in 1.2 s: 3 gave the stored data, 1 did not`."""
    if not hits:
        return "verified nothing: no stage hit; run again with --verify"
    same = sum(check.passed for check in checks)
    total = about(sum(check.seconds for check in checks))
    text = f"verified {len(checks)} of {counted(hits, 'hit')} in {total}: "
    if same == len(checks):
        return text + paint("all gave the stored data", "good")
    return text + f"{same} gave the stored data, {paint(f'{len(checks) - same} did not', 'bad')}"


def strict_line(result: RunResult) -> str:
    """Return which stages were watched for undeclared reads, and which were not."""
    every = (*result.stages, *result.effects)
    checked = {check.name for check in result.checks or ()}
    watched = [stage for stage in every if stage.status in ("ran", "failed")]
    hits = [stage.name for stage in every if stage.status == "hit" and stage.name not in checked]
    count = counted(len(watched) + len(checked), "stage")
    unseen = f"; {counted(len(hits), 'hit')} not executed, so not watched" if hits else ""
    advice = " (add --verify to execute them)" if hits else ""
    return f"strict: {count} watched{unseen}{advice}"
