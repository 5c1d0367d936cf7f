"""From Arrow IPC to a frame and back.

Guarantee: bytes from a stranger are validated in full (offsets, UTF-8, lengths) before anything
reads through them; what is not an Arrow IPC stream is `Malformed`, a row, a column, a cell or an
unpacked byte too many is `TooMuch`, before there is room made for it. Where it ends: names of
columns and Polars' own copies are not counted.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from dagrun.server.serving.refusals import Malformed, TooMuch
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.serving.unpacked import VIEWS, unpacked_bytes, viewed_bytes

_PROBLEMS = (
    pa.ArrowException,
    pl.exceptions.PolarsError,
    # What Polars does not expect it panics at, and that is no `Exception`.
    pl.exceptions.PanicException,
    ValueError,
    OSError,
)


def read_table(data: bytes, limits: ServerSettings) -> pl.DataFrame:
    """Return the table of an Arrow IPC stream. Raises `Malformed` or `TooMuch`."""
    try:
        unpacked = unpacked_bytes(data)
        _require("unpacked bytes", unpacked, limits.max_table_bytes)
        with pa.ipc.open_stream(data) as stream:
            _require("columns", len(stream.schema), limits.max_columns)
            viewed = not VIEWS.isdisjoint([kind.id for kind in _kinds(stream.schema)])
            batches = list(_validated(stream, limits, unpacked, viewed=viewed))
            table = pa.Table.from_batches(batches, stream.schema)
            columns = [_owned(column) for column in table.columns] if viewed else table.columns
            # Without what the sender says of the columns beside their types: Polars trusts it.
            table = pa.Table.from_arrays(columns, names=table.column_names)
        # As a stream of Arrow's C interface it takes Polars half as long as the table.
        return pl.DataFrame(table.to_reader())
    except _PROBLEMS as error:
        raise Malformed("the Arrow IPC stream", error) from error


def _kinds(schema: pa.Schema) -> Iterator[pa.DataType]:
    """Yield the types of the columns' values.

    Raises `ValueError` for a name or a zone that is no UTF-8, and for nested columns.
    """
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        # Reading them is the check of the UTF-8; in the type's own text it is mended.
        name, _zone = field.name, getattr(kind, "tz", None)
        if kind.num_fields:
            raise ValueError(f"column {name!r} is nested ({field.type})")
        yield kind


def _owned(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts that point elsewhere as texts of their own, those of a dictionary too."""
    coded = pa.types.is_dictionary(column.type)
    kind = column.type.value_type if coded else column.type
    if kind.id not in VIEWS:
        return column
    kind = pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
    if not coded:
        return pa.chunked_array([_followable(part).cast(kind) for part in column.chunks], kind)
    parts = [
        pa.DictionaryArray.from_arrays(part.indices, _followable(part.dictionary).cast(kind))
        for part in column.chunks
    ]
    return pa.chunked_array(parts, pa.dictionary(column.type.index_type, kind))


def _followable(texts: pa.Array) -> pa.Array:
    """Return texts of which every view may be followed: those of nulls are made empty.

    The validation does not look at what a null's view points to, and then both Arrow and Polars
    follow it, out of their memory.
    """
    if not texts.null_count:
        return texts
    present, views, *pointed = texts.buffers()
    kept = np.frombuffer(views, np.int32, 4 * len(texts)).reshape(-1, 4).copy()
    kept[texts.is_null().to_numpy(zero_copy_only=False)] = 0
    return pa.Array.from_buffers(texts.type, len(texts), [present, pa.py_buffer(kept), *pointed])


def _validated(
    stream: pa.RecordBatchReader, limits: ServerSettings, unpacked: int, *, viewed: bool
) -> Iterator[pa.RecordBatch]:
    rows, columns = 0, len(stream.schema)
    for batch in stream:
        rows += batch.num_rows
        _require("rows or more", rows, limits.max_table_rows)
        _require("cells or more", rows * columns, limits.max_table_cells)
        # Sizes of buffers first: texts are walked through only when they are not too long.
        batch.validate()
        unpacked += viewed_bytes(batch) if viewed else 0
        _require("unpacked bytes or more", unpacked, limits.max_table_bytes)
        batch.validate(full=True)
        yield batch


def _require(what: str, found: int, most: int) -> None:
    if found > most:
        raise TooMuch(what, found, most, "Send the table in parts.")


def write_table(frame: pl.DataFrame) -> bytes:
    """Return a frame as an uncompressed Arrow IPC stream."""
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()
