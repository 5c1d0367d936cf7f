"""Looking for leaks: features that know what will not be known when a prediction is asked for.

Guarantee: everything that was judged is in the report with its numbers, findings and strongest
features alike; nothing is changed. Where it ends: a leak that helps little looks like an honest
feature, and an honest feature that helps much looks like a leak; only a declaration
(`known_after`) tells these apart for certain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from dagrun.engine.errors import DagrunError, listing, nearest
from dagrun.engine.stage import Verdict
from dagrun.stages.features import FeatureSet, FeatureSpec
from dagrun.stages.ops.errors import UnknownColumn
from dagrun.stages.validate.declared import declared_later
from dagrun.stages.validate.overlap import check_parts
from dagrun.stages.validate.strength import Floats, Strength, feature_strength, gap_strength

CEILING_AUC = 0.75
CEILING_CORRELATION = 0.9
CEILING_ODDS = 10.0
CEILING_GAP_AUC = 0.8
MOST_DROP = 0.1
SHOWN = 5

LeakKind = Literal["known_later", "too_good", "own_label", "gaps", "overlap", "order"]


class LeakageUnchecked(DagrunError):
    """The check cannot be made on what it was given."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"cannot check for leakage: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One finding.

    Attributes:
        kind: `known_later`: made of a column known after the prediction is asked for;
            `too_good`: tells the target alone better than the ceiling allows;
            `own_label`: does so on the training rows, but no longer on later ones;
            `gaps`: that the value is missing tells the target;
            `overlap`: rows with the same key in two parts; `order`: a part that begins too early.
        name: the feature, column or part.
        said: what was found, with its numbers.
        accepted: why it is no leak, if somebody said so.
    """

    kind: LeakKind
    name: str
    said: str
    accepted: str | None = None

    def __str__(self) -> str:
        reason = "" if self.accepted is None else f" (accepted: {self.accepted})"
        return f"{self.kind:<11}  {self.name}: {self.said}{reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakageReport:
    """What a check has found; stored as a JSON document.

    Attributes:
        leaks: the findings, accepted ones included.
        strengths: every feature that could be judged, the strongest first.
        ceiling: what a feature's interval must not lie above.
        rows: training rows judged.
    """

    leaks: tuple[Leak, ...]
    strengths: tuple[Strength, ...]
    ceiling: float
    rows: int

    @property
    def passed(self) -> bool:
        """Whether there is no finding, or each is accepted."""
        return all(leak.accepted is not None for leak in self.leaks)

    def verdict(self) -> Verdict:
        """Return what a gate stage returns: passed or not, and every reason."""
        reasons = [f"{'ok' if leak.accepted is not None else 'NO'}: {leak}" for leak in self.leaks]
        return Verdict(passed=self.passed, reasons=(*reasons, f"ok: {self._told()}"))

    def __str__(self) -> str:
        found = "no leak found" if not self.leaks else f"{len(self.leaks)} finding(s)"
        lines = [f"{found}; {self._told()}", *(f"  {leak}" for leak in self.leaks)]
        strongest = (f"    {one.name}: {one}" for one in self.strengths[:SHOWN])
        return "\n".join([*lines, "  the strongest features, each alone:", *strongest])

    def _told(self) -> str:
        return (
            f"{len(self.strengths)} features judged on {self.rows:,} rows against a ceiling "
            f"of {self.ceiling:g}"
        )


def check_leakage(
    features: FeatureSet | FeatureSpec,
    train: pl.DataFrame | pl.LazyFrame,
    *,
    label: str,
    matrix: pl.DataFrame | None = None,
    later: Mapping[str, pl.DataFrame] | None = None,
    key: Sequence[str] = (),
    ceiling: float | None = None,
    accepted: Mapping[str, str] | None = None,
) -> LeakageReport:
    """Look for leaks in features, in the training rows, and between them and later parts.

    Args:
        features: a feature set, which is fitted here; or a fitted spec, with its `matrix`.
        train: the training rows, raw.
        label: their target: a bool or 0 and 1, else a number.
        matrix: the training matrix of `fit_transform`, when a spec is given.
        later: the other parts by name (`{"valid": ..., "test": ...}`), in their order in time.
        key: columns that identify a row, to find rows that lie in two parts.
        ceiling: a feature whose 99.9 % interval lies above it is a finding. None means AUC 0.75,
            or a rank correlation of 0.9 where the target is a number.
        accepted: features, columns or parts whose findings are known to be none, and why.

    Returns:
        The report: judge it by `verdict()` in a gate stage, or print it.

    Raises:
        LeakageUnchecked: a spec comes without its matrix, or with that of other rows; the label is
            no number or has nulls; `accepted` names something unknown.
        UnknownColumn, CannotFit and what else fitting raises.
    """
    rows, parts = train.lazy().collect(engine="in-memory"), dict(later or {})
    spec, shown = _fitted(features, rows, label, matrix)
    _check_given(spec, rows, shown, label, key)
    target = _target(shown, label)
    binary = bool(np.isin(target, (0.0, 1.0)).all())
    limit = ceiling if ceiling is not None else (CEILING_AUC if binary else CEILING_CORRELATION)
    strengths = _strengths(spec, shown, target, binary=binary)
    found = [
        *(Leak(kind="known_later", name=n, said=said) for n, said in declared_later(features)),
        *_too_good(strengths, limit),
        *_own_label(spec, strengths, parts, label, binary=binary),
        *_gaps(spec, rows, target, binary=binary),
        *(Leak(kind=k, name=n, said=said) for k, n, said in check_parts(spec, rows, parts, key)),
    ]
    reasons = accepted or {}
    _check_names(reasons, {*spec.names, *(column.name for column in spec.inputs), *parts})
    return LeakageReport(
        leaks=tuple(
            Leak(kind=one.kind, name=one.name, said=one.said, accepted=reasons.get(one.name))
            for one in found
        ),
        strengths=tuple(sorted(strengths.values(), key=lambda one: (-one.value, one.name))),
        ceiling=limit,
        rows=rows.height,
    )


def _check_given(
    spec: FeatureSpec, rows: pl.DataFrame, matrix: pl.DataFrame, label: str, key: Sequence[str]
) -> None:
    for frame, wanted in (
        (rows, [*(column.name for column in spec.inputs), *key]),
        (matrix, [*spec.names, label]),
    ):
        if missing := [name for name in wanted if name not in frame.columns]:
            raise UnknownColumn(missing, frame.columns)
    if rows.height != matrix.height:
        raise LeakageUnchecked(
            f"the matrix has {matrix.height:,} rows, the training rows are {rows.height:,}"
        )
    if not (matrix.schema[label].is_numeric() or isinstance(matrix.schema[label], pl.Boolean)):
        raise LeakageUnchecked(f"the label {label!r} is {matrix.schema[label]}, no number or bool")


def _check_names(accepted: Mapping[str, str], known: set[str]) -> None:
    for name in accepted:
        if name not in known:
            raise LeakageUnchecked(
                f"accepted names {name!r}, which is no feature, input or part."
                f"{nearest(name, known)} There are: {listing(sorted(known))}"
            )


def _fitted(
    features: FeatureSet | FeatureSpec, rows: pl.DataFrame, label: str, matrix: pl.DataFrame | None
) -> tuple[FeatureSpec, pl.DataFrame]:
    if isinstance(features, FeatureSet):
        return features.fit_transform(rows, label=label)
    if matrix is None:
        raise LeakageUnchecked(
            "a fitted spec needs matrix=, the training matrix of fit_transform: transforming the "
            "training rows again would show each row its own label"
        )
    return features, matrix


def _target(frame: pl.DataFrame, label: str) -> Floats:
    values = frame[label].cast(pl.Float64)
    if not len(values) or not values.is_finite().fill_null(False).all():
        raise LeakageUnchecked(f"the label {label!r} has nulls, or there is no row; drop them")
    return values.to_numpy()


def _strengths(
    spec: FeatureSpec, matrix: pl.DataFrame, target: Floats, *, binary: bool
) -> dict[str, Strength]:
    found = (
        feature_strength(
            name, matrix[name].cast(pl.Float64).fill_null(np.nan).to_numpy(), target, binary=binary
        )
        for name in spec.names
    )
    return {one.name: one for one in found if one is not None}


def _too_good(strengths: Mapping[str, Strength], limit: float) -> Iterator[Leak]:
    for one in strengths.values():
        if one.low > limit:
            said = f"{one} alone, above {limit:g}; is it known when the prediction is asked for?"
            yield Leak(kind="too_good", name=one.name, said=said)


def _own_label(
    spec: FeatureSpec,
    strengths: Mapping[str, Strength],
    parts: Mapping[str, pl.DataFrame],
    label: str,
    *,
    binary: bool,
) -> Iterator[Leak]:
    for part, frame in parts.items():
        if label not in frame.columns:
            continue
        matrix = spec.transform(frame)
        then = _strengths(spec, matrix, _target(matrix, label), binary=binary)
        for name in (name for name in strengths if name in then):
            now, after = strengths[name], then[name]
            if now.low - after.high > MOST_DROP:
                said = f"{now} on the training rows, but {after} in {part}; does it hold the label?"
                yield Leak(kind="own_label", name=name, said=said)


def _gaps(spec: FeatureSpec, rows: pl.DataFrame, target: Floats, *, binary: bool) -> Iterator[Leak]:
    limit = CEILING_ODDS if binary else CEILING_GAP_AUC
    mirrored = 1.0 / limit if binary else 1.0 - limit
    for column in spec.inputs:
        series = rows[column.name]
        missing = series.is_null()
        if series.dtype.is_float():
            missing = missing | series.is_nan().fill_null(False)
        found = gap_strength(column.name, missing.to_numpy(), target, binary=binary)
        if found is not None and (found.low > limit or found.high < mirrored):
            share = int(missing.sum()) / rows.height
            said = f"missing in {share:.2%} of the rows, which tells the target: {found}"
            yield Leak(kind="gaps", name=column.name, said=f"{said}, beyond {limit:g}")
