"""The values of the training rows, computed as far as the fits of later steps ask for them.

Guarantee: a step is fitted on what its predecessors give the training rows: out of fold or of
their past alone where a target is used, null where they are from before something was available.
Values that no fit reads are never computed, and those that fits read are let go after the last
of them, as is what was taken from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from dagrun.stages.features.knowledge import Clock, Knowledge, blanked, see
from dagrun.stages.features.plan import computed, make_plan, reached, value_frame
from dagrun.stages.features.step import Output, Step
from dagrun.stages.ops.op import Op
from dagrun.stages.ops.sample import Sample
from dagrun.stages.ops.timing import Timing
from dagrun.stages.ops.training import Training


@dataclass(slots=True, kw_only=True)
class Fitting:
    """Steps, fitted one by one in order, over the training rows.

    Attributes:
        steps: by the number of their value; fitted as far as `fit` has come.
        timings: what each step declares about time.
        known: values that are not to be computed: the inputs, and those made for training rows.
        clock: the time of the rows, if they have one.
    """

    steps: dict[int, Step]
    timings: Sequence[Timing]
    known: dict[int, pl.Series]
    clock: Clock | None
    _waiting: Counter[int] = field(default_factory=Counter)
    _samples: dict[int, Sample] = field(default_factory=dict)
    _special: dict[int, Callable[[], pl.Series | None]] = field(default_factory=dict)
    _early: dict[int, pl.Series] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for step, timing in zip(self.steps.values(), self.timings, strict=True):
            if _sees_rows(step.op, timing):
                self._waiting.update(step.reads)

    def fit(self, value: int, targets: Mapping[str, pl.Series]) -> None:
        """Fit the step of a value, on the values of the steps before it and on its targets."""
        step, timing = self.steps[value], self.timings[value - min(self.steps)]
        if not _sees_rows(step.op, timing):
            return
        samples = [self._sample(one) for one in step.reads]
        rows = Training(
            name=step.name,
            columns=tuple(sample.column for sample in samples),
            targets=tuple(targets.values()),
            shared=samples[0],
        )
        seen = see(self.clock, step.op, rows, tuple(targets), timing)
        self.steps[value] = replace(step, op=step.op.fit(seen.fit), as_of=seen.as_of)
        if seen.early is not None:
            self._early[value] = seen.early
        if timing.scheme == "past" or _holds_out(step.op) or seen.early is not None:
            self._special[value] = lambda: self._training_value(value, seen, timing)
        self._waiting.subtract(step.reads)
        for one in step.reads:
            if not self._waiting[one]:
                self._samples.pop(one, None)

    def matrix(self, outputs: Sequence[Output]) -> pl.DataFrame:
        """Return the outputs of the training rows."""
        self._settle([output.value for output in outputs])
        plan = make_plan(self.steps, self.known, outputs)
        matrix = plan.over(value_frame(self.known).lazy()).collect(engine="in-memory")
        early = {output.name: self._early.get(output.value) for output in outputs}
        return pl.DataFrame([blanked(column, early[column.name]) for column in matrix])

    def _training_value(self, value: int, seen: Knowledge, timing: Timing) -> pl.Series | None:
        """Return what the training rows get, where that is not what the batch twin gives."""
        op = self.steps[value].op
        special = op.past(seen.rows) if timing.scheme == "past" else op.out_of_fold(seen.rows)
        if special is None and not op.several and seen.early is not None:
            special = self._computed(value)
        return special if special is None else blanked(special, seen.early)

    def _sample(self, value: int) -> Sample:
        if value not in self._samples:
            known = self.known.get(value)
            self._samples[value] = Sample(column=self._computed(value) if known is None else known)
        return self._samples[value]

    def _computed(self, value: int) -> pl.Series:
        self._settle([value])
        return computed(self.steps, self.known, [value]).to_series()

    def _settle(self, wanted: Sequence[int]) -> None:
        """Make those values known that training rows get in their own way."""
        while own := [v for v in reached(self.steps, self.known, wanted) if v in self._special]:
            made = self._special.pop(own[0])()
            if made is not None:
                self.known[own[0]] = made


def _holds_out(op: Op) -> bool:
    return type(op).out_of_fold is not Op.out_of_fold


def _sees_rows(op: Op, timing: Timing) -> bool:
    """Whether a step has to see the training rows: most only compute."""
    learns = type(op).fit is not Op.fit or _holds_out(op)
    return learns or timing.scheme == "past" or timing.available_since is not None
