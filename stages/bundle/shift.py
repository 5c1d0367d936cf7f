"""How far one bundle's predictions are from another's on the same rows, and what may be too far.

Guarantee: every figure is computed on all rows given, by both bundles' batch paths, and is the
same for the same rows whatever the machine's threads. The limit: it is about these rows; whether
the new predictions are better needs labels (`dagrun.stages.evaluate`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from dagrun.engine.errors import DagrunError
from dagrun.engine.stage import Verdict
from dagrun.stages.bundle.bundle import Bundle
from dagrun.stages.bundle.golden_rows import GoldenRows, bits
from dagrun.stages.features import FeatureSpec
from dagrun.stages.features.column import admit
from dagrun.stages.features.plan import computed
from dagrun.stages.features.refresh import renewable_steps
from dagrun.stages.features.step import column_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftLimits:
    """What a refreshed bundle may do to predictions, as shares from 0 to 1.

    Attributes:
        mean_change: most that a probability may change, averaged over the rows; of a regression,
            the value, as a share of the mean absolute value before.
        flipped: greatest share of rows whose label may change.
        lost: greatest share of known keys that may be unseen afterwards.
    """

    mean_change: float = 0.02
    flipped: float = 0.05
    lost: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What another bundle's predictions do on some rows.

    Attributes:
        rows: how many there were.
        mean_change: the mean of |new probability - old probability|; of a regression, that of the
            values, divided by the mean of |old value|.
        most_change: the greatest of them.
        flipped: share of rows whose label is another, at each bundle's own threshold; 0 for a
            regression, which gives no labels.
        unseen: shares of lookups in renewable tables that miss, before and after; a lookup is a
            row and a table, where no part of the key is null.
        lost: share of the lookups that hit before and miss after, of those that hit before.
    """

    rows: int
    mean_change: float
    most_change: float
    flipped: float
    unseen: tuple[float, float]
    lost: float

    def judge(self, limits: ShiftLimits, where: str = "the rows") -> Verdict:
        """Hold the figures against limits; a gate stage may return the verdict."""
        judged = list(self._judged(limits, where))
        return Verdict(
            passed=all(passed for passed, _ in judged),
            reasons=tuple(f"{'ok' if passed else 'NO'}: {reason}" for passed, reason in judged),
        )

    def _judged(self, limits: ShiftLimits, where: str) -> Iterator[tuple[bool, str]]:
        told = {
            "mean_change": ("predictions change by {} on average", "{:.6g}"),
            "flipped": ("{} of labels flip", "{:.3%}"),
            "lost": ("{} of known keys are lost", "{:.3%}"),
        }
        for name, (text, form) in told.items():
            value, most = getattr(self, name), getattr(limits, name)
            said = text.format(form.format(value))
            yield value <= most, f"on {where}, {said}, wanted at most {form.format(most)}"


def prediction_shift(before: Bundle, after: Bundle, rows: pl.DataFrame) -> Shift:
    """Return how the predictions of `after` differ from those of `before` on raw rows.

    Both bundles take the same input columns. Raises `UnknownColumn`, `DtypeMismatch` or `BadValue`
    for rows that cannot be admitted, and `NoRows` for none at all.
    """
    if rows.is_empty():
        raise NoRows
    old, new = (
        bundle.booster.predict(bundle.spec.transform(rows)).values.astype(np.float64)
        for bundle in (before, after)
    )
    change, flipped = np.abs(new - old), np.zeros(len(new), np.bool_)
    if before.threshold is None or after.threshold is None:
        change /= np.abs(old).mean() or 1.0
    else:
        flipped = (new >= after.threshold) != (old >= before.threshold)
    known = known_keys(before.spec, rows), known_keys(after.spec, rows)
    asked, hit = max(1, int((known[0] >= 0).sum())), max(1, int((known[0] == 1).sum()))
    return Shift(
        rows=rows.height,
        mean_change=float(change.mean()),
        most_change=float(change.max()),
        flipped=float(flipped.mean()),
        unseen=(int((known[0] == 0).sum()) / asked, int((known[1] == 0).sum()) / asked),
        lost=int(((known[0] == 1) & (known[1] == 0)).sum()) / hit,
    )


class NoRows(DagrunError):
    """Predictions were to be compared on no rows at all."""

    def __init__(self) -> None:
        super().__init__("there are no rows to compare predictions on; give at least one")


def known_keys(spec: FeatureSpec, rows: pl.DataFrame) -> np.ndarray:
    """Return for each row and renewable table 1 (known), 0 (unseen) or -1 (a null in the key).

    The shape is `(rows, tables)`.
    """
    expressions, read = [], set[int]()
    for place in renewable_steps(spec):
        step = spec.steps[place]
        table = step.op.renewable()
        assert table is not None
        read.update(step.reads)
        ones = replace(table, values=(1.0,) * len(table)).batch(
            [pl.col(column_name(read)) for read in step.reads], 0.0
        )
        expressions.append(ones.fill_null(-1.0).cast(pl.Int8).alias(str(place)))
    steps = dict(enumerate(spec.steps, start=len(spec.inputs)))
    given = dict(enumerate(admit(spec.inputs, rows)))
    return computed(steps, given, sorted(read)).select(expressions).to_numpy()


def differing_bits(golden: GoldenRows, before: FeatureSpec, after: FeatureSpec) -> dict[str, int]:
    """Return for how many golden rows of `before` each shared column has other bits in `after`.

    Columns without a difference are left out. Raises `UnknownColumn`, `DtypeMismatch` or
    `BadValue` when `after` does not take these rows.
    """
    matrix = after.transform(golden.rows)
    found = {}
    for place, name in enumerate(before.names):
        if name in after.names:
            values = np.ascontiguousarray(matrix[name].cast(pl.Float32).to_numpy(), np.float32)
            found[name] = int((bits(values) != golden.features[:, place]).sum())
    return {name: rows for name, rows in found.items() if rows}
