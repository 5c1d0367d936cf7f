"""The spec as a document: canonical JSON, versioned, with large tables beside it as Parquet.

Guarantee: reading what was written gives an equal spec and writing it again equal bytes. Floats
stand in decimal for people and in hexadecimal for machines. The limit: the Parquet bytes of a
table, and so the digest of a spec that has one, may differ between versions of Polars.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from dagrun.engine.canonical import digest_bytes
from dagrun.engine.errors import DefinitionError, UnknownVersion
from dagrun.stages.features.column import Column
from dagrun.stages.features.knowledge import TimeRules
from dagrun.stages.features.step import Output, Step
from dagrun.stages.features.typed import check_fields
from dagrun.stages.ops import custom
from dagrun.stages.ops.catalog import OPS
from dagrun.stages.ops.errors import SpecDamaged, UnknownOp
from dagrun.stages.ops.op import Op
from dagrun.stages.ops.table import Table, read_table
from dagrun.stages.ops.vectors import Vectors, read_vectors

FORMAT = "dagrun.features"
VERSION = 1
INLINE = 256
"""Tables of at most this many rows stand in the document itself; vectors never do."""

_INCOMPLETE = (
    *(LookupError, TypeError, ValueError, AttributeError, OverflowError),
    DefinitionError,
)
Parts = tuple[
    tuple[Column, ...], tuple[Step, ...], tuple[Output, ...], str | None, TimeRules | None
]


def write_document(
    inputs: Sequence[Column],
    steps: Sequence[Step],
    outputs: Sequence[Output],
    label: str | None,
    time: TimeRules | None,
) -> tuple[dict[str, object], Mapping[str, bytes]]:
    """Return the document's JSON form and the tables it names, by digest."""
    tables: dict[str, bytes] = {}
    form: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "inputs": [_column_form(column) for column in inputs],
        "steps": [_step_form(step, tables) for step in steps],
        "features": [_output_form(output) for output in outputs],
        "label": label,
    }
    if time is not None:
        form["time"] = {**asdict(time), "known_after": dict(time.known_after)}
    return form, dict(sorted(tables.items()))


# What is declared about time is left out where nothing is, as by those who wrote documents before.
def _column_form(column: Column) -> dict[str, object]:
    form = asdict(column)
    if column.available_since is None:
        del form["earlier"]
    return form


def _output_form(output: Output) -> dict[str, object]:
    form = asdict(output)
    if output.available_since is None:
        del form["available_since"]
    return form


def _step_form(step: Step, tables: dict[str, bytes]) -> dict[str, object]:
    op = step.op
    state = {field.name: _form(getattr(op, field.name), tables) for field in fields(op)}
    form = {"name": step.name, "op": op.op, "version": op.version, "reads": list(step.reads)}
    # Left out where there are none, as by those who wrote documents before there were any.
    targets = {"targets": list(step.targets)} if step.targets else {}
    place = custom.place_of(type(op))
    found = {} if place is None else {"place": place, "code": dict(custom.code_of(type(op)))}
    as_of = {} if step.as_of is None else {"as_of": step.as_of}
    return {**form, **as_of, **targets, **found, "state": state}


def _form(value: object, tables: dict[str, bytes]) -> object:
    if isinstance(value, float):
        return {"dec": repr(value), "hex": value.hex()}
    if isinstance(value, tuple):
        return [_form(item, tables) for item in value]
    if isinstance(value, Table):
        if len(value) <= INLINE:
            return {"keys": _form(value.keys, tables), "values": _form(value.values, tables)}
        return {"table": _blob(value, tables)}
    if isinstance(value, Vectors):
        return {"vectors": _blob(value, tables)}
    return value


def _blob(value: Table | Vectors, tables: dict[str, bytes]) -> str:
    data = value.to_parquet()
    digest = digest_bytes(data)
    tables[digest] = data
    return digest


def read_document(data: bytes, tables: Mapping[str, bytes]) -> Parts:
    """Return inputs, steps, features, label and time. Raises as `FeatureSpec.from_bytes` says."""
    what = "the feature spec"
    try:
        form = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SpecDamaged(what, f"is not JSON ({error})") from error
    if not isinstance(form, dict) or form.get("format") != FORMAT:
        raise SpecDamaged(what, f"is not a document of format {FORMAT!r}")
    if form.get("version") != VERSION:
        raise UnknownVersion(what, form.get("version"), VERSION)
    try:
        inputs = tuple(Column(**column) for column in form["inputs"])
        steps = tuple(_read_step(step, tables) for step in form["steps"])
        outputs = tuple(Output(**output) for output in form["features"])
        label, time = form["label"], _read_time(form.get("time"))
        if not isinstance(label, str | None):
            raise TypeError(f"the label {label!r} is no name")
        for part in (*inputs, *steps, *outputs, *([] if time is None else [time])):
            check_fields(part, what)
        _check_places(inputs, steps, outputs)
    except _INCOMPLETE as error:
        raise SpecDamaged(what, f"is incomplete ({type(error).__name__}: {error})") from error
    return inputs, steps, outputs, label, time


def _read_time(form: Mapping[str, Any] | None) -> TimeRules | None:
    if form is None:
        return None
    return TimeRules(**{**form, "known_after": tuple(sorted(form["known_after"].items()))})


def _read_step(form: Mapping[str, Any], tables: Mapping[str, bytes]) -> Step:
    kind = _kind(form)
    state = {name: _value(item, tables) for name, item in form["state"].items()}
    if set(state) != {field.name for field in fields(kind)}:
        raise SpecDamaged(f"op {kind.op!r} of the feature spec", f"has the state {sorted(state)}")
    op: Op = kind(**state)
    check_fields(op, f"op {kind.op!r} of the feature spec")
    return Step(
        name=form["name"],
        op=op,
        reads=tuple(form["reads"]),
        targets=tuple(form.get("targets", ())),
        as_of=form.get("as_of"),
    )


def _kind(form: Mapping[str, Any]) -> type[Op]:
    name, version = form["op"], form["version"]
    if "place" in form:
        return custom.find(name, version, form["place"], form["code"])
    kind = OPS.get(name)
    if kind is None:
        raise UnknownOp(name, OPS)
    if version != kind.version:
        raise UnknownVersion(f"op {name!r} of the feature spec", version, kind.version)
    return kind


def _value(form: Any, tables: Mapping[str, bytes]) -> Any:
    if isinstance(form, list):
        return tuple(_value(item, tables) for item in form)
    if isinstance(form, dict):
        if "hex" in form:
            number = float.fromhex(form["hex"])
            if form.get("dec") != repr(number):
                raise SpecDamaged("the feature spec", f"says {form}, two different numbers")
            return number
        if "table" in form:
            return read_table(form["table"], tables)
        if "vectors" in form:
            return read_vectors(form["vectors"], tables)
        table = Table(keys=_value(form["keys"], tables), values=_value(form["values"], tables))
        check_fields(table, "a table of the feature spec")
        if {len(key) for key in table.keys} != {len(table)}:
            raise SpecDamaged("a table of the feature spec", "has columns of other lengths")
        for column in (*table.keys, [value for value in table.values if value is not None]):
            if len(set(map(type, column))) != 1:
                raise SpecDamaged("a table of the feature spec", "has values of several types")
        return table
    return form


def _check_places(
    inputs: Sequence[Column], steps: Sequence[Step], outputs: Sequence[Output]
) -> None:
    what = "the feature spec"
    kinds = [column.kind for column in inputs]
    for step in steps:
        if not step.reads or not all(0 <= read < len(kinds) for read in step.reads):
            raise SpecDamaged(what, f"has a step {step.name!r} that reads ahead")
        reads, takes = [kinds[read] for read in step.reads], step.op.takes
        for place, kind in enumerate(reads):
            if kind not in takes[min(place, len(takes) - 1)]:
                raise SpecDamaged(what, f"has a step {step.name!r} that reads a {kind}")
        kinds.append(step.op.result(reads))
    for output in outputs:
        if not len(inputs) <= output.value < len(kinds):
            raise SpecDamaged(what, "has a feature without a step")
        parts = steps[output.value - len(inputs)].op.parts()
        if (output.part is None) != (parts is None) or (
            parts is not None and not 0 <= (output.part or 0) < len(parts)
        ):
            raise SpecDamaged(what, f"has a feature {output.name!r} that its step does not give")
