"""Why a V2 request is refused: everything that is wrong with it, by tensor and row.

Guarantee: a request that `V2Reader` does not read yields at least one violation. It takes one step
for each element, so it is asked only then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dagrun.engine.errors import listing, nearest
from dagrun.server.protocols.v2_reader import VALID, Request, V2Reader
from dagrun.server.protocols.v2_tensor import NotExact, Tensor, elements, row_count
from dagrun.server.protocols.v2_values import CHECKS, check_of
from dagrun.server.serving.refusals import Violation, shortened
from dagrun.stages.features import Column

_Read = tuple[Tensor, Sequence[Any]]


def violations(reader: V2Reader, request: Request) -> Iterator[Violation]:
    """Yield what is wrong with the tensors of a request."""
    inputs, raws = list(request.inputs), list(request.raw_input_contents)
    if raws and len(raws) != len(inputs):
        problem = (
            f"holds {len(raws)} tensors for {len(inputs)} inputs; a raw request has every input "
            "there, in order (shared memory is not offered)"
        )
        yield Violation("raw_input_contents", problem)
        return
    seen: dict[str, _Read] = {}
    rows = None
    for tensor, raw in zip(inputs, raws or [None] * len(inputs), strict=True):
        try:
            count = row_count(tensor)
            rows = count if rows is None else rows
            _check_name(reader, tensor.name, seen)
            if count != rows:
                raise NotExact(f"has {count} rows, and {inputs[0].name[:80]!r} has {rows}")
            _check_datatype(reader, tensor)
            seen[tensor.name] = tensor, elements(tensor, raw, count)
        except NotExact as error:
            yield Violation(f"inputs.{shortened(tensor.name)}", str(error))
    named = {tensor.name for tensor in inputs}
    for column in reader.columns.values():
        if column.name not in named:
            yield Violation(f"inputs.{column.name}", f"is missing{_how_to_send_null(column)}")
        elif column.name in seen:
            masked = seen.get(column.name + VALID) if column.name + VALID in reader.masks else None
            valid = masked[1] if masked else None
            yield from _wrong_elements(column, *seen[column.name], valid)


def _check_name(reader: V2Reader, name: str, seen: Mapping[str, _Read]) -> None:
    if name in seen:
        raise NotExact("is there twice")
    if name not in reader.columns and name not in reader.masks:
        known = list(reader.columns)
        hint = nearest(name[:80], known) or f" Columns: {listing(known)}"
        raise NotExact(f"the model has no such column.{hint}")


def _check_datatype(reader: V2Reader, tensor: Tensor) -> None:
    column = reader.columns.get(tensor.name)
    if column is not None:
        check_of(column, tensor)
    elif tensor.datatype != "BOOL":
        raise NotExact(f"is {shortened(tensor.datatype)}; it takes BOOL")


def _how_to_send_null(column: Column) -> str:
    if not column.nullable:
        return ""
    nan = "NaN, or " if "FP64" in CHECKS[column.kind] else ""
    return f"; for nulls send {nan}false in a BOOL tensor {column.name + VALID!r}"


def _wrong_elements(
    column: Column, tensor: Tensor, found: Sequence[Any], valid: Sequence[bool] | None
) -> Iterator[Violation]:
    check = check_of(column, tensor)
    for row, element in enumerate(found):
        try:
            value = element
            if valid is not None and not valid[row]:
                value = None
            elif check is not None:
                value = check(element)
            if column.nullable or (value is not None and value == value):
                continue
            problem = f"is null; the model needs a value of {column.kind}"
        except NotExact as error:
            problem = str(error)
        yield Violation(f"inputs.{shortened(column.name)}[{row}]", problem)
