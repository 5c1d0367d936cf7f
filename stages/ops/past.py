"""Values of frozen tables as each training row could have known them: from its past alone.

Guarantee: a row's value is what the op would have given it, had it been fitted on exactly the
rows known strictly before the row's own moment, bit for bit; so rows of one moment never see each
other, and neither the order of rows nor the number of threads shows. Sums are exact: doubles are
added as integers, and rounded once when read.
The limit: one thread of Python, about a microsecond per row and table (more for long medians).
"""

from __future__ import annotations

import bisect
import functools
import operator
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from dagrun.stages.ops.table import Scalar
from dagrun.stages.ops.training import Training

_UNIT = 1 << 1074
"""Every finite double is a whole multiple of its reciprocal, the smallest subnormal."""

Key = tuple[Scalar | None, ...]


def span_numbers(train: Training, folds: int) -> pl.Series:
    """Return a fold for each row: spans of time with about equally many rows.

    Rows of one moment lie in one span. Raises `CannotFit` when all have the same moment.
    """
    assert train.timeline is not None
    at = train.timeline.at
    if at.n_unique() < 2:
        raise train.error("spans of time need training rows of more than one moment")
    earlier = at.rank("min").cast(pl.Int64) - 1
    return earlier * folds // len(at)


@dataclass(slots=True)
class Sum:
    """An exact running sum of finite doubles."""

    rows: int = 0
    _total: int = 0

    def add(self, value: float) -> None:
        """Count one more value."""
        over, under = value.as_integer_ratio()
        self._total += over * (_UNIT // under)
        self.rows += 1

    def total(self, train: Training) -> float:
        """Return the correctly rounded sum. Raises `CannotFit` beyond the doubles."""
        try:
            return self._total / _UNIT
        except OverflowError:
            raise train.error("the sum of its column exceeds the range of a double") from None


@dataclass(slots=True)
class Mean:
    """A running mean, and the count beside it."""

    sum: Sum = field(default_factory=Sum)

    def add(self, value: float) -> None:
        """Count one more value."""
        self.sum.add(value)

    def value(self, train: Training) -> float:
        """Return the mean of what was added."""
        return self.sum.total(train) / self.sum.rows


class Count(Mean):
    """A running count."""

    def value(self, train: Training) -> float:  # noqa: ARG002 - the others need it
        """Return the number of values added."""
        return float(self.sum.rows)


@dataclass(slots=True)
class Sorted:
    """All values so far in order, for the median, the least and the greatest."""

    read: Callable[[Sequence[float]], float]
    _values: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        """Count one more value."""
        bisect.insort(self._values, value)

    def value(self, train: Training) -> float:  # noqa: ARG002 - the others need it
        """Return what `read` makes of the sorted values."""
        return self.read(self._values)


_RUNNING: dict[str, Callable[[], Mean | Sorted]] = {
    "mean": Mean,
    "count": Count,
    "median": lambda: Sorted(statistics.median),
    "min": lambda: Sorted(lambda values: values[0]),
    "max": lambda: Sorted(lambda values: values[-1]),
}


def past_aggregates(train: Training, how: str, other: float | None) -> pl.Series:
    """Return the aggregate of each row's key over its past; `other` where that holds none."""
    running: dict[Key, Mean | Sorted] = {}

    def add(key: Key, value: float) -> None:
        if key not in running:
            running[key] = _RUNNING[how]()
        running[key].add(value)

    def ask(key: Key) -> float | None:
        found = running.get(key)
        return other if found is None else train.settled(found.value(train), how)

    return _swept(train, train.targets[0], add, ask)


def past_smoothed(train: Training, smooth: Callable[[float, int, float], float]) -> pl.Series:
    """Return `smooth(sum, rows, overall mean)` of each row's key over its past.

    A key without a past gets the overall mean of the past; null where there is none at all.
    """
    everything, by_key = Mean(), dict[Key, Sum]()

    def add(key: Key, value: float) -> None:
        everything.add(value)
        by_key.setdefault(key, Sum()).add(value)

    def ask(key: Key) -> float | None:
        if not everything.sum.rows:
            return None
        overall, found = train.settled(everything.value(train), "mean"), by_key.get(key)
        return overall if found is None else smooth(found.total(train), found.rows, overall) + 0.0

    return _swept(train, train.targets[0], add, ask)


def past_shares(train: Training) -> pl.Series:
    """Return the share of each row's key in its past, 0 when unseen, null without any past."""
    rows, counts = 0, dict[Key, int]()

    def add(key: Key, _: float) -> None:
        nonlocal rows
        rows += 1
        counts[key] = counts.get(key, 0) + 1

    def ask(key: Key) -> float | None:
        return counts.get(key, 0) / rows if rows else None

    return _swept(train, pl.repeat(0.0, len(train.columns[0]), eager=True), add, ask)


def _swept(
    train: Training,
    values: pl.Series,
    add: Callable[[Key, float], None],
    ask: Callable[[Key], float | None],
) -> pl.Series:
    """Go through time: at each row's moment, `add` what has become known before, then `ask`."""
    assert train.timeline is not None
    at, known = train.timeline.at, train.timeline.known
    has_key = functools.reduce(operator.and_, (c.is_not_null() for c in train.columns))
    tells = has_key & values.is_finite().fill_null(False) & known.is_not_null()
    keys: list[Key] = list(zip(*(column.to_list() for column in train.columns), strict=True))
    numbers, moments, learned = values.to_list(), at.to_list(), known.to_list()
    sources = np.flatnonzero(tells.to_numpy())
    sources = sources[np.argsort(known.to_numpy()[sources], kind="stable")]
    asking = np.flatnonzero(has_key.to_numpy())
    asking = asking[np.argsort(at.to_numpy()[asking], kind="stable")]
    found: list[float | None] = [None] * len(keys)
    waiting = iter(sources.tolist())
    source = next(waiting, None)
    for row in asking.tolist():
        while source is not None and learned[source] < moments[row]:
            add(keys[source], numbers[source])
            source = next(waiting, None)
        found[row] = ask(keys[row])
    return pl.Series(found, dtype=pl.Float64)
