"""Fitting: from features and training rows to a feature spec and the training matrix.

Names, kinds and targets are settled on the frame's schema first; only then is a row read. Steps
are fitted in order, each on what its predecessors give the training rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from dagrun.stages.features.column import Column, admit, check_schema, column_of
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.features.step import Output, Step, column_name, expressions, work_frame
from dagrun.stages.lint import require
from dagrun.stages.ops.custom import check as check_custom
from dagrun.stages.ops.custom import place_of
from dagrun.stages.ops.define import Feature
from dagrun.stages.ops.errors import DtypeMismatch, FeatureDefinitionError, UnknownColumn
from dagrun.stages.ops.kind import NUMBER, WIDENED, Kind
from dagrun.stages.ops.numeric import Cast
from dagrun.stages.ops.op import Op
from dagrun.stages.ops.training import Training


@dataclass(slots=True, kw_only=True)
class Draft:
    """Steps in order, before they are fitted; equal ops on equal inputs are one step."""

    inputs: tuple[Column, ...]
    steps: list[Step] = field(default_factory=list)
    targets: list[tuple[str, ...]] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    _known: dict[tuple[Op, tuple[int, ...], tuple[str, ...]], int] = field(default_factory=dict)

    def add(self, source: str | Feature) -> int:
        """Return the number of the value of a column or feature, adding what is missing."""
        if isinstance(source, str):
            return next(i for i, column in enumerate(self.inputs) if column.name == source)
        takes = source.op.takes
        reads = []
        for place, one in enumerate(source.inputs):
            if isinstance(one, Feature) and one.op.several:
                raise FeatureDefinitionError(
                    source.name, f"{one.op.op} of {one.name!r} is several columns, not an input"
                )
            accepted = takes[min(place, len(takes) - 1)]
            reads.append(self._accepted(source, self.add(one), accepted))
        return self._step(source.name, source.op, tuple(reads), source.targets)

    def _accepted(self, reader: Feature, value: int, accepted: frozenset[Kind]) -> int:
        kind = self.kinds[value]
        if kind in accepted:
            return value
        name = self.name(value)
        if kind in WIDENED and accepted >= NUMBER:
            return self._step(f"{name}_number", Cast(), (value,), ())
        wanted = " or ".join(sorted(accepted))
        raise DtypeMismatch(name, kind, wanted, f"{reader.op.op} of feature {reader.name!r}")

    def name(self, value: int) -> str:
        """Return the name of an input or step."""
        count = len(self.inputs)
        return self.inputs[value].name if value < count else self.steps[value - count].name

    def _step(self, name: str, op: Op, reads: tuple[int, ...], targets: tuple[str, ...]) -> int:
        check_custom(op, name)
        identity = (op, reads, targets)
        if identity not in self._known:
            self._known[identity] = len(self.kinds)
            kinds = [self.kinds[place] for place in reads]
            self.kinds.append(op.result(kinds))
            self.steps.append(Step(name=name, op=op.settle(name, kinds), reads=reads))
            self.targets.append(targets)
        return self._known[identity]


def draft(
    features: Sequence[Feature],
    declared: Sequence[Column],
    schema: pl.Schema,
    label: str | None,
) -> tuple[Draft, list[int]]:
    """Return the steps for `features` and the number of each feature's value.

    Raises `UnknownColumn`, `DtypeMismatch` or `FeatureDefinitionError`; reads no row.
    """
    read = list(dict.fromkeys(name for one in features for name in _columns(one)))
    targets = list(dict.fromkeys(name for one in features for name in _targets(one)))
    known = {column.name: column for column in declared}
    wanted = [*read, *known, *targets, *([] if label is None else [label])]
    if missing := [name for name in dict.fromkeys(wanted) if name not in schema]:
        raise UnknownColumn(missing, schema.names())
    for name in (*targets, label):
        if name in read or name in known:
            raise FeatureDefinitionError(
                name or "", "is a fit-only column (a label or target), so it cannot be an input"
            )
    for name in targets:
        if not (schema[name].is_numeric() or isinstance(schema[name], pl.Boolean)):
            raise DtypeMismatch(name, str(schema[name]), "a number or bool", "a fit-only target")
    columns = [known.get(name) or column_of(name, schema[name]) for name in read]
    check_schema(columns, schema)
    made = Draft(inputs=tuple(columns), kinds=[column.kind for column in columns])
    shown = [_shown(made, one) for one in features]
    for step, names in zip(made.steps, made.targets, strict=True):
        if label in names and not step.op.label_safe:
            raise FeatureDefinitionError(
                step.name, f"would leak the label {label!r} into the matrix; use target_mean"
            )
    return made, shown


def _shown(made: Draft, feature: Feature) -> int:
    value = made.add(feature)
    if made.kinds[value] != "double":
        raise DtypeMismatch(
            feature.name, made.kinds[value], "double", "the matrix (use one_hot, ordinal, ...)"
        )
    return value


def _columns(source: str | Feature) -> Iterator[str]:
    if isinstance(source, str):
        yield source
    else:
        for one in source.inputs:
            yield from _columns(one)


def _targets(source: str | Feature) -> Iterator[str]:
    if isinstance(source, Feature):
        yield from source.targets
        for one in source.inputs:
            yield from _targets(one)


def fit(
    features: Sequence[Feature],
    declared: Sequence[Column],
    train: pl.DataFrame | pl.LazyFrame,
    label: str | None,
) -> tuple[FeatureSpec, pl.DataFrame]:
    """Fit on the training rows; return the spec and the training matrix."""
    made, shown = draft(features, declared, train.collect_schema(), label)
    targets = list(dict.fromkeys(name for names in made.targets for name in names))
    labels = [] if label is None else [label]
    picked = [*(column.name for column in made.inputs), *targets, *labels]
    frame = train.lazy().select(list(dict.fromkeys(picked))).collect(engine="in-memory")
    work = work_frame(admit(made.inputs, frame))
    numbers = {name: frame[name].cast(pl.Float64).fill_nan(None) for name in targets}
    fitted: list[Step] = []
    for value, (step, wanted) in enumerate(
        zip(made.steps, made.targets, strict=True), start=len(made.inputs)
    ):
        rows = Training(
            name=step.name,
            columns=tuple(work[column_name(place)] for place in step.reads),
            targets=tuple(numbers[name] for name in wanted),
        )
        op = step.op.fit(rows)
        if place_of(type(op)) is not None:  # dagrun's own ops are linted by its tests
            require(op, step.name, [made.kinds[place] for place in step.reads])
        fitted.append(Step(name=step.name, op=op, reads=step.reads, targets=wanted))
        special = op.out_of_fold(rows)
        if special is None:
            work = work.with_columns(expressions(fitted[-1], value))
        else:
            work = work.with_columns(special.alias(column_name(value)))
    outputs = tuple(_outputs(features, shown, fitted, len(made.inputs)))
    _check_names([output.name for output in outputs], label)
    spec = FeatureSpec(inputs=made.inputs, steps=tuple(fitted), outputs=outputs, label=label)
    matrix = work.select(output.expression() for output in outputs)
    return spec, matrix.with_columns(frame[name] for name in labels)


def _outputs(
    features: Sequence[Feature], shown: Sequence[int], steps: Sequence[Step], inputs: int
) -> Iterator[Output]:
    for feature, value in zip(features, shown, strict=True):
        op = steps[value - inputs].op
        parts = op.parts()
        if parts is None:
            yield Output(name=feature.name, value=value, integer=op.integer)
        else:
            for place, part in enumerate(parts):
                name = f"{feature.name}={part}"
                yield Output(name=name, value=value, part=place, integer=op.integer)


def _check_names(names: Sequence[str], label: str | None) -> None:
    seen: set[str] = set() if label is None else {label}
    for name in names:
        if name in seen:
            raise FeatureDefinitionError(name, "the name is taken twice; set it with name=...")
        seen.add(name)
