"""What `dagrun contract check` prints: a verdict, and the findings, gravest first."""

from __future__ import annotations

from dagrun.stages.validate.finding import Findings, Severity
from dagrun.ui.columns import indented
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import Role, paint

_ROLES: dict[Severity, Role] = {"stop": "bad", "quarantine": "warn", "warn": "warn", "note": "dim"}


def finding_lines(findings: Findings) -> list[str]:
    """Return the lines about one table."""
    verdict = paint("keeps its contract", "good")
    if not findings.passed:
        verdict = paint("breaks its contract", "bad")
    apart = f", {findings.bad_rows:,} of them set apart" if findings.bad_rows else ""
    lines = [f"{findings.table}  {counted(findings.rows, 'row')}{apart}: {verdict}"]
    for one in findings.all:
        word = paint(f"{one.severity:<10}", _ROLES[one.severity])
        lines.append(f"  {word} {indented(str(one), '             ').lstrip()}")
    return lines
