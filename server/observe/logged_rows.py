"""From answered requests to Arrow, in the columns of the prediction log.

Guarantee: a raw value is kept as it was sent, bit by bit (a NaN is not made a null), a margin and
a prediction as they were answered. A row takes about half a microsecond; the interpreter's lock is
held meanwhile, so give a few hundred at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import pyarrow as pa

from dagrun.stages.bundle.logged import RAW

if TYPE_CHECKING:
    from dagrun.server.serving.models import ServedModel

_OWN = (
    ("time", pa.timestamp("us", "UTC")),
    ("request_id", pa.string()),
    ("key", pa.string()),
    ("served", pa.string()),
    ("version", pa.int64()),
    ("arm", pa.string()),
    ("margin", pa.float32()),
    ("prediction", pa.float32()),
)
_RAW = {
    "double": pa.float64(),
    "int64": pa.int64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "instant": pa.timestamp("us", "UTC"),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
}


class Answered(NamedTuple):
    """A request that was answered with scores.

    Attributes:
        model: what answered.
        at: when, in nanoseconds since the epoch.
        request_id: what the caller called it, or "".
        arm: the arm of a split, or "".
        keys: what the caller called each row, or "".
        rows: the raw rows as the row function takes them.
        scores: margin and prediction of each.
    """

    model: ServedModel
    at: int
    request_id: str
    arm: str
    keys: Sequence[str]
    rows: Sequence[Sequence[object]]
    scores: Sequence[tuple[float, float]]


class AnsweredTable(NamedTuple):
    """A table that was answered with scores; see `Answered`. `rows` has the model's columns."""

    model: ServedModel
    at: int
    request_id: str
    arm: str
    rows: pl.DataFrame
    margins: pl.Series
    predictions: pl.Series


def schema_of(model: ServedModel) -> pa.Schema:
    """Return the columns of the model's files."""
    raw = [(RAW + column.name, _RAW[column.kind]) for column in model.bundle.spec.inputs]
    return pa.schema([*_OWN, *raw])


def from_rows(requests: Sequence[Answered]) -> pa.Table:
    """Return the rows of requests that one model answered, in their order."""
    model = requests[0].model
    schema = schema_of(model)
    each = [request for request in requests for _ in request.rows]
    margins, predictions = zip(*(pair for one in requests for pair in one.scores), strict=True)
    values = [
        [request.at // 1000 for request in each],
        [request.request_id or None for request in each],
        [key or None for request in requests for key in request.keys],
        pa.repeat(model.name, len(each)),
        pa.repeat(pa.scalar(_version(model), pa.int64()), len(each)),
        [request.arm or None for request in each],
        margins,
        predictions,
        *zip(*(row for request in requests for row in request.rows), strict=True),
    ]
    return pa.Table.from_arrays(list(map(_array, values, schema.types)), schema=schema)


def from_table(request: AnsweredTable) -> pa.Table:
    """Return the rows of a table."""
    model, rows = request.model, request.rows
    columns = [
        pl.lit(request.at // 1000).cast(pl.Datetime("us", "UTC")).alias("time"),
        pl.lit(request.request_id or None, pl.String).alias("request_id"),
        pl.lit(None, pl.String).alias("key"),
        pl.lit(model.name).alias("served"),
        pl.lit(_version(model), pl.Int64).alias("version"),
        pl.lit(request.arm or None, pl.String).alias("arm"),
        pl.lit(request.margins).alias("margin"),
        pl.lit(request.predictions).alias("prediction"),
        *(
            pl.col(column.name).cast(column.frame_dtype).alias(RAW + column.name)
            for column in model.bundle.spec.inputs
        ),
    ]
    return rows.select(columns).to_arrow().cast(schema_of(model))


def _array(values: object, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind, from_pandas=False)


def _version(model: ServedModel) -> int:
    return model.version.version if model.version else 0
