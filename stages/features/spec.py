"""The feature spec: fitted features as a value that transforms frames and rows alike.

Guarantee: `transform` on any number of rows and `row_function` give the same float32 bits for
the same row, on one host and one set of library versions. Where a spec holds an op without an
exact row twin, `row_exact` is False and `row_function` runs the batch twin on one row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.engine.canonical import digest, to_bytes
from dagrun.stages.features.column import Column, admit, check_schema
from dagrun.stages.features.document import read_document, write_document
from dagrun.stages.features.knowledge import TimeRules
from dagrun.stages.features.plan import Plan, Ready, collected, make_plan, value_frame
from dagrun.stages.features.row import RowFunction, RowWriter
from dagrun.stages.features.step import Output, Step, kinds_of


@dataclass(frozen=True, kw_only=True)  # without slots: derived values are computed once
class FeatureSpec:
    """Fitted features and the schema of their inputs.

    Attributes:
        inputs: the input columns, in the order of a row.
        steps: fitted ops; each reads inputs and earlier steps.
        outputs: the features, in the order of the matrix.
        label: the name of the label column, or None.
        time: how the training rows' time was read, or None. Transforming reads no time:
            `available_since` of a column or feature is not applied to the rows given here.
    """

    __dagrun_codec__: ClassVar[str] = "dagrun.stages.features.codec:SPEC"

    inputs: tuple[Column, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    label: str | None = None
    time: TimeRules | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features' names, in the order of the matrix."""
        return tuple(output.name for output in self.outputs)

    @cached_property
    def row_inexact(self) -> tuple[str, ...]:
        """The steps without an exact row twin, as `name (op)`."""
        return tuple(f"{s.name} ({s.op.op})" for s in self.steps if not s.op.row_exact)

    @property
    def as_of(self) -> str | None:
        """The last moment known to any frozen state (ISO 8601); None without a time of rows."""
        told = [step.as_of for step in self.steps if step.as_of is not None]
        return max(told, key=dt.datetime.fromisoformat, default=None)

    @property
    def row_exact(self) -> bool:
        """Whether every op has an exact row twin."""
        return not self.row_inexact

    def transform(self, frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
        """Return the matrix: Float32 and Int32 features in order, then the label if present.

        Rows keep their order; other columns of the frame are ignored. Raises `UnknownColumn`
        or `DtypeMismatch` before computing, `BadValue` for what a column may not hold.
        """
        schema = frame.collect_schema()
        check_schema(self.inputs, schema)
        names = [column.name for column in self.inputs]
        label = [self.label] if self.label is not None and self.label in schema else []
        if isinstance(frame, pl.LazyFrame):
            frame = frame.select(names + label).collect(engine="in-memory")
        features = collected(self.plan(frame))
        return features.hstack([frame[name] for name in label])

    def admitted(self, frame: pl.DataFrame | pl.LazyFrame) -> list[pl.Series]:
        """Return the input columns as ops see them, in order. Raises what `transform` does."""
        if isinstance(frame, pl.LazyFrame):
            check_schema(self.inputs, frame.collect_schema())
            names = [column.name for column in self.inputs]
            frame = frame.select(names).collect(engine="in-memory")
        return admit(self.inputs, frame)

    def matrix(self, admitted: Sequence[pl.Series]) -> npt.NDArray[np.float32]:
        """Return the features of what `admitted` gives, as models take them.

        The shape is `(rows, features)`, C-ordered; null is NaN, and whole numbers are rounded.
        """
        values = self._ready.run(value_frame(dict(enumerate(admitted))))
        return np.ascontiguousarray(values.to_numpy(order="fortran"))

    def plan(self, frame: pl.DataFrame) -> pl.LazyFrame:
        """Return the features of a raw frame as a lazy frame, to be run by either engine."""
        values = dict(enumerate(admit(self.inputs, frame)))
        return self._plan.over(value_frame(values).lazy())

    def row_function(self) -> RowFunction:
        """Return the row twin, compiled: one row's values in, the features as floats out.

        The row is a sequence in the order of `inputs`: float, int, str, bool or None; a
        timestamp is int microseconds since 1970 (of UTC when the column is aware, else of the
        wall clock), a date int days since 1970. Null comes out as nan. Store the floats as
        float32 by `array('f')` or ctypes (which overflow to inf, as the batch twin does).
        """
        if not self.row_exact:
            return self._batch_row
        writer, source = self._written
        return writer.function(source)

    def row_source(self) -> str:
        """Return the source of the row function, to read."""
        if not self.row_exact:
            return f"# the batch twin serves single rows, because of {self.row_inexact}\n"
        return self._written[1]

    def frame_of(self, rows: Sequence[Sequence[object]]) -> pl.DataFrame:
        """Return the raw frame of rows that are written as `row_function` takes them."""
        columns = zip(*rows, strict=True) if rows else ([] for _ in self.inputs)
        series = []
        for column, values in zip(self.inputs, columns, strict=True):
            physical = {"timestamp": pl.Int64(), "date": pl.Int32()}
            dtype = physical.get(column.dtype, column.frame_dtype)
            made = pl.Series(column.name, list(values), dtype=dtype)
            series.append(made.cast(column.frame_dtype))
        return pl.DataFrame(series)

    def rows_of(self, frame: pl.DataFrame) -> list[tuple[object, ...]]:
        """Return the frame's rows as `row_function` takes them. Raises what `transform` does."""
        return list(zip(*(column.to_list() for column in admit(self.inputs, frame)), strict=True))

    @cached_property
    def _document(self) -> tuple[dict[str, object], Mapping[str, bytes]]:
        return write_document(self.inputs, self.steps, self.outputs, self.label, self.time)

    @cached_property
    def digest(self) -> str:
        """The digest of the document, which names every table by its own digest."""
        return digest("features.spec", self._document[0])

    @property
    def tables(self) -> Mapping[str, bytes]:
        """Parquet bytes of the large lookup tables, by blob digest."""
        return self._document[1]

    def to_bytes(self) -> bytes:
        """Return the document: canonical JSON that names the tables."""
        return to_bytes(self._document[0])

    @classmethod
    def from_bytes(cls, data: bytes, tables: Mapping[str, bytes]) -> Self:
        """Read a document and its tables.

        Raises `UnknownVersion`, `UnknownOp`, or `SpecDamaged` for a missing or damaged part.
        """
        inputs, steps, outputs, label, time = read_document(data, tables)
        return cls(inputs=inputs, steps=steps, outputs=outputs, label=label, time=time)

    @cached_property
    def _plan(self) -> Plan:
        count = len(self.inputs)
        return make_plan(dict(enumerate(self.steps, start=count)), range(count), self.outputs)

    @cached_property
    def _ready(self) -> Ready:
        results = tuple(result.cast(pl.Float32) for result in self._plan.results)
        return Ready(replace(self._plan, results=results))

    @cached_property
    def _written(self) -> tuple[RowWriter, str]:
        writer = RowWriter()
        inputs = [writer.variable(column.name, column.kind) for column in self.inputs]
        variables: list[list[str]] = [[name] for name in inputs]
        kinds = kinds_of([column.kind for column in self.inputs], self.steps)
        for step, kind in zip(self.steps, kinds[len(inputs) :], strict=True):
            reads = [variables[place][0] for place in step.reads]
            expression = step.op.row(writer.inputs(reads))
            if expression in reads:
                variables.append([expression])
                continue
            parts = step.op.parts() or ("",)
            names = [writer.variable(step.name + part, kind) for part in parts]
            target = ", ".join(names) + ("," if len(names) == 1 and step.op.parts() else "")
            writer.lines.append(f"{target} = {expression}")
            variables.append(names)
        outputs = [variables[output.value][output.part or 0] for output in self.outputs]
        return writer, writer.source(inputs, outputs)

    def _batch_row(self, values: Sequence[object]) -> tuple[float, ...]:
        (row,) = self.transform(self.frame_of([values])).select(self.names).iter_rows()
        return tuple(float("nan") if value is None else float(value) for value in row)
