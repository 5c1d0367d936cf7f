"""What `dagrun spec check` prints: a line per feature, why it was refused, how it differs."""

from __future__ import annotations

from collections.abc import Sequence

from dagrun.stages.proof.checking import Checked, Verdict
from dagrun.ui.columns import indented
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import Role, paint

_SHOWN = 3
_ROLES: dict[Verdict, Role] = {"proved": "good", "refused": "bad", "differs": "bad"}


def header(label: str) -> str:
    """Return the line above what is checked."""
    return paint(label, "bold")


def checked_lines(checked: Sequence[Checked]) -> list[str]:
    """Return the lines about each feature."""
    return [line for one in checked for line in _lines(one)]


def _lines(checked: Checked) -> list[str]:
    ops = ", ".join(checked.ops[:6]) + (", ..." if len(checked.ops) > 6 else "")
    word = paint(f"{checked.verdict:<8}", _ROLES[checked.verdict])
    head = f"  {word} {checked.name}  {ops}"
    proof = checked.proof
    if proof is None:
        lines = [head]
        lines += [indented(str(finding), "    ") for finding in checked.findings]
        return lines + ([indented(checked.problem, "    ")] if checked.problem else [])
    rows = f"{counted(proof.rows, 'row')} in {counted(proof.frames, 'frame')}"
    if not proof.different:
        values = counted(sum(proof.compared.values()), "value")
        ways = counted(len(proof.compared), "way")
        return [f"{head}  {rows}, {values} in {ways}: 0 bits differ  {checked.seconds:.2f} s"]
    lines = [f"{head}  {checked.seconds:.2f} s"]
    lines.append(f"    {proof.different:,} of the values of the smallest example found differ")
    return lines + [indented(str(one), "    ") for one in proof.differences[:_SHOWN]]


def unchecked_line(place: str) -> str:
    """Return the line about an op of the project that was not checked."""
    return (
        f"  {paint('skipped ', 'weak')} {place}  no feature set that was found uses it; "
        "name one with its settings: dagrun spec check MODULE:NAME"
    )
