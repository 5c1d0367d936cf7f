"""The feature set: what is to be fitted, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from dagrun.stages.features.column import Column
from dagrun.stages.features.fit import fit
from dagrun.stages.features.knowledge import TimeRules, time_rules
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Feature, Source, flatten
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.numeric import cast


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """Features in the order of the matrix, not fitted.

    Attributes:
        features: their definitions.
        inputs: input columns whose schema is declared; those left out are nullable and take
            their dtype from the training frame.
        time: how the rows' time is read, or None.
    """

    features: tuple[Feature, ...]
    inputs: tuple[Column, ...] = ()
    time: TimeRules | None = None

    @checked
    def fit(self, train: pl.DataFrame | pl.LazyFrame, *, label: str | None = None) -> FeatureSpec:
        """Return the spec fitted on the training rows.

        Raises `UnknownColumn`, `DtypeMismatch` or `FeatureDefinitionError` before reading any
        row, and `CannotFit` when the rows do not determine a feature's state.
        """
        return fit(self.features, self.inputs, train, label, self.time)[0]

    @checked
    def fit_transform(
        self, train: pl.DataFrame | pl.LazyFrame, *, label: str | None = None
    ) -> tuple[FeatureSpec, pl.DataFrame]:
        """Return the spec and the training matrix, the label as its last column.

        Features that use a target are out of fold in this matrix, so it differs there from
        `spec.transform(train)`, whose values would leak each row's own label.
        """
        spec, matrix = fit(self.features, self.inputs, train, label, self.time)
        return spec, matrix()


@checked
def feature_set(
    *features: Source,
    inputs: Sequence[Column] = (),
    time: str | None = None,
    as_of: str | None = None,
    known_after: Mapping[str, str] | None = None,
) -> FeatureSet:
    """Gather features; a plain column name is the column itself, as by `cast`.

    Args:
        features: columns and features, in the order of the matrix.
        inputs: input columns whose schema is declared.
        time: the column that says at which moment a row's prediction is asked for (a timestamp or
            date). It is read when fitting; unless a feature reads it, serving needs none.
        as_of: frozen states are made of the rows known by this moment (ISO 8601) only. An op with
            an `as_of` of its own keeps that.
        known_after: how much later than `time` some columns are known, such as
            `{"late": "6h"}`: a row counts as known once the column that is aggregated is.

    Raises:
        FeatureDefinitionError: a name is taken twice; something is declared about time without
            a `time`; a moment or duration cannot be read.
    """
    made: list[Feature] = []
    for source in flatten(features, "feature_set"):
        made.extend(cast(source) if isinstance(source, str) else [source])
    for kind, names in (
        ("feature", [one.name for one in made]),
        ("input", [column.name for column in inputs]),
    ):
        if double := next((name for name in names if names.count(name) > 1), None):
            raise FeatureDefinitionError(
                double, f"there are two {kind}s of this name; set one with name=..."
            )
    rules = time_rules(made, inputs, time=time, as_of=as_of, known_after=known_after or {})
    return FeatureSet(features=tuple(made), inputs=tuple(inputs), time=rules)
