"""The logical digest of a table: what it says, whatever its bytes.

Guarantee: two tables have equal digests exactly if they have the same columns (name, dtype,
order), the same number of rows and, row by row in order, the same nulls and values. Chunks,
slices, batches, compression, Polars version, and what lies beneath a null do not matter. All
NaN are one value; 0.0 and -0.0 are two. The limit: dtypes that Polars may yet change (Object,
Map, extensions, Unknown) are refused.

Each column is digested by itself and every hash runs over whole rows of the column, so that it
does not matter where one batch ends. Nulls are hashed as row numbers, hence cost nothing
where there are none. Per row: fixed-width values as little-endian bytes, Booleans as one byte,
strings and bytes as length and content, lists as length and their elements as one inner column,
structs as their fields. A null counts as zero, empty, or (in a struct) as null fields.
Categorical, Enum and 128-bit integers go by their text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3
from polars.datatypes import DataTypeClass

from dagrun.engine.canonical import Json, digest
from dagrun.engine.errors import DagrunError, DefinitionError

BLOCK = 1 << 17
"""Rows digested at a time: bounds the memory, never the result."""

_PLAIN = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
    *(pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Time, pl.Null),
)
# Younger than the oldest Polars that is supported.
_FLOAT16 = getattr(pl, "Float16", None)
_WIDE = tuple(getattr(pl, name) for name in ("Int128", "UInt128") if hasattr(pl, name))
_LONGEST_CATEGORIES = 200


PolarsDataType = pl.DataType | DataTypeClass


class UnsupportedColumn(DefinitionError):
    """A column's dtype cannot be stored and identified."""

    def __init__(self, column: str, dtype: object, advice: str) -> None:
        self.column, self.dtype = column, dtype
        super().__init__(f"column {column!r} has dtype {dtype}, which cannot be stored. {advice}")


class ChangedSchema(DagrunError):
    """A batch has other columns than its table."""

    def __init__(self, found: object, expected: object) -> None:
        self.found, self.expected = found, expected
        super().__init__(
            f"a batch has the columns {found}, its table has {expected}. Give all batches one "
            "schema, for example with frame.cast(...)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TableIdentity:
    """A table's logical digest, its rows, and `{column: (dtype name, column's digest)}`."""

    digest: str
    rows: int
    columns: Mapping[str, tuple[str, str]]


def digest_table(frame: pl.DataFrame) -> TableIdentity:
    """Return the identity of a frame in memory. Raises `UnsupportedColumn`."""
    table = TableDigest(frame.schema)
    table.update(frame)
    return table.finish()


class TableDigest:
    """The identity of a table that arrives batch by batch, in row order.

    Raises `UnsupportedColumn` for a dtype without a stable meaning.
    """

    def __init__(self, schema: pl.Schema) -> None:
        self.schema = schema
        self.rows = 0
        self._names = {name: dtype_name(dtype, name) for name, dtype in schema.items()}
        self._texts = {name: _as_text(_whole(dtype)) for name, dtype in schema.items()}
        self._columns = {name: _Column() for name in schema}

    def update(self, batch: pl.DataFrame) -> None:
        """Add the next rows, any number of them. Raises `ChangedSchema`."""
        if batch.schema != self.schema:
            raise ChangedSchema(batch.schema, self.schema)
        for name, column in self._columns.items():
            text = self._texts[name]
            for start in range(0, batch.height, BLOCK):
                part = batch.get_column(name).slice(start, BLOCK)
                column.update((part if text is None else part.cast(text)).to_arrow())
        self.rows += batch.height

    def finish(self) -> TableIdentity:
        """Return the identity of all rows so far."""
        columns = {
            name: (self._names[name], digest("column", [self._names[name], column.finish()]))
            for name, column in self._columns.items()
        }
        form = [self.rows, [[name, *column] for name, column in columns.items()]]
        return TableIdentity(digest=digest("table", form), rows=self.rows, columns=columns)


def dtype_name(dtype: PolarsDataType, column: str = "") -> str:
    """Return the one spelling of a dtype, the same for every Polars version.

    Raises `UnsupportedColumn` naming `column`.
    """
    dtype = _whole(dtype)
    if dtype in _PLAIN or dtype in _WIDE or dtype == _FLOAT16:
        return type(dtype).__name__
    if isinstance(dtype, pl.Datetime):
        return f"Datetime({dtype.time_unit}, {dtype.time_zone or 'naive'})"
    if isinstance(dtype, pl.Duration):
        return f"Duration({dtype.time_unit})"
    if isinstance(dtype, pl.Decimal):
        return f"Decimal({dtype.precision or 38}, {dtype.scale})"
    if isinstance(dtype, pl.Categorical):
        return _categorical_name(dtype)
    if isinstance(dtype, pl.Enum):
        return f"Enum({_category_names(dtype)})"
    if isinstance(dtype, pl.List):
        return f"List({dtype_name(dtype.inner, column)})"
    if isinstance(dtype, pl.Array):
        return f"Array({dtype_name(dtype.inner, column)}, {dtype.size})"
    if isinstance(dtype, pl.Struct) and dtype.fields:
        fields = ((json.dumps(field.name), field.dtype) for field in dtype.fields)
        return f"Struct({', '.join(f'{n}: {dtype_name(t, column)}' for n, t in fields)})"
    if isinstance(dtype, pl.Struct):
        raise UnsupportedColumn(column, dtype, "Parquet knows no struct without fields; drop it")
    raise UnsupportedColumn(
        column, dtype, "Cast it to a plain dtype, or drop it and return the objects as an artifact"
    )


def _categorical_name(dtype: pl.Categorical) -> str:
    # Named sets of categories came with Polars 1.32.
    named = getattr(dtype, "categories", None)
    if named is None or named.is_global():
        return "Categorical"
    return f"Categorical({json.dumps([named.name(), named.namespace(), str(named.physical())])})"


def _category_names(dtype: pl.Enum) -> str:
    names = dtype.categories.to_list()
    text = json.dumps(names)
    return text if len(text) <= _LONGEST_CATEGORIES else f"{len(names)}: {digest('enum', names)}"


def _whole(dtype: PolarsDataType) -> pl.DataType:
    """Return the instance; Polars also uses the class of a dtype without parameters."""
    return dtype() if isinstance(dtype, type) else dtype


def _as_text(dtype: pl.DataType) -> pl.DataType | None:
    """Return the dtype to digest instead, or None for the dtype itself."""
    if isinstance(dtype, (pl.Categorical, pl.Enum, *_WIDE)):
        return pl.String()
    if isinstance(dtype, pl.List | pl.Array):
        inner = _as_text(_whole(dtype.inner))
        if inner is None:
            return None
        return pl.List(inner) if isinstance(dtype, pl.List) else pl.Array(inner, dtype.size)
    if isinstance(dtype, pl.Struct):
        fields = {field.name: _whole(field.dtype) for field in dtype.fields}
        texts = {name: _as_text(field) for name, field in fields.items()}
        if any(text is not None for text in texts.values()):
            return pl.Struct({name: texts[name] or field for name, field in fields.items()})
    return None


class _Column:
    """The running hashes of one column, or of one level of a nested column."""

    __slots__ = ("children", "nulls", "rows", "values")

    def __init__(self) -> None:
        self.rows = 0
        self.nulls = blake3()
        self.values = blake3()
        self.children: list[_Column] = []

    def update(self, array: pa.Array) -> None:
        nulls = np.flatnonzero(array.is_null()) if array.null_count else _NONE
        self.nulls.update(_bytes(nulls + self.rows))
        if update := _BY_KIND.get(_kind(array.type)):
            update(self, array, nulls)
        self.rows += len(array)

    def finish(self) -> Json:
        parts = [self.nulls.hexdigest(), self.values.hexdigest()]
        return [self.rows, *parts, [child.finish() for child in self.children]]

    def child(self, index: int) -> _Column:
        while len(self.children) <= index:
            self.children.append(_Column())
        return self.children[index]

    def fixed(self, array: pa.Array, nulls: npt.NDArray[np.int64]) -> None:
        width = array.type.bit_width // 8
        letter = "f" if pa.types.is_floating(array.type) else "u"
        # A 16-byte value is a pair of 8-byte ones; `sub` of them make up one row.
        sub = max(1, width // 8)
        values = np.frombuffer(array.buffers()[1] or b"", f"<{letter}{width // sub}")
        values = values[array.offset * sub : (array.offset + len(array)) * sub].reshape(-1, sub)
        if len(nulls):
            values = values.copy()
            values[nulls] = 0
        if letter == "f" and (nan := np.isnan(values)).any():
            values = np.where(nan, values.dtype.type(np.nan), values)
        self.values.update(_bytes(values))

    def boolean(self, array: pa.Array, _nulls: npt.NDArray[np.int64]) -> None:
        self.fixed(array.fill_null(False).cast(pa.uint8()), _NONE)

    def text(self, array: pa.Array, nulls: npt.NDArray[np.int64]) -> None:
        offsets = _offsets(array)
        if offsets[nulls + 1].sum() != offsets[nulls].sum():
            array = array.fill_null("" if pa.types.is_large_string(array.type) else b"")
            offsets = _offsets(array)
        self.values.update(_bytes(np.diff(offsets)))
        content = memoryview(array.buffers()[2] or b"")[offsets[0] : offsets[-1]]
        self.child(0).values.update(content)

    def lists(self, array: pa.Array, _nulls: npt.NDArray[np.int64]) -> None:
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        self.fixed(lengths.cast(pa.int64()), _NONE)
        self.child(0).update(array.flatten())

    def array(self, array: pa.Array, _nulls: npt.NDArray[np.int64]) -> None:
        self.child(0).update(array.flatten())

    def struct(self, array: pa.Array, _nulls: npt.NDArray[np.int64]) -> None:
        for index, field in enumerate(array.flatten()):
            self.child(index).update(field)


_NONE: npt.NDArray[np.int64] = np.empty(0, np.int64)
_BY_KIND: Mapping[str, Callable[[_Column, pa.Array, npt.NDArray[np.int64]], None]] = {
    "boolean": _Column.boolean,
    "text": _Column.text,
    "list": _Column.lists,
    "array": _Column.array,
    "struct": _Column.struct,
    "fixed": _Column.fixed,
}


def _kind(dtype: pa.DataType) -> str:
    if pa.types.is_null(dtype):
        return "null"
    if pa.types.is_boolean(dtype):
        return "boolean"
    if pa.types.is_large_string(dtype) or pa.types.is_large_binary(dtype):
        return "text"
    if pa.types.is_large_list(dtype):
        return "list"
    if pa.types.is_fixed_size_list(dtype):
        return "array"
    return "struct" if pa.types.is_struct(dtype) else "fixed"


def _bytes(values: npt.NDArray[Any]) -> memoryview:
    return values.reshape(-1).view(np.uint8).data


def _offsets(array: pa.Array) -> npt.NDArray[np.int64]:
    if not len(array):
        return np.zeros(1, np.int64)
    offsets = np.frombuffer(array.buffers()[1], np.int64)
    return offsets[array.offset : array.offset + len(array) + 1]
