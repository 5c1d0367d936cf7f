"""The gate: what a report must say before its model may be published.

    [auc]
    at_least = 0.65

    [log_loss]
    better_than_baseline_by = 0.01      # than every baseline of the report,
    baseline = "constant"               # or than this one

    [calibration_error]
    at_most = 0.05

The figures of a regression are gated in the same way:

    [mape]
    at_most = 0.15

    [worst_mape_by_grade]               # of the column's worst slice
    at_most = 0.25

Every condition is judged and told with its numbers, those that hold as well as those that do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.sources import Files
from dagrun.engine.stage import Verdict
from dagrun.stages import declaration
from dagrun.stages.declaration import DeclarationInvalid, check_table
from dagrun.stages.evaluate.metrics import Scores
from dagrun.stages.evaluate.regression import RegressionReport, RegressionScores
from dagrun.stages.evaluate.report import Report

_KEYS: dict[str, tuple[type, ...]] = {
    "at_least": (int, float),
    "at_most": (int, float),
    "better_than_baseline_by": (int, float),
    "baseline": (str,),
}
_COMPARABLE = tuple(field.name for field in (*fields(Scores), *fields(RegressionScores)))
_HIGHER_IS_BETTER = ("auc", "r2")


class NoSuchFigure(DefinitionError):
    """A gate asks for a metric or a baseline that the report does not have."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        self.what, self.name, self.known = what, name, tuple(known)
        super().__init__(
            f"the gates ask for {what} {name!r}, which the report does not have."
            f"{nearest(name, self.known)} It has: {listing(self.known)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The conditions on one metric; None means "no condition".

    Attributes:
        metric: a name of the report's `figures`.
        at_least: least value that passes; `at_most` the greatest.
        better_than_baseline_by: how far the metric must be ahead, in its own unit.
        baseline: the baseline meant; None means every one.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    better_than_baseline_by: float | None = None
    baseline: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """All conditions, in the file's order; see the module's text for the file."""

    gates: tuple[Gate, ...]

    @classmethod
    def read(cls, source: Files | Path | str) -> Gates:
        """Read the gates' file. Raises `DeclarationInvalid`."""
        file, text = declaration.read(source)
        return cls.parse(text, file)

    @classmethod
    def parse(cls, text: str, file: str = "gates") -> Gates:
        """Read the gates' text; `file` names it in errors. Raises `DeclarationInvalid`."""
        document = declaration.parse(text, file)
        if not document:
            raise DeclarationInvalid(file, "", "has no condition, so it would pass every model")
        return cls(gates=tuple(_gate(file, metric, found) for metric, found in document.items()))


def judge(report: Report | RegressionReport, gates: Gates) -> Verdict:
    """Hold a report against the gates; every condition becomes one reason.

    Raises `NoSuchFigure` when a gate asks for what the report does not have.
    """
    judged = [outcome for gate in gates.gates for outcome in _judge(report, gate)]
    return Verdict(
        passed=all(passed for passed, _ in judged),
        reasons=tuple(f"{'ok' if passed else 'NO'}: {reason}" for passed, reason in judged),
    )


def _judge(report: Report | RegressionReport, gate: Gate) -> Iterator[tuple[bool, str]]:
    figures = report.figures()
    if gate.metric not in figures:
        raise NoSuchFigure("metric", gate.metric, figures)
    value = figures[gate.metric]
    said = f"{gate.metric} is {value:.6g}"
    if gate.at_least is not None:
        yield value >= gate.at_least, f"{said}, wanted at least {gate.at_least:.6g}"
    if gate.at_most is not None:
        yield value <= gate.at_most, f"{said}, wanted at most {gate.at_most:.6g}"
    if gate.better_than_baseline_by is None:
        return
    names = [gate.baseline] if gate.baseline else list(report.baselines)
    for name in names:
        if name not in report.baselines:
            raise NoSuchFigure("baseline", name, report.baselines)
        naive = getattr(report.baselines[name], gate.metric)
        ahead = value - naive if gate.metric in _HIGHER_IS_BETTER else naive - value
        yield (
            ahead >= gate.better_than_baseline_by,
            f"{said}, baseline {name!r} has {naive:.6g}: better by {ahead:.6g}, "
            f"wanted by at least {gate.better_than_baseline_by:.6g}",
        )


def _gate(file: str, metric: str, found: Any) -> Gate:
    conditions = check_table(file, metric, found, _KEYS)
    if not conditions.keys() - {"baseline"}:
        known = "at_least, at_most or better_than_baseline_by"
        raise DeclarationInvalid(file, metric, f"has no condition; give {known}")
    if "better_than_baseline_by" in conditions and metric not in _COMPARABLE:
        problem = f"baselines have only {listing(_COMPARABLE)}.{nearest(metric, _COMPARABLE)}"
        raise DeclarationInvalid(file, metric, problem)
    if "baseline" in conditions and "better_than_baseline_by" not in conditions:
        raise DeclarationInvalid(file, metric, "baseline means nothing here without a margin")
    return Gate(metric=metric, **conditions)
