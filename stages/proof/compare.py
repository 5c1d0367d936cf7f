"""One spec, one frame, every way to compute the features, compared as bits.

Guarantee: `compare` reports every value whose bits differ between the batch twin on all rows
(in memory) and each of the `WAYS`, in float32, which is what a model sees; for those `IN_DOUBLE`
also before that rounding, which hides most differences; a way that fails is a difference too.
The limit: it speaks of this frame, in this process.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from dagrun.engine.errors import DagrunError
from dagrun.stages.features import FeatureSpec
from dagrun.stages.proof.bits import Bits, Precision, batch_bits, unrounded
from dagrun.stages.proof.outcome import KEPT, Difference, Proof, combined
from dagrun.stages.proof.ways import (
    COMPUTED,
    FAILURES,
    IN_DOUBLE,
    SLAB,
    WAYS,
    Manner,
    Slabs,
    Way,
    WayFailed,
)


def compare(
    spec: FeatureSpec,
    frame: pl.DataFrame,
    *,
    ways: Iterable[Way] = WAYS,
    precisions: Iterable[Precision] = ("float32", "double"),
    seed: int = 0,
    alone: int = 32,
) -> Proof:
    """Compute the features of a frame in several ways and compare all bits.

    Args:
        spec: the fitted features.
        frame: raw rows, as `transform` takes them.
        ways: how to compute them anew.
        precisions: as what to compare them; in double only the ways `IN_DOUBLE`.
        seed: chooses parts, chunks and single rows.
        alone: how many rows the batch twin computes singly; all where the frame has no more.
            A spec whose `row_exact` is False has its row function called on as many.

    Raises:
        UnknownColumn, DtypeMismatch, BadValue: the frame is not one for this spec.
    """
    chosen = tuple(ways)
    parts = [
        _compare_as(precision, spec, frame, chosen, Manner(random.Random(seed), alone, precision))
        for precision in precisions
    ]
    return combined(parts, same_frame=True)


def _compare_as(
    precision: Precision,
    spec: FeatureSpec,
    frame: pl.DataFrame,
    ways: Sequence[Way],
    manner: Manner,
) -> Proof:
    made = Comparison(spec=spec, frame=frame, precision=precision)
    try:
        wanted = spec if precision == "float32" else unrounded(spec, frame)
        made.spec = wanted
        made.whole = wanted.transform(frame).select(wanted.names)
    except DagrunError:
        raise
    except FAILURES as error:
        made.fail("batch twin", f"{type(error).__name__}: {error}")
        return made.proof()
    for way in ways if wanted.outputs else ():
        if precision == "float32" or way in IN_DOUBLE:
            made.add(way, COMPUTED[way](wanted, frame, manner))
    return made.proof()


@dataclass(slots=True, kw_only=True)
class Comparison:
    """The batch twin's features of a frame, and the differences found so far.

    Attributes:
        spec, frame, precision: what is compared, as what.
        whole: the batch twin's features of all rows.
        small: their bits, once they were asked for and if they are few.
        compared, different, differences: see `Proof`.
    """

    spec: FeatureSpec
    frame: pl.DataFrame
    precision: Precision = "float32"
    whole: pl.DataFrame = field(default_factory=pl.DataFrame)
    small: Bits | None = None
    compared: dict[str, int] = field(default_factory=dict)
    different: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(self, way: str, found: Slabs) -> None:
        """Compare what a way computes, piece by piece; whatever it raises is a difference."""
        self.compared.setdefault(way, 0)
        try:
            for start, bits in found:
                expected = self._expected(start, len(bits))
                self.compared[way] += bits.size
                places = np.argwhere(expected != bits)
                self.different += len(places)
                for row, column in places[: max(0, KEPT - len(self.differences))].tolist():
                    pair = int(expected[row, column]), int(bits[row, column])
                    self._differ(way, start + row, self.spec.names[column], *pair)
        except WayFailed as failure:
            self.fail(way, failure.problem, failure.row)
        except FAILURES as error:
            self.fail(way, f"{type(error).__name__}: {error}")

    def fail(self, way: str, problem: str, row: int | None = None) -> None:
        """Count a way that failed."""
        self.different += 1
        columns = [column.name for column in self.spec.inputs]
        values = {} if row is None else self._values(row, columns)
        self.differences.append(Difference(way=way, row=row, values=values, problem=problem))

    def proof(self) -> Proof:
        """Return the outcome."""
        return Proof(
            frames=1,
            rows=len(self.frame),
            features=len(self.spec.names),
            compared=self.compared,
            different=self.different,
            differences=tuple(self.differences[:KEPT]),
        )

    def _expected(self, start: int, rows: int) -> Bits:
        if len(self.whole) > SLAB:
            return batch_bits(self.whole[start : start + rows], self.precision)
        if self.small is None:
            self.small = batch_bits(self.whole, self.precision)
        return self.small[start : start + rows]

    def _differ(self, way: str, row: int, feature: str, expected: int, found: int) -> None:
        self.differences.append(
            Difference(
                way=way,
                feature=feature,
                row=row,
                values=self._values(row, columns_read(self.spec, feature)),
                expected=expected,
                found=found,
                precision=self.precision,
            )
        )

    def _values(self, row: int, columns: list[str]) -> Mapping[str, object]:
        # Times as integers: Python has none beyond the year 9999, and Polars panics there.
        physical = pl.selectors.temporal().to_physical()
        return self.frame[row].select(columns).with_columns(physical).row(0, named=True)


def columns_read(spec: FeatureSpec, feature: str) -> list[str]:
    """Return the input columns from which a feature is computed, in the spec's order."""
    first = len(spec.inputs)
    wanted = {output.value for output in spec.outputs if output.name == feature}
    for place in reversed(range(len(spec.steps))):
        if first + place in wanted:
            wanted.update(spec.steps[place].reads)
    return [column.name for place, column in enumerate(spec.inputs) if place in wanted]
