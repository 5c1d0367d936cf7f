"""Fitting: from features and training rows to a feature spec and the training matrix.

Names, kinds and targets are settled on the frame's schema first; only then is a row read. Steps
are fitted in order, each on what its predecessors give the training rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from dagrun.stages.features.column import Column, admit, check_schema, column_of
from dagrun.stages.features.fitting import Fitting
from dagrun.stages.features.knowledge import Clock, TimeRules, read_clock
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.features.step import Output, Step
from dagrun.stages.lint import require
from dagrun.stages.ops.custom import check as check_custom
from dagrun.stages.ops.custom import place_of
from dagrun.stages.ops.define import Feature
from dagrun.stages.ops.errors import DtypeMismatch, FeatureDefinitionError, UnknownColumn
from dagrun.stages.ops.kind import NUMBER, WIDENED, Kind
from dagrun.stages.ops.numeric import Cast
from dagrun.stages.ops.op import Op
from dagrun.stages.ops.timing import UNTIMED, Timing, write_moment


@dataclass(slots=True, kw_only=True)
class Draft:
    """Steps in order, before they are fitted; equal ops on equal inputs are one step."""

    inputs: tuple[Column, ...]
    steps: list[Step] = field(default_factory=list)
    targets: list[tuple[str, ...]] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    _known: dict[tuple[Op, tuple[int, ...], tuple[str, ...], Timing], int] = field(
        default_factory=dict
    )

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
        return self._step(source.name, source.op, tuple(reads), source.targets, source.timing)

    def _accepted(self, reader: Feature, value: int, accepted: frozenset[Kind]) -> int:
        kind = self.kinds[value]
        if kind in accepted:
            return value
        if kind in WIDENED and accepted >= NUMBER:
            return self.widened(value)
        wanted = " or ".join(sorted(accepted))
        reading = f"{reader.op.op} of feature {reader.name!r}"
        raise DtypeMismatch(self.name(value), kind, wanted, reading)

    def widened(self, value: int) -> int:
        """Return the number of the value as a double, where it is an int64 or a bool."""
        if self.kinds[value] not in WIDENED:
            return value
        return self._step(f"{self.name(value)}_number", Cast(), (value,), (), UNTIMED)

    def name(self, value: int) -> str:
        """Return the name of an input or step."""
        count = len(self.inputs)
        return self.inputs[value].name if value < count else self.steps[value - count].name

    def _step(
        self, name: str, op: Op, reads: tuple[int, ...], targets: tuple[str, ...], timing: Timing
    ) -> int:
        identity = (op, reads, targets, timing)
        if identity not in self._known:
            self._known[identity] = len(self.kinds)
            check_custom(op, name)
            kinds = [self.kinds[place] for place in reads]
            self.kinds.append(op.result(kinds))
            settled = op.settle(name, kinds)
            self.steps.append(Step(name=name, op=settled, reads=reads, targets=targets))
            self.targets.append(targets)
            self.timings.append(timing)
        return self._known[identity]


def draft(
    features: Sequence[Feature],
    declared: Sequence[Column],
    schema: pl.Schema,
    label: str | None,
    time: TimeRules | None,
) -> tuple[Draft, list[int]]:
    """Return the steps for `features` and the number of each feature's value.

    Raises `UnknownColumn`, `DtypeMismatch` or `FeatureDefinitionError`; reads no row.
    """
    read = list(dict.fromkeys(name for one in features for name in _columns(one)))
    targets = list(dict.fromkeys(name for one in features for name in _targets(one)))
    known = {column.name: column for column in declared}
    timed = [] if time is None else [time.column, *dict(time.known_after)]
    wanted = [*read, *known, *targets, *([] if label is None else [label]), *timed]
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
    for step, names, timing in zip(made.steps, made.targets, made.timings, strict=True):
        if label in names and not (step.op.label_safe or timing.scheme == "past"):
            raise FeatureDefinitionError(
                step.name,
                f"would leak the label {label!r} into the matrix; use target_mean, "
                "or training='past'",
            )
    return made, shown


def _shown(made: Draft, feature: Feature) -> int:
    value = made.widened(made.add(feature))
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
    time: TimeRules | None = None,
) -> tuple[FeatureSpec, Callable[[], pl.DataFrame]]:
    """Fit on the training rows; return the spec and what makes the training matrix."""
    made, shown = draft(features, declared, train.collect_schema(), label, time)
    targets = list(dict.fromkeys(name for names in made.targets for name in names))
    labels = [] if label is None else [label]
    timed = [] if time is None else [time.column]
    picked = [*(column.name for column in made.inputs), *targets, *labels, *timed]
    frame = train.lazy().select(list(dict.fromkeys(picked))).collect(engine="in-memory")
    clock = read_clock(time, frame)
    admitted = admit(made.inputs, frame)
    fitting = Fitting(
        steps=dict(enumerate(made.steps, start=len(admitted))),
        timings=made.timings,
        known=dict(enumerate(admitted if clock is None else clock.masked(made.inputs, admitted))),
        clock=clock,
    )
    numbers = {name: frame[name].cast(pl.Float64).fill_nan(None) for name in targets}
    for value, names in enumerate(made.targets, start=len(admitted)):
        fitting.fit(value, {name: numbers[name] for name in names})
    steps = tuple(fitting.steps.values())
    for step in steps:
        if place_of(type(step.op)) is not None:  # dagrun's own ops are linted by its tests
            require(step.op, step.name, [made.kinds[place] for place in step.reads])
    outputs = tuple(_outputs(features, shown, steps, since_when(made, clock)))
    _check_names([output.name for output in outputs], label)
    spec = FeatureSpec(inputs=made.inputs, steps=steps, outputs=outputs, label=label, time=time)
    return spec, lambda: fitting.matrix(outputs).hstack([frame[name] for name in labels])


def _outputs(
    features: Sequence[Feature],
    shown: Sequence[int],
    steps: Sequence[Step],
    since: Sequence[str | None],
) -> Iterator[Output]:
    for feature, value in zip(features, shown, strict=True):
        op = steps[value - len(since) + len(steps)].op
        whole = feature.op.integer
        output = Output(name=feature.name, value=value, integer=whole, available_since=since[value])
        parts = op.parts()
        if parts is None:
            yield output
        else:
            for place, part in enumerate(parts):
                yield replace(output, name=f"{feature.name}={part}", part=place)


def since_when(made: Draft, clock: Clock | None) -> list[str | None]:
    """Return since when each value can be had: as late as the latest of what it is made of."""
    if clock is None:
        return [None] * len(made.kinds)
    declared = [
        *((column.name, column.available_since) for column in made.inputs),
        *((step.name, t.available_since) for step, t in zip(made.steps, made.timings, strict=True)),
    ]
    reads = [*(() for _ in made.inputs), *(step.reads for step in made.steps)]
    since: list[int | None] = []
    for (name, text), places in zip(declared, reads, strict=True):
        own = [] if text is None else [clock.moment(name, "available_since", text)]
        since.append(max([*own, *(s for p in places if (s := since[p]) is not None)], default=None))
    return [None if one is None else write_moment(one, clock.dtype) for one in since]


def _check_names(names: Sequence[str], label: str | None) -> None:
    seen: set[str] = set() if label is None else {label}
    for name in names:
        if name in seen:
            raise FeatureDefinitionError(name, "the name is taken twice; set it with name=...")
        seen.add(name)
