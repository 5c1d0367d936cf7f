"""What gates said of artifacts: kept in the store by the logical digest of what was judged.

Guarantee: what a gate says of a subject is kept from the moment it is said, with its numbers, in
the ref `verdicts/<subject>`, whose history has every other thing that was said of it; whoever
finds the artifact again, under whatever name, finds the verdict too. The newest one counts.
Where it ends: a verdict without a subject is in its gate's artifact only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dagrun.engine.canonical import Json
from dagrun.engine.documents import from_form, to_form
from dagrun.engine.errors import UnknownVersion
from dagrun.engine.stage import Verdict
from dagrun.engine.store.refs import Ref, Refs

VERDICT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A verdict as it is kept.

    Attributes:
        passed, reasons: as in `Verdict`.
        at, by: when it was kept, ISO 8601 in UTC, and by whom.
        said_in: the gate and run, or whatever else brought it.
        form: the whole verdict's JSON form; see `verdict`.
    """

    passed: bool
    reasons: tuple[str, ...]
    at: str
    by: str
    said_in: str
    form: Json

    @property
    def verdict(self) -> Verdict:
        """The verdict with all its numbers. Raises `DefinitionError` if its class is gone."""
        found: Verdict = from_form(self.form, Verdict)
        return found

    @property
    def refused(self) -> tuple[str, ...]:
        """The reasons that speak against the subject; all of them where none is marked."""
        against = tuple(reason for reason in self.reasons if reason.startswith("NO"))
        return () if self.passed else against or self.reasons


def keep_verdict(refs: Refs, verdict: Verdict, *, said_in: str, subject: str = "") -> None:
    """Keep a verdict of its subject, unless it is the one that was kept last.

    `subject` stands in for a verdict that names none; without either nothing is kept.
    """
    if subject and not verdict.subject:
        verdict = replace(verdict, subject=subject)
    if verdict.subject:
        keep_form(refs, verdict.subject, to_form(verdict), said_in=said_in)


def keep_form(refs: Refs, subject: str, form: Json, *, said_in: str) -> None:
    """Keep a verdict by its JSON form, of a subject of one's choice, as `keep_verdict` does."""
    value = {"version": VERDICT_VERSION, "verdict": form}
    newest = refs.read(_ref(subject))
    if newest is None or newest.value != value:
        refs.update(_ref(subject), value, reason=said_in)


def verdict_on(refs: Refs, subject: str) -> Said | None:
    """Return what was said last of a subject; None if nothing. Raises `UnknownVersion`."""
    newest = refs.read(_ref(subject))
    return _said(newest) if newest else None


def _said(ref: Ref) -> Said:
    if ref.value["version"] != VERDICT_VERSION:
        raise UnknownVersion("a verdict", ref.value["version"], VERDICT_VERSION)
    form: Any = ref.value["verdict"]
    # Read by place, not decoded: whoever only asks whether it passed needs no class of it.
    fields = form["$dataclass"][1]
    reasons: Any = fields["reasons"]
    return Said(
        passed=fields["passed"],
        reasons=tuple(reasons["$tuple"] if isinstance(reasons, dict) else reasons),
        at=ref.at,
        by=ref.by,
        said_in=ref.reason,
        form=form,
    )


def _ref(subject: str) -> str:
    return f"verdicts/{subject}"
