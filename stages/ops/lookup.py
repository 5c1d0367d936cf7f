"""lookup: what a table that the user gives says about a key.

The table is part of the feature's definition: nothing is learnt from the training rows, and the
spec carries it, frozen, to wherever the model is served.
"""

# ruff: noqa: ARG002, D102 - the twins are documented at `Op`

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Feature, Features, Source, flatten, name_of, number
from dagrun.stages.ops.errors import DtypeMismatch, FeatureDefinitionError
from dagrun.stages.ops.given import GivenTable, given, keys_of, kind_of, values_of
from dagrun.stages.ops.kind import KEY, Kind
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.table import Table, Value, make_table

_TYPES: dict[Kind, type] = {"int64": int, "string": str, "bool": bool}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup(Op):
    """The value that a given table has for a key; `default` for keys that it lacks.

    A null in the key gives null, and so does a key whose value is null in the table. The result
    has the kind of the value column: double, int64, string, bool or date, so that other ops can
    read it: `one_hot(lookup(...))`.
    Twin: a left join in SQL, `tft.apply_vocabulary`, feature-engine `MatchVariables` with a join.
    """

    op = "lookup"
    takes = (KEY,)
    keys: tuple[Kind, ...]
    value: Kind
    table: Table
    default: Value

    def result(self, kinds: Sequence[Kind]) -> Kind:
        return self.value

    def settle(self, name: str, kinds: Sequence[Kind]) -> Self:
        for place, (found, wanted) in enumerate(zip(kinds, self.keys, strict=True)):
            if found != wanted:
                raise DtypeMismatch(
                    f"key {place + 1} of {name}", found, wanted, "the table of the lookup"
                )
        return self

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return self.table.batch(x, self.default)

    def row(self, x: Names) -> str:
        null = math.nan if self.value == "double" else None
        found = {key: null if v is None else v for key, v in self.table.row().items()}
        other = repr(null if self.default is None else self.default)
        if len(x) == 1:
            return f"{x.bind({**found, None: null}.get, f'{x[0]}_table')}({x[0]}, {other})"
        key, missing = ", ".join(x), " or ".join(x.null(place) for place in range(len(x)))
        return f"{null!r} if {missing} else {x.bind(found.get, 'table')}(({key}), {other})"


@checked
def lookup(
    columns: Source,
    *,
    table: GivenTable,
    value: str | Sequence[str],
    key: str | Sequence[str] | None = None,
    default: float | str | bool | None = None,
    name: str | None = None,
) -> Features:
    """Look up a key in a table of your own: `lookup("dest", table=airports, value="alt")`.

    Several columns are one key of several parts. `key` names the table's key columns, by default
    those that are called like `columns`; `value` names one or several value columns, each a
    feature `column_value`. Keys that the table lacks get `default` (null unless given), which has
    the type of the value column. The table is read now, at definition. A key that stands there
    twice, or is null, is refused.
    """
    inputs = tuple(flatten([columns], "lookup"))
    keys = [name_of(one) for one in inputs] if key is None else _listed(key)
    if len(keys) != len(inputs):
        raise FeatureDefinitionError("lookup", f"{len(inputs)} columns for the keys {keys}")
    wanted = _listed(value)
    if name is not None and len(wanted) > 1 and "{}" not in name:
        raise FeatureDefinitionError(name, f"{len(wanted)} values need a '{{}}' in the name")
    template = "_".join(name_of(one) for one in inputs) + "_{}" if name is None else name
    frame = given("lookup", table, [*keys, *wanted])
    kinds, rows = keys_of("lookup", frame.select(keys))
    made = []
    for column in frame.select(wanted):
        kind = kind_of("lookup", column)
        values = values_of("lookup", column, kind)
        if values.null_count() == len(values):
            raise FeatureDefinitionError("lookup", f"the table's {column.name!r} has no value")
        op = Lookup(
            keys=kinds,
            value=kind,
            table=make_table(dict(zip(rows, values, strict=True))),
            default=_default(column.name, kind, default),
        )
        made.append(Feature(name=template.replace("{}", column.name), op=op, inputs=inputs))
    return tuple(made)


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _default(column: str, kind: Kind, default: object) -> Value:
    if default is None:
        return None
    if kind == "double" and isinstance(default, int | float):
        return number("lookup", "default", default)
    if type(default) is not _TYPES.get(kind):
        raise FeatureDefinitionError(
            "lookup", f"default is {default!r}, but the table's {column!r} is {kind}"
        )
    if isinstance(default, int) and not -(2**63) <= default < 2**63:
        raise FeatureDefinitionError("lookup", f"default {default} does not fit int64")
    assert isinstance(default, str | int | bool)
    return default
