"""What a check found: one broken rule each, and all of them together.

Guarantee: a finding is plain data, so it can be stored, compared and shown; two checks of equal
tables at different moments have equal logical digests, because the moment does not count. Where it
ends: examples are the first few rows, not a sample.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from dagrun.engine.codec import Dumped
from dagrun.engine.documents import DOCUMENT, document_digest, to_form
from dagrun.engine.errors import DagrunError
from dagrun.engine.stage import Verdict

Severity = Literal["note", "warn", "quarantine", "stop"]
"""`note`: it could not be judged, and why; `warn`: told; `quarantine`: the rows are set apart;
`stop`: the table may not be used."""

SEVERITIES = ("warn", "quarantine", "stop")
"""What a contract may ask for."""

EXAMPLES = 5
_PLAIN = (bool, int, float, str, dt.date)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule, or one that could not be judged.

    Attributes:
        table: the table's name.
        rule: the contract's key, such as `"min"` or `"unique"`.
        column: the column, several joined by commas, or "" for the table as a whole.
        severity: see `Severity`.
        expected: what the contract asks for; `actual` what was found.
        threshold: the number or value that was crossed, or None where there is none.
        time: the moment of the check, in UTC.
        count: number of offending rows (or columns), 0 for the table as a whole.
        examples: the first of them as `(row number from 0, value)`.
    """

    table: str
    rule: str
    column: str = ""
    severity: Severity = "stop"
    expected: str
    actual: str
    threshold: Any = None
    time: dt.datetime
    count: int = 0
    examples: tuple[tuple[int, Any], ...] = ()

    def __str__(self) -> str:
        of = f"column {self.column}: " if self.column else ""
        shown = ", ".join(f"{value!r} in row {row}" for row, value in self.examples)
        found = f", found {self.actual}" + (f" (such as {shown})" if shown else "")
        return f"{of}{self.rule}: expected {self.expected}{found}"


class ContractViolation(DagrunError):
    """A table breaks its contract."""

    def __init__(self, table: str, violations: Sequence[Finding]) -> None:
        self.table, self.violations = table, tuple(violations)
        rules = "rule" if len(violations) == 1 else "rules"
        listed = "".join(f"\n  {violation}" for violation in violations)
        super().__init__(
            f"table {table!r} breaks {len(violations)} {rules} of its contract:{listed}\n"
            "Mend the data, or change the contract if the data is right. Rows count from 0"
        )


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that one check of one table found, gravest first; an artifact of its own.

    Attributes:
        table: the table's name.
        rows: how many rows were checked; `bad_rows` how many of them were set apart.
        all: the findings.
    """

    table: str
    rows: int
    bad_rows: int = 0
    all: tuple[Finding, ...] = ()
    __dagrun_codec__ = "dagrun.stages.validate.finding:FINDINGS"

    def of(self, *severities: Severity) -> tuple[Finding, ...]:
        """Return the findings of these severities."""
        return tuple(finding for finding in self.all if finding.severity in severities)

    @property
    def passed(self) -> bool:
        """Whether nothing was found that stops the table."""
        return not self.of("stop")

    def verdict(self) -> Verdict:
        """Return what a gate stage says of the table: every finding is one of its reasons."""
        words = {"stop": "NO", "quarantine": "set apart", "warn": "warning", "note": "note"}
        reasons = [f"{words[one.severity]}: {self.table}: {one}" for one in self.all]
        return Verdict(
            passed=self.passed, reasons=tuple(reasons or [f"ok: {self.table}: {self.rows:,} rows"])
        )

    def __str__(self) -> str:
        apart = f", {self.bad_rows:,} set apart" if self.bad_rows else ""
        head = f"table {self.table!r}: {self.rows:,} rows{apart}, {len(self.all)} findings"
        return "\n".join([head, *(f"  {one.severity}: {one}" for one in self.all)])


def plain(value: Any) -> Any:
    """Return an example's value as a document can hold it."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value if value is None or isinstance(value, _PLAIN) else str(value)


class FindingsCodec:
    """Stores `Findings` as canonical JSON; the moments are kept, but not in the digest."""

    def dump(self, value: Findings, path: Path) -> Dumped:
        """Write the document."""
        DOCUMENT.dump(value, path)
        ever = dt.datetime.fromtimestamp(0, dt.UTC)
        timeless = replace(value, all=tuple(replace(one, time=ever) for one in value.all))
        return Dumped(logical=document_digest(to_form(timeless)))

    def load(self, path: Path, wanted: Any) -> Any:
        """Read the document. Raises `WrongType` and `UnknownVersion`."""
        return DOCUMENT.load(path, wanted)


FINDINGS = FindingsCodec()
