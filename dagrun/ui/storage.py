"""The store on the terminal: what is wrong with it, what goes, what takes up space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dagrun.engine.upkeep.findings import Checked, Finding
from dagrun.engine.upkeep.gc import Collected
from dagrun.engine.upkeep.repair import Recomputed
from dagrun.engine.upkeep.usage import Share, Usage
from dagrun.ui.columns import Cell, aligned, indented
from dagrun.ui.quantities import ago_seconds, counted, short, size
from dagrun.ui.terminal import paint

_MOST = 20


def checked_lines(first: Checked, left: Checked, *, repair: bool) -> list[str]:
    """Return each finding with what to do, or what was done, and the sum."""
    remaining = {(finding.kind, finding.path) for finding in left.findings}
    lines: list[str] = []
    for finding in first.findings:
        is_left = (finding.kind, finding.path) in remaining
        lines += _finding_lines(finding, repair=repair, is_left=is_left)
    looked = f"{counted(first.files, 'file')}, {size(first.size)}"
    damage = len(first.damage)
    litter = len(first.findings) - damage
    if not first.findings:
        return [f"{paint('the store is sound', 'good')}: {looked} checked"]
    summary = f"{looked} checked: {damage} damaged or missing, {litter} left over"
    if repair:
        kept = len(left.damage)
        word = paint(f"{kept} could not be repaired", "bad") if kept else paint("mended", "good")
        return [*lines, f"{summary}; {word}"]
    hint = "to mend it: dagrun fsck --repair" if damage else "to tidy up: dagrun fsck --repair"
    return [*lines, f"{summary}; {hint}"]


def _finding_lines(finding: Finding, *, repair: bool, is_left: bool) -> list[str]:
    role = paint(finding.kind, "bad" if finding.is_damage else "warn")
    of = f" (stage {finding.stage})" if finding.stage else ""
    needed = ""
    if finding.refs and finding.kind not in ("ref", "copy"):
        needed = f" (needed by {', '.join(finding.refs)})"
    state = "with --repair, "
    if repair:
        state = paint("left: ", "bad") if is_left else paint("done: ", "good")
    return [
        f"{role}  {finding.path}{of}{needed}",
        indented(finding.problem),
        indented(f"{state}{finding.advice}"),
    ]


def recomputed_lines(again: Recomputed) -> list[str]:
    """Return what was made again, and what could not be."""
    lines = []
    if again.restored:
        lines.append(f"made again: {counted(len(again.restored), 'result')}, with equal keys")
    for key, stage in again.misses.items():
        of = f" of stage {stage}" if stage else ""
        lines.append(
            f"not made again: result {short(key)}{of}; it came from other code, params or data "
            "than the pipeline has now. It is a miss: nothing will take it for present"
        )
    return lines


def collected_lines(collected: Collected, *, dry_run: bool, budget: int | None) -> list[str]:
    """Return what went (or would go), by stage, and what that frees."""
    lines: list[str] = []
    if collected.going:
        sizes: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        last: dict[str, int] = {}
        for each in collected.going:
            name = "(run logs)" if each.kind == "run log" else each.stage or "(nobody's)"
            sizes[name] += each.file.size
            counts[name] += each.kind == "entry"
            last[name] = max(last.get(name, 0), each.file.used)
        rows: list[list[Cell]] = [
            [
                name,
                counted(counts[name], "result") if counts[name] else "history",
                size(sizes[name]),
                f"last used {ago_seconds(last[name] / 1e9)}",
            ]
            for name in sorted(sizes, key=lambda name: -sizes[name])
        ]
        lines = aligned(rows, right={2})
    verb = "would free" if dry_run else "freed"
    files = counted(len(collected.going), "file")
    lines.append(f"{verb} {size(collected.freed)} in {files}; {size(collected.after)} stay")
    if budget is not None and collected.after > budget:
        lines.append(
            f"that is more than the budget of {size(budget)}: the rest is kept by runs, models, "
            "pins or the grace period (--keep-runs, --grace, dagrun pin)"
        )
    return lines


def usage_lines(usage: Usage) -> list[str]:
    """Return the store's size by stage and by kind."""
    lines = [paint("by stage", "bold"), *_share_lines(usage.stages)]
    lines += [paint("by kind", "bold"), *_share_lines(usage.kinds)]
    return [*lines, f"{size(usage.size)} in all; to make room: dagrun gc --dry-run"]


def _share_lines(shares: Sequence[Share]) -> list[str]:
    rows: list[list[Cell]] = [
        [each.name, counted(each.files, "file"), size(each.size)] for each in shares[:_MOST]
    ]
    if rest := shares[_MOST:]:
        files, total = sum(each.files for each in rest), sum(each.size for each in rest)
        rows.append([f"{len(rest)} more", counted(files, "file"), size(total)])
    return [f"  {line}" for line in aligned(rows, right={1, 2})]
