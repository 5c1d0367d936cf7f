"""How features are written down: an op over columns or over other features, under a name.

A feature is a frozen value; nothing is read or computed by defining one. Constructors such as
`standardize` return a tuple of features, one per input, and take column names, features and
tuples of features alike, so that they nest: `standardize(log1p("distance"))`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.op import Op
from dagrun.stages.ops.timing import UNTIMED, Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One op over its inputs.

    Attributes:
        name: the name of its column in the matrix; a one-hot's columns are `name=category`.
        op: the op with its settings, not fitted.
        inputs: columns of the frame, or features.
        targets: fit-only columns, absent when serving.
        timing: what it declares about time, for fitting only.
    """

    name: str
    op: Op
    inputs: tuple[str | Feature, ...]
    targets: tuple[str, ...] = ()
    timing: Timing = UNTIMED


Features: TypeAlias = tuple[Feature, ...]
Source: TypeAlias = "str | Feature | Sequence[str | Feature]"


def flatten(sources: Sequence[Source], op: str) -> list[str | Feature]:
    """Return the columns and features in `sources`, in order. `op` is named in errors."""
    found: list[str | Feature] = []
    for source in sources:
        if isinstance(source, str | Feature):
            found.append(source)
        elif isinstance(source, tuple | list):
            found.extend(flatten(source, op))
        else:
            raise FeatureDefinitionError(op, f"{source!r} is neither a column name nor a feature")
    if not found:
        raise FeatureDefinitionError(op, "it has no input; name at least one column")
    return found


def name_of(source: str | Feature) -> str:
    """Return the column's or the feature's name."""
    return source if isinstance(source, str) else source.name


def each(op: Op, sources: Sequence[Source], name: str | None, suffix: str) -> Features:
    """Return one feature per source, called `source_suffix` or by the template `name`.

    In a template `{}` stands for the source's name; several sources need it.
    """
    inputs = flatten(sources, op.op)
    if name is not None and len(inputs) > 1 and "{}" not in name:
        raise FeatureDefinitionError(name, f"{len(inputs)} inputs need a '{{}}' in the name")
    template = name if name is not None else "{}_" + suffix
    return tuple(
        Feature(name=template.replace("{}", name_of(one)), op=op, inputs=(one,)) for one in inputs
    )


def only(source: Source, op: str) -> str | Feature:
    """Return the single column or feature in `source`, for an op whose operands have roles."""
    found = flatten([source], op)
    if len(found) != 1:
        names = [name_of(one) for one in found]
        raise FeatureDefinitionError(op, f"takes one column or feature here, not {names}")
    return found[0]


def number(op: str, setting: str, value: float) -> float:
    """Return a setting as a finite float. Raises `FeatureDefinitionError`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FeatureDefinitionError(op, f"{setting} must be a number, not {value!r}")
    try:
        converted = float(value)
    except OverflowError:
        converted = float("inf")
    if converted - converted != 0.0:
        raise FeatureDefinitionError(op, f"{setting} must be finite, not {value!r}")
    return converted + 0.0


def whole(op: str, setting: str, value: int, least: int, most: int) -> int:
    """Return a setting that is a whole number in a range. Raises `FeatureDefinitionError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise FeatureDefinitionError(
            op, f"{setting} is a whole number from {least} to {most}, not {value!r}"
        )
    return value
