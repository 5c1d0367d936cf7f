"""The values of the training rows, computed as far as the fits of later steps ask for them.

Guarantee: a step is fitted on what its predecessors give the training rows, out of fold where
they use a target. Values that no fit reads are never computed, and those that fits read are let
go after the last of them, as is what was taken from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from dagrun.stages.features.plan import Result, make_plan, reached, value_frame
from dagrun.stages.features.step import Output, Step, column_name
from dagrun.stages.ops.op import Op
from dagrun.stages.ops.sample import Sample
from dagrun.stages.ops.training import Training


@dataclass(slots=True, kw_only=True)
class Fitting:
    """Steps, fitted one by one in order, over the training rows.

    Attributes:
        steps: by the number of their value; fitted as far as `fit` has come.
        known: values that are not to be computed: the inputs, and those out of fold.
    """

    steps: dict[int, Step]
    known: dict[int, pl.Series]
    _reads: Counter[int] = field(init=False)
    _samples: dict[int, Sample] = field(default_factory=dict)
    _folds: dict[int, Callable[[], pl.Series | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        learning = [step for step in self.steps.values() if _learns(step.op)]
        self._reads = Counter(value for step in learning for value in step.reads)

    def fit(self, value: int, targets: tuple[pl.Series, ...]) -> None:
        """Fit the step of a value, on the values of the steps before it."""
        step = self.steps[value]
        if not _learns(step.op):
            return
        samples = [self._sample(one) for one in step.reads]
        rows = Training(
            name=step.name,
            columns=tuple(sample.column for sample in samples),
            targets=targets,
            shared=samples[0],
        )
        op = step.op.fit(rows)
        self.steps[value] = replace(step, op=op)
        if type(op).out_of_fold is not Op.out_of_fold:
            self._folds[value] = lambda: op.out_of_fold(rows)
        self._reads.subtract(step.reads)
        for one in step.reads:
            if not self._reads[one]:
                self._samples.pop(one, None)

    def matrix(self, outputs: Sequence[Output]) -> pl.DataFrame:
        """Return the outputs of the training rows."""
        return self._collect(outputs)

    def _sample(self, value: int) -> Sample:
        if value not in self._samples:
            column = self.known.get(value)
            if column is None:
                step = self.steps[value]
                column = self._collect([_Value(value=value, whole=step.op.integer)]).to_series()
            self._samples[value] = Sample(column=column)
        return self._samples[value]

    def _collect(self, results: Sequence[Result]) -> pl.DataFrame:
        wanted = [result.value for result in results]
        while late := [v for v in reached(self.steps, self.known, wanted) if v in self._folds]:
            made = self._folds.pop(late[-1])()
            if made is not None:
                self.known[late[-1]] = made
        plan = make_plan(self.steps, self.known, results)
        return plan.over(value_frame(self.known).lazy()).collect(engine="in-memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """A value as its readers see it: whole numbers as Float64."""

    value: int
    whole: bool
    part: None = None

    def expression(self, value: pl.Expr) -> pl.Expr:
        return (value.cast(pl.Float64) if self.whole else value).alias(column_name(self.value))


def _learns(op: Op) -> bool:
    kind = type(op)
    return kind.fit is not Op.fit or kind.out_of_fold is not Op.out_of_fold
