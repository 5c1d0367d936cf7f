"""From answered rows to Arrow, in the columns of the prediction log.

Guarantee: a raw value is kept as it was sent, bit by bit (a NaN is not made a null), a margin and
a prediction as they were answered. A row takes less than a microsecond; the interpreter's lock is
held meanwhile, so give a few hundred at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from dagrun.stages.bundle.logged import RAW

if TYPE_CHECKING:
    from dagrun.server.serving.models import ServedModel

_NANOSECONDS = pa.timestamp("ns", "UTC")
_OWN = (
    ("time", pa.timestamp("us", "UTC")),
    ("request_id", pa.string()),
    ("key", pa.string()),
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

Row = tuple[Any, ...]
"""A row as it is kept: the model, nanoseconds since the epoch, request id, key and arm (or None),
margin, prediction, and the raw values as the row function takes them."""


class Table(NamedTuple):
    """A table that was answered: the frame that was sent, what `score` gave for it, and what the
    caller called the request."""

    model: ServedModel
    at: int
    frame: pl.DataFrame
    scores: pl.DataFrame
    request_id: str


class Shape:
    """The columns of one model's files, but those that are the same in every row."""

    def __init__(self, model: ServedModel) -> None:
        self._inputs = model.bundle.spec.inputs
        raw = [(RAW + column.name, _RAW[column.kind]) for column in self._inputs]
        self.schema = pa.schema([*_OWN, *raw])
        self._types = [_NANOSECONDS, *self.schema.types[1:]]
        version = model.version.version if model.version else 0
        self._constants = {"served": pa.scalar(model.name), "version": pa.scalar(version)}

    def from_rows(self, rows: Sequence[Row]) -> pa.Table:
        """Return rows of the model as Arrow."""
        _, *columns = zip(*rows, strict=True)
        arrays = [
            pa.array(values, kind, from_pandas=False)
            for values, kind in zip(columns, self._types, strict=True)
        ]
        arrays[0] = arrays[0].cast(self.schema.types[0], safe=False)
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def from_tables(self, tables: Sequence[Table]) -> pa.Table:
        """Return the rows of tables that have the same columns as Arrow."""
        scores = pl.concat([table.scores for table in tables])
        prediction = scores["value" if "value" in scores.columns else "probability"]
        # A regression's value is its margin.
        margin = scores["margin"] if "margin" in scores.columns else prediction
        sizes = [len(table.frame) for table in tables]
        at = np.repeat([table.at // 1000 for table in tables], sizes)
        asked = pl.Series([table.request_id or None for table in tables], dtype=pl.String)
        own = {
            "time": pl.lit(pl.Series(at, dtype=pl.Int64)).cast(pl.Datetime("us", "UTC")),
            "request_id": pl.lit(asked.gather(np.repeat(np.arange(len(tables)), sizes))),
            "key": pl.lit(None, pl.String),
            "arm": pl.lit(tables[0].model.labels.arm or None, pl.String),
            "margin": pl.lit(margin),
            "prediction": pl.lit(prediction),
        }
        raw = {
            RAW + column.name: pl.col(column.name).cast(column.frame_dtype)
            for column in self._inputs
        }
        frame = pl.concat([table.frame for table in tables])
        return frame.select(**own, **raw).to_arrow().cast(self.schema)

    def whole(self, parts: Sequence[pa.Table]) -> pa.Table:
        """Return the parts as one table with all columns of a file."""
        table = pa.concat_tables(parts)
        for name, value in self._constants.items():
            table = table.append_column(name, pa.repeat(value, len(table)))
        return table
