"""A fitted spec as facts for readers: what each feature is computed from, by what, with what state.

Guarantee: every output column of the spec belongs to exactly one of its features, in order; the
facts are read off the steps themselves, so they say nothing that is not computed. Fields of an op
without a default are its settings, those with one its state, unless the op neither settles nor
fits anything: then all are settings.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import MISSING, dataclass, fields, replace

from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.features.step import Output, Step
from dagrun.stages.ops.op import Op
from dagrun.stages.ops.table import Table
from dagrun.stages.ops.vectors import Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFacts:
    """One feature: a column of the matrix, or all columns of an op that gives several.

    Attributes:
        name: its name; the columns of several are `name=part`.
        columns: its columns in the matrix.
        dtype: Float32 or Int32, of each.
        value: the number of the value that it shows.
        steps: places of all steps it is computed by, in order; the last one makes the value.
        available_since: moment before which training rows had none, if declared.
    """

    name: str
    columns: tuple[str, ...]
    dtype: str
    value: int
    steps: tuple[int, ...]
    available_since: str | None = None


def features_of(spec: FeatureSpec) -> tuple[FeatureFacts, ...]:
    """Return the features of a spec, in the order of the matrix."""
    found: list[FeatureFacts] = []
    for output in spec.outputs:
        name = base_name(spec, output)
        if output.part and found and (found[-1].value, found[-1].name) == (output.value, name):
            found[-1] = replace(found[-1], columns=(*found[-1].columns, output.name))
            continue
        found.append(
            FeatureFacts(
                name=name,
                columns=(output.name,),
                dtype="Int32" if output.integer else "Float32",
                value=output.value,
                steps=steps_below(spec, [output.value]),
                available_since=output.available_since,
            )
        )
    return tuple(found)


def base_name(spec: FeatureSpec, output: Output) -> str:
    """Return the feature's name, which for a column of several is the text before its part."""
    if output.part is None:
        return output.name
    parts = spec.steps[output.value - len(spec.inputs)].op.parts() or ()
    return output.name.removesuffix(f"={parts[output.part]}")


def steps_below(spec: FeatureSpec, values: Sequence[int]) -> tuple[int, ...]:
    """Return the places of all steps that `values` are computed by, in order."""
    count, wanted = len(spec.inputs), set(values)
    for place in range(len(spec.steps) - 1, -1, -1):
        if count + place in wanted:
            wanted.update(spec.steps[place].reads)
    return tuple(value - count for value in sorted(wanted) if value >= count)


def inputs_below(spec: FeatureSpec, steps: Sequence[int]) -> tuple[int, ...]:
    """Return the places of the input columns that `steps` read."""
    reads = {read for place in steps for read in spec.steps[place].reads}
    return tuple(place for place in sorted(reads) if place < len(spec.inputs))


def restricted(spec: FeatureSpec, columns: Collection[str]) -> FeatureSpec:
    """Return the spec of these output columns alone, with the inputs and steps that they need."""
    kept = [output for output in spec.outputs if output.name in columns]
    steps = steps_below(spec, [output.value for output in kept])
    inputs = inputs_below(spec, steps)
    count = len(spec.inputs)
    values = [*inputs, *(count + place for place in steps)]
    number = {value: place for place, value in enumerate(values)}
    return FeatureSpec(
        inputs=tuple(spec.inputs[place] for place in inputs),
        steps=tuple(_moved(spec.steps[place], number) for place in steps),
        outputs=tuple(replace(output, value=number[output.value]) for output in kept),
        label=spec.label,
        time=spec.time,
    )


def _moved(step: Step, number: dict[int, int]) -> Step:
    return replace(step, reads=tuple(number[read] for read in step.reads))


def settings_of(op: Op) -> dict[str, object]:
    """Return what was set when the op was written down."""
    fixed = type(op).fit is Op.fit and type(op).settle is Op.settle
    return {
        field.name: getattr(op, field.name)
        for field in fields(op)
        if fixed or (field.default is MISSING and field.default_factory is MISSING)
    }


def state_of(op: Op) -> dict[str, object]:
    """Return what the op took from its inputs' kinds and the training rows."""
    settings = settings_of(op)
    return {
        field.name: getattr(op, field.name) for field in fields(op) if field.name not in settings
    }


def formula(spec: FeatureSpec, value: int) -> str:
    """Return how a value is computed, as nested ops: `standardize(log1p(distance))`."""
    count = len(spec.inputs)
    if value < count:
        return spec.inputs[value].name
    step = spec.steps[value - count]
    reads = [formula(spec, read) for read in step.reads]
    targets = [f"of={name}" for name in step.targets]
    settings = [
        f"{name}={setting_text(setting)}"
        for name, setting in settings_of(step.op).items()
        if setting is not None
    ]
    return f"{step.op.op}({', '.join([*reads, *targets, *settings])})"


def setting_text(value: object) -> str:
    """Return a setting as one reads it; the document has it exactly."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(setting_text, value))}]"
    if isinstance(value, Table | Vectors):
        return f"{len(value):,} keys"
    return str(value)
