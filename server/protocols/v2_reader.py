"""From the tensors of a V2 request to the rows of a model: one tensor for each column.

Guarantee: a request of one row and one of many are read to the same values, and what one way
refuses the other refuses; `dagrun.server.protocols.v2_violations` says what is wrong. Beside
each column a tensor `<column>__valid` of BOOL may come, false where the column is null: what is
there then is not looked at. NaN in a float tensor is null, too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import polars as pl

from dagrun.engine.errors import DagrunError
from dagrun.server.protocols import v2_series
from dagrun.server.protocols.v2_tensor import (
    DATATYPES,
    NotExact,
    content_type,
    elements,
    one_of_bytes,
    row_count,
)
from dagrun.server.protocols.v2_values import CHECKS, TEXTS, Check, Scalar
from dagrun.stages.features import Column

VALID = "__valid"
_ONE, _ONE_BY_ONE = [1], [1, 1]
_NOT_SENT: Final = object()

Request = Any
"""A `ModelInferRequest`, whose class is made at run time."""


class NotRead(DagrunError):
    """A request does not fit the columns; `violations` says where."""


class _Cell(NamedTuple):
    """How the element of one row is read, raw or from a field of its contents, and checked."""

    unpack: Callable[[bytes], tuple[Any, ...]]
    contents: str
    check: Check | None
    is_text: bool


class V2Reader:
    """Reads requests for one model. It holds no state and may be used from any thread."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = {column.name: column for column in columns}
        self.masks = {
            column.name + VALID: place
            for place, column in enumerate(columns)
            if column.name + VALID not in self.columns
        }
        self._plan: Mapping[str, tuple[int, Mapping[str, _Cell]]] = {
            column.name: (
                place,
                {name: _cell(name, check) for name, check in CHECKS[column.kind].items()},
            )
            for place, column in enumerate(columns)
        }
        self._needed = tuple(place for place, column in enumerate(columns) if not column.nullable)

    def row(self, request: Request) -> list[Scalar]:
        """Return the only row of a request, in the order of the columns. Raises `NotRead`."""
        inputs, raws, plan = request.inputs, request.raw_input_contents, self._plan
        row: list[Any] = [_NOT_SENT] * len(plan)
        try:
            nulls = self._nulls(inputs, raws) if len(inputs) != len(plan) else ()
            raw = bool(raws)
            for tensor, data in zip(inputs, raws if raw else inputs, strict=True):
                name = tensor.name
                if nulls and name in self.masks:
                    continue
                place, cells = plan[name]
                unpack, contents, check, is_text = cells[tensor.datatype]
                shape = tensor.shape
                if shape not in (_ONE, _ONE_BY_ONE) or row[place] is not _NOT_SENT:
                    raise NotRead
                if is_text and tensor.parameters and content_type(tensor) not in TEXTS:
                    raise NotRead
                (value,) = unpack(data) if raw else getattr(data.contents, contents)
                if nulls and nulls[place]:
                    row[place] = None
                else:
                    row[place] = value if check is None else check(value)
        except (LookupError, ValueError, AttributeError, struct.error, NotExact):
            raise NotRead from None
        if _NOT_SENT in row:
            raise NotRead
        for place in self._needed:
            if row[place] is None or row[place] != row[place]:
                raise NotRead
        return row

    def _nulls(self, inputs: Sequence[Any], raws: Sequence[bytes]) -> list[bool]:
        """Return for each column whether the mask of the only row makes it null."""
        nulls = [False] * len(self._plan)
        seen = set()
        for number, tensor in enumerate(inputs):
            if (place := self.masks.get(tensor.name)) is not None:
                if tensor.datatype != "BOOL" or row_count(tensor) != 1 or place in seen:
                    raise NotRead
                seen.add(place)
                (valid,) = elements(tensor, raws[number] if raws else None, 1)
                nulls[place] = not valid
        return nulls

    def frame(self, request: Request) -> pl.DataFrame:
        """Return the rows of a request as a raw frame. Raises `NotRead`.

        Its columns are as wide as the tensors; the feature spec admits them exactly, or raises.
        """
        raws: Sequence[bytes | None] = request.raw_input_contents or [None] * len(request.inputs)
        try:
            tensors = {
                tensor.name: (tensor, raw) for tensor, raw in zip(request.inputs, raws, strict=True)
            }
            rows = {row_count(tensor) for tensor in request.inputs}
            known = tensors.keys() <= self.columns.keys() | self.masks.keys()
            if len(tensors) != len(request.inputs) or len(rows) != 1 or not known:
                raise NotRead
            count = rows.pop()
            found = []
            for name, column in self.columns.items():
                masked = tensors.get(name + VALID) if name + VALID in self.masks else None
                valid = v2_series.mask(*masked, count) if masked else None
                series = v2_series.column(column, *tensors[name], count, valid)
                found.append(series.alias(name))
        except (LookupError, ValueError, *v2_series.PROBLEMS) as error:
            raise NotRead(str(error)) from error
        return pl.DataFrame(found)


def drop(request: Request, columns: Collection[str]) -> bool:
    """Take the tensors of these columns, and their masks, out of a request; return if any were."""
    inputs, raws = request.inputs, request.raw_input_contents
    found = [
        number
        for number, tensor in enumerate(inputs)
        if tensor.name in columns or tensor.name.removesuffix(VALID) in columns
    ]
    if not found or (raws and len(raws) != len(inputs)):
        return False
    for number in reversed(found):
        del inputs[number]
        if raws:
            del raws[number]
    return True


def _cell(datatype: str, check: Check | None) -> _Cell:
    contents, code, _ = DATATYPES[datatype]
    unpack = struct.Struct(f"<{code}").unpack if code else one_of_bytes
    return _Cell(unpack, contents, check, not code)
