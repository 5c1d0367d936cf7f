"""What the linter reports: the op, the part, the rule it breaks, and the safe form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.stages.lint.rules import RULES

Place = Literal["batch", "row", "fit"]
"""Which twin of an op, or its fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One part of an op that is not parity-safe.

    Attributes:
        op: the op's name.
        place: the twin (or fit) that holds the part.
        part: the expression or call.
        rule: a name in `RULES`, which says why and what to write instead.
    """

    op: str
    place: Place
    part: str
    rule: str

    def __str__(self) -> str:
        rule = RULES[self.rule]
        return (
            f"{self.place}: {self.part}  [{self.rule}]\n"
            f"    why: {rule.why}\n"
            f"    instead: {rule.instead}"
        )


class NotParitySafe(DefinitionError):
    """An op holds forms that do not give equal bits in both twins and in every setting."""

    def __init__(self, feature: str, findings: Sequence[Finding]) -> None:
        self.feature, self.findings = feature, tuple(findings)
        op = self.findings[0].op
        whose = f"op {op!r}" if feature == op else f"op {op!r} of feature {feature!r}"
        shown = "\n  ".join(str(finding) for finding in self.findings)
        super().__init__(
            f"{whose} is not parity-safe:\n  {shown}\n"
            "Where a form is safe for a reason that cannot be seen here, say so in the class: "
            f'vouched = (("{self.findings[0].rule}", "the reason"),)'
        )


class VouchedUnknown(DefinitionError):
    """An op vouches for a rule that does not exist, or gives no reason."""

    def __init__(self, op: str, rule: str, known: Iterable[str]) -> None:
        self.op, self.rule, self.known = op, rule, tuple(known)
        problem = (
            "gives no reason"
            if rule in self.known
            else f"is no rule of the linter.{nearest(rule, self.known)} "
            f"Rules: {listing(self.known, 50)}"
        )
        super().__init__(f"op {op!r} vouches for {rule!r}, which {problem}")
