"""What may be proved, as features over columns: an op, features or a feature set.

Columns whose dtype is not declared may have any dtype that all their readers take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dagrun.stages.features import Column, Feature, FeatureSet, feature_set, ordinal
from dagrun.stages.ops.define import Source
from dagrun.stages.ops.kind import DTYPES, NUMBER, WIDENED, Kind
from dagrun.stages.ops.op import Op
from dagrun.stages.proof.errors import NothingProved


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Features that are to be fitted and proved.

    Attributes:
        name: how errors call it.
        features: what is fitted.
        choices: for each input column, the columns it may be.
        targets: fit-only columns.
    """

    name: str
    features: tuple[Feature, ...]
    choices: tuple[tuple[Column, ...], ...]
    targets: tuple[str, ...]

    def over(self, columns: Sequence[Column]) -> FeatureSet:
        """Return the feature set over one choice of columns; keys are shown as ordinals."""
        kinds = {column.name: column.kind for column in columns}
        shown = [one if _kind(one, kinds) == "double" else ordinal(one) for one in self.features]
        return feature_set(*shown, inputs=columns)


def _kind(source: str | Feature, kinds: Mapping[str, Kind]) -> Kind:
    if isinstance(source, str):
        return kinds[source]
    takes = source.op.takes
    found: list[Kind] = []
    for place, one in enumerate(source.inputs):
        kind = _kind(one, kinds)
        accepted = takes[min(place, len(takes) - 1)]
        widened = kind in WIDENED and kind not in accepted and accepted >= NUMBER
        found.append("double" if widened else kind)
    return source.op.result(found)


def subject_of(what: Op | FeatureSet | Source, columns: Sequence[Column]) -> Subject:
    """Return what is to be proved; `columns` are declared, others are inferred.

    Raises `NothingProved` when no column could be read by all its readers.
    """
    if isinstance(what, Op):
        inputs = tuple(f"in{place}" for place in range(len(what.takes)))
        what = Feature(name=what.op, op=what, inputs=inputs)
    features = what if isinstance(what, FeatureSet) else feature_set(what)
    name = ", ".join(one.name for one in features.features[:3])
    declared = {column.name: column for column in (*features.inputs, *columns)}
    taken: dict[str, set[Column]] = {}
    for one in features.features:
        for read, accepted in _reads(one):
            options = {declared[read]} if read in declared else _columns(read, accepted)
            taken[read] = taken.get(read, options) & options
    for read, options in taken.items():
        if not options:
            raise NothingProved(name, f"no dtype of column {read!r} suits all its readers")
    return Subject(
        name=name,
        features=features.features,
        choices=tuple(tuple(sorted(options, key=repr)) for options in taken.values()),
        targets=tuple(dict.fromkeys(t for one in features.features for t in _targets(one))),
    )


def _reads(feature: Feature) -> Iterator[tuple[str, frozenset[Kind]]]:
    """Yield the columns that a feature reads, each with the kinds that its reader takes."""
    takes = feature.op.takes
    for place, source in enumerate(feature.inputs):
        if isinstance(source, Feature):
            yield from _reads(source)
        else:
            yield source, takes[min(place, len(takes) - 1)]


def _targets(feature: Feature) -> Iterator[str]:
    yield from feature.targets
    for source in feature.inputs:
        if isinstance(source, Feature):
            yield from _targets(source)


def _columns(name: str, accepted: frozenset[Kind]) -> set[Column]:
    kinds = accepted | WIDENED if accepted >= NUMBER else accepted
    made = [Column(name=name, dtype=dtype) for dtype in DTYPES]
    made.append(Column(name=name, dtype="timestamp", aware=True))
    return {column for column in made if column.kind in kinds}
