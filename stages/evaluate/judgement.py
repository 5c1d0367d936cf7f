"""What the gates say of a model: a verdict with every number as data, not only as text.

Guarantee: a `Judgement` holds, for every condition of the gate file, what was wanted, what was
found, its interval and the parts it was found among, whether the condition holds or not. Its
logical digest leaves out what a clock measured (whether that passed counts), so that judging the
same model on the same rows again gives an equal artifact. Where it ends: an interval speaks of
other rows drawn like these, not of rows from another time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from dagrun.engine.codec import Dumped
from dagrun.engine.documents import DOCUMENT, document_digest, to_form
from dagrun.engine.stage import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of several things that a condition was held against: a slice, a group, a column.

    Attributes:
        name: the slice's value, the group, the column.
        rows: how many rows it has.
        value: what was found; None where it means nothing, as the AUC of one class.
        low, high: ends of its interval; None without one.
        judged: whether it counted; parts of few rows are told and not judged.
    """

    name: str
    rows: int
    value: float | None
    low: float | None = None
    high: float | None = None
    judged: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One condition, judged.

    Attributes:
        gate: where it stands in the gate file, as `auc` or `slices.carrier.auc`.
        condition: `at_least`, `at_most`, `better_than_baseline_by` or `worse_by_at_most`.
        wanted: the number it is held against.
        found: the number that was; of several parts the one nearest to refusal. None without any.
        low, high: ends of its interval; None without one.
        confident: whether the interval's end had to hold, not only the number.
        against: the baseline or champion it was compared with; "" for none.
        passed: whether the condition holds.
        reason: the same in words.
        measured: whether a clock had a part in it.
        parts: what `found` was chosen among; empty for a plain figure.
    """

    gate: str
    condition: str
    wanted: float
    found: float | None
    low: float | None = None
    high: float | None = None
    confident: bool = False
    against: str = ""
    passed: bool
    reason: str
    measured: bool = False
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement(Verdict):
    """A verdict of the gate file; `subject` is the bundle's digest where a bundle was judged.

    Attributes:
        outcomes: every condition, in the file's order.
        rows: how many rows the intervals are of; 0 without any.
        level: share of resamples that an interval holds.
        resamples: how many there were; 0 without intervals.
        champion: digest of the bundle it was compared with; "" for none.
    """

    outcomes: tuple[Outcome, ...] = ()
    rows: int = 0
    level: float = 0.95
    resamples: int = 0
    champion: str = ""

    __dagrun_codec__: ClassVar[str] = "dagrun.stages.evaluate.judgement:JUDGEMENT"


class JudgementCodec:
    """Stores a `Judgement` as a document, identified by all but what a clock measured."""

    def dump(self, value: Judgement, path: Path) -> Dumped:
        """Write the whole document."""
        DOCUMENT.dump(value, path)
        steady = replace(value, reasons=(), outcomes=tuple(map(_steady, value.outcomes)))
        return Dumped(logical=document_digest(to_form(steady)))

    def load(self, path: Path, wanted: Any) -> Judgement:
        """Read the document. Raises `WrongType` and `UnknownVersion`."""
        found: Judgement = DOCUMENT.load(path, wanted)
        return found


def _steady(outcome: Outcome) -> Outcome:
    if not outcome.measured:
        return outcome
    return replace(outcome, found=None, low=None, high=None, reason="")


JUDGEMENT = JudgementCodec()
