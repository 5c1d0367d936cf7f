"""What a fit may know by when: the time of rows, and what follows from it.

Guarantee: a frozen state is made of rows known by its `as_of` only, and says the last moment at
which one of its rows became known; values from before something was available are null, or an
error, as declared. All of it depends on the training rows as a set. The limit: it is about
training rows; serving reads no time, since live rows come after all of this.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from dagrun.engine.errors import DagrunError
from dagrun.stages.features.column import Column, admit, column_of
from dagrun.stages.ops.define import Feature
from dagrun.stages.ops.errors import CannotFit, DtypeMismatch, FeatureDefinitionError
from dagrun.stages.ops.kind import DAY, MOMENT
from dagrun.stages.ops.op import Op
from dagrun.stages.ops.timing import (
    FIRST_MOMENT,
    LAST_MOMENT,
    Earlier,
    Timing,
    check_moment,
    duration,
    read_moment,
    write_moment,
)
from dagrun.stages.ops.training import Timeline, Training


class NotAvailableYet(DagrunError):
    """Training rows lie before something was available, and it says to refuse them."""

    def __init__(self, what: str, since: str, rows: int, first: str) -> None:
        self.what, self.since, self.rows, self.first = what, since, rows, first
        super().__init__(
            f"{what} is available since {since}, but {rows:,} training row(s) are earlier, the "
            f"first of {first}. Leave them out, or declare earlier='mask' to have null there"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRules:
    """How a feature set reads time; part of the spec's document.

    Attributes:
        column: the time of a row: the moment at which its prediction is asked for.
        as_of: frozen states are made of rows known by this moment; None means all.
        known_after: columns that are known later than the row's time, and by how much.
    """

    column: str
    as_of: str | None = None
    known_after: tuple[tuple[str, str], ...] = ()

    def delay(self, columns: Iterable[str]) -> int:
        """Return when the last of some columns is known, in microseconds after the row's time."""
        after = dict(self.known_after)
        return max(
            (duration(name, "known_after", after[name]) for name in columns if name in after),
            default=0,
        )


def time_rules(
    features: Sequence[Feature],
    inputs: Sequence[Column],
    *,
    time: str | None,
    as_of: str | None,
    known_after: Mapping[str, str],
) -> TimeRules | None:
    """Return the rules of a feature set, or None when its rows have no time.

    Raises `FeatureDefinitionError` for what is written wrongly, or means nothing without `time`.
    """
    if as_of is not None:
        check_moment("feature_set", "as_of", as_of)
    for name, after in known_after.items():
        duration(name, "known_after", after)
    if time is not None:
        return TimeRules(column=time, as_of=as_of, known_after=tuple(sorted(known_after.items())))
    for column in inputs:
        if column.available_since is not None:
            raise _timeless(column.name, "available_since")
    for feature in features:
        _check_timeless(feature)
    if as_of is not None or known_after:
        raise _timeless("feature_set", "as_of" if as_of is not None else "known_after")
    return None


def _check_timeless(feature: Feature) -> None:
    if feature.timing.needs_time:
        raise _timeless(feature.name, "what it declares about time")
    for one in feature.inputs:
        if isinstance(one, Feature):
            _check_timeless(one)


def _timeless(name: str, what: str) -> FeatureDefinitionError:
    return FeatureDefinitionError(
        name, f"{what} needs the time of the rows: feature_set(..., time='column')"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What one op may see: `fit` for its state, `rows` for the training rows' own values.

    `early` marks rows that get null instead; `as_of` is when the last row of the fit was known.
    """

    fit: Training
    rows: Training
    as_of: str | None = None
    early: pl.Series | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The times of the training rows, `at`, and the rules by which they are read."""

    rules: TimeRules
    at: pl.Series
    dtype: pl.DataType

    def moment(self, name: str, what: str, text: str) -> int:
        """Return a declared moment as it compares with `at`."""
        return read_moment(name, what, text, self.dtype)

    def early(self, what: str, since: str, earlier: Earlier) -> pl.Series:
        """Return which rows lie before `since`. Raises `NotAvailableYet` if that is refused."""
        before = self.at < self.moment(what, "available_since", since)
        if earlier == "refuse" and before.any():
            first = self.at.min()
            assert isinstance(first, int)
            told = write_moment(first, self.dtype)
            raise NotAvailableYet(what, since, int(before.sum()), told)
        return before

    def masked(self, columns: Sequence[Column], values: Sequence[pl.Series]) -> list[pl.Series]:
        """Return the input columns without what they had before they were available."""
        return [
            value
            if column.available_since is None
            else blanked(
                value,
                self.early(f"column {column.name!r}", column.available_since, column.earlier),
            )
            for column, value in zip(columns, values, strict=True)
        ]

    def knowledge(self, op: Op, rows: Training, wanted: Sequence[str], timing: Timing) -> Knowledge:
        """Return what an op that is fitted on the targets `wanted` may see of `rows`."""
        known = self.at + self.rules.delay(wanted)
        as_of = timing.as_of or self.rules.as_of
        if as_of is not None:
            until = self.moment(rows.name, "as_of", as_of)
            known = blanked(known, known > until)
        rows = replace(
            rows,
            targets=tuple(blanked(target, known.is_null()) for target in rows.targets),
            timeline=Timeline(at=self.at, known=known),
            spans=timing.scheme == "spans",
        )
        fit = rows if as_of is None else _only(rows, known.is_not_null())
        early = None
        if timing.available_since is not None:
            early = self.early(f"feature {rows.name!r}", timing.available_since, timing.earlier)
            rows = _without(rows, early)
            fit = _only(rows, known.is_not_null() & ~early)
        last = None if type(op).fit is Op.fit else _last_known(fit)
        told = None if last is None else write_moment(last, self.dtype)
        return Knowledge(fit=fit, rows=rows, as_of=told, early=early)


def read_clock(rules: TimeRules | None, frame: pl.DataFrame) -> Clock | None:
    """Return the times of a frame's rows; None without rules.

    Raises `DtypeMismatch` when the column is no time, `CannotFit` when rows have none.
    """
    if rules is None:
        return None
    found = frame.schema[rules.column]
    if column_of(rules.column, found).kind not in MOMENT:
        raise DtypeMismatch(rules.column, str(found), "a timestamp or date", "the rows' time")
    (at,) = admit([column_of(rules.column, found)], frame.select(rules.column))
    at = at * DAY if isinstance(found, pl.Date) else at
    if missing := at.null_count():
        raise CannotFit(rules.column, f"{missing:,} training row(s) have no time")
    # A century is kept free, so that a time and what is known after it are moments, too.
    if not at.is_between(FIRST_MOMENT, LAST_MOMENT - 36_525 * DAY).all():
        raise CannotFit(rules.column, "times must lie in the years 1 to 9899")
    return Clock(rules=rules, at=at, dtype=found)


def see(
    clock: Clock | None, op: Op, rows: Training, wanted: Sequence[str], timing: Timing
) -> Knowledge:
    """Return what an op may see: everything, unless the rows have a time."""
    if clock is None:
        return Knowledge(fit=rows, rows=rows)
    return clock.knowledge(op, rows, wanted, timing)


def blanked(values: pl.Series, where: pl.Series | None) -> pl.Series:
    """Return the values, under their name, with null where the mask is true."""
    if where is None or not where.any():
        return values
    frame = pl.DataFrame([values, where.alias("/where")])
    kept = pl.when(~pl.col("/where")).then(pl.col(values.name)).alias(values.name)
    return frame.select(kept).to_series()


def _without(rows: Training, where: pl.Series) -> Training:
    columns = tuple(blanked(column, where) for column in rows.columns)
    return replace(rows, columns=columns, targets=tuple(blanked(t, where) for t in rows.targets))


def _only(rows: Training, where: pl.Series) -> Training:
    assert rows.timeline is not None
    return replace(
        rows,
        columns=tuple(column.filter(where) for column in rows.columns),
        targets=tuple(target.filter(where) for target in rows.targets),
        timeline=Timeline(
            at=rows.timeline.at.filter(where), known=rows.timeline.known.filter(where)
        ),
    )


def _last_known(rows: Training) -> int | None:
    assert rows.timeline is not None
    told = [value.is_not_null() for value in rows.columns]
    told += [target.is_finite().fill_null(False) for target in rows.targets]
    last = rows.timeline.known.filter(functools.reduce(operator.and_, told)).max()
    assert last is None or isinstance(last, int)
    return last
