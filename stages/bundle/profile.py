"""A profile of each feature: its values, what the model makes of it, and what a row of it costs.

Guarantee: shares, quantiles and importances are exact for the rows and the model given. Costs are
measured here and now: microseconds that the row function of this feature alone takes beyond taking
the row apart, each the median of several rounds in which all features take turns. The limit: a step
that features share is counted with each of them, so costs add up to more than the whole, which is
measured, too; and a busy machine makes everything dearer.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from dagrun.stages.bundle.booster import Booster, loaded
from dagrun.stages.bundle.model import Model
from dagrun.stages.features import FeatureSpec
from dagrun.stages.features.facts import FeatureFacts, features_of, restricted

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
TIMED_ROWS = 512
"""At most so many rows are timed, evenly spaced, in each of `ROUNDS` rounds."""
ROUNDS = 9
_SLOW_ROWS, _TOP = 1, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureProfile:
    """One feature, all columns of an op that gives several counted as one.

    Attributes:
        name, columns, dtype: as in the spec.
        missing: share of rows whose value is null; for several columns, where all are null or 0.
        quantiles: of the values at `QUANTILES`; empty for several columns, or without a value.
        top: the most frequent values of whole numbers, or of several columns those that are most
            often not 0, each with its share of all rows.
        gain, cover: the feature's share of the summed gain and of the summed cover (hessian) of
            all splits of the model; None without a model.
        cost: microseconds a row, alone.
        exact: False when single rows of it are computed by Polars.
    """

    name: str
    columns: tuple[str, ...]
    dtype: str
    missing: float
    quantiles: tuple[float, ...]
    top: tuple[tuple[str, float], ...]
    gain: float | None = None
    cover: float | None = None
    cost: float = 0.0
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """All features of a spec over some rows.

    Attributes:
        rows: how many rows there were.
        cost: microseconds a row of the whole row function.
        features: in the order of the matrix.
    """

    rows: int
    cost: float
    features: tuple[FeatureProfile, ...] = field(default=())


def profile(spec: FeatureSpec, rows: pl.DataFrame, model: Model | None = None) -> Profile:
    """Profile the features of a spec over raw rows, with importances if there are XGBoost's trees.

    Raises `UnknownColumn`, `DtypeMismatch` or `BadValue` for rows that cannot be admitted.
    """
    facts = features_of(spec)
    matrix = spec.transform(rows)
    booster = model.boosted if model else None
    gain, cover = (importance(booster, kind) if booster else None for kind in ("gain", "cover"))
    costs, whole = measure(spec, facts, rows)
    features = (
        replace(
            _values(feature, matrix),
            cost=cost,
            exact=restricted(spec, feature.columns).row_exact,
            gain=_share(gain, feature.columns),
            cover=_share(cover, feature.columns),
        )
        for feature, cost in zip(facts, costs, strict=True)
    )
    return Profile(rows=rows.height, cost=whole, features=tuple(features))


def _share(shares: Mapping[str, float] | None, columns: Sequence[str]) -> float | None:
    return None if shares is None else sum(shares.get(column, 0.0) for column in columns)


def importance(booster: Booster, kind: str) -> dict[str, float]:
    """Return each column's share of the summed `gain` or `cover` of all splits of a model."""
    model = loaded(booster.ubj, None)
    total: Mapping[str, float] = model.get_score(importance_type=f"total_{kind}")
    names = booster.features
    numbered = (
        {f"f{place}": name for place, name in enumerate(names)} if not model.feature_names else {}
    )
    whole = sum(total.values()) or 1.0
    return {numbered.get(name, name): value / whole for name, value in total.items()}


def _values(feature: FeatureFacts, matrix: pl.DataFrame) -> FeatureProfile:
    if feature.columns[0] != feature.name:
        return _categories(feature, matrix.select(feature.columns))
    values = matrix[feature.name]
    present = values.drop_nulls()
    rows = max(1, len(values))
    quantiles = [present.quantile(at, "linear") for at in QUANTILES] if len(present) else []
    top: tuple[tuple[str, float], ...] = ()
    if feature.dtype == "Int32":
        counts = present.value_counts(name="rows").sort(
            "rows", feature.name, descending=[True, False]
        )
        top = tuple((str(value), count / rows) for value, count in counts.head(_TOP).iter_rows())
    return FeatureProfile(
        name=feature.name,
        columns=feature.columns,
        dtype=feature.dtype,
        missing=1.0 - len(present) / rows,
        quantiles=tuple(float(value) for value in quantiles if value is not None),
        top=top,
    )


def _categories(feature: FeatureFacts, columns: pl.DataFrame) -> FeatureProfile:
    rows = max(1, columns.height)
    there = columns.select(pl.all().fill_null(0) != 0)
    sums = zip(feature.columns, there.sum().row(0), strict=True)
    shares = {name.removeprefix(f"{feature.name}="): float(total) / rows for name, total in sums}
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    none = there.select(~pl.any_horizontal(pl.all())).to_series().sum()
    return FeatureProfile(
        name=feature.name,
        columns=feature.columns,
        dtype=feature.dtype,
        missing=float(none) / rows,
        quantiles=(),
        top=tuple(ordered[:_TOP]),
    )


def measure(
    spec: FeatureSpec, facts: Sequence[FeatureFacts], rows: pl.DataFrame
) -> tuple[list[float], float]:
    """Return the microseconds a row of each feature alone, and of the whole row function."""
    step = max(1, -(-rows.height // TIMED_ROWS))
    timed = spec.rows_of(rows.gather_every(step))
    places = {column.name: place for place, column in enumerate(spec.inputs)}
    clocks: list[_Clock] = [_Clock(spec, timed)]
    floors: dict[tuple[str, ...], int] = {}
    for feature in facts:
        part = restricted(spec, feature.columns)
        names = tuple(column.name for column in part.inputs)
        own = [tuple(values[places[name]] for name in names) for values in timed]
        if names not in floors:
            floors[names] = len(clocks)
            clocks.append(_Clock(replace(part, steps=(), outputs=()), own))
        clocks.append(_Clock(part, own, floor=floors[names]))
    took: list[list[float]] = [[] for _ in clocks]
    for _ in range(ROUNDS):
        for times, clock in zip(took, clocks, strict=True):
            times.append(clock.run())
    medians = [statistics.median(times) for times in took]
    costs = [
        max(0.0, medians[place] - (medians[clock.floor] if clock.exact else 0.0))
        for place, clock in enumerate(clocks)
        if clock.floor is not None
    ]
    return costs, medians[0]


class _Clock:
    """Times a spec's row function over some rows."""

    def __init__(
        self, spec: FeatureSpec, rows: list[tuple[object, ...]], floor: int | None = None
    ) -> None:
        self.exact, self.floor = spec.row_exact, floor
        self._function: Callable[[Sequence[object]], object] = spec.row_function()
        self._rows = rows if spec.row_exact else rows[:_SLOW_ROWS]

    def run(self) -> float:
        """Return microseconds a row."""
        function, collecting = self._function, gc.isenabled()
        gc.disable()
        started = time.perf_counter_ns()
        for values in self._rows:
            function(values)
        took = time.perf_counter_ns() - started
        if collecting:
            gc.enable()
        return took / 1000 / max(1, len(self._rows))
