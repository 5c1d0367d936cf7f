"""From Arrow IPC to a frame and back.

Guarantee: bytes from a stranger are validated in full (offsets, UTF-8, lengths) before anything
reads through them; what is not an Arrow IPC stream is `Malformed`, a row too many `TooMuch`.
Where it ends: a compressed stream is unpacked batch by batch, so one batch may need more memory
than its bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from dagrun.server.serving.refusals import Malformed, TooMuch

_PROBLEMS = (
    pa.ArrowException,
    pl.exceptions.PolarsError,
    # What Polars does not expect it panics at, and that is no `Exception`.
    pl.exceptions.PanicException,
    ValueError,
    OSError,
)


def read_table(data: bytes, most_rows: int) -> pl.DataFrame:
    """Return the table of an Arrow IPC stream. Raises `Malformed` or `TooMuch`."""
    try:
        with pa.ipc.open_stream(data) as stream:
            _check_fields(stream.schema)
            batches = list(_validated(stream, most_rows))
            table = pa.Table.from_batches(batches, stream.schema)
        frame = pl.from_arrow(table)
    except _PROBLEMS as error:
        raise Malformed("the Arrow IPC stream", error) from error
    if not isinstance(frame, pl.DataFrame):
        raise Malformed("the Arrow IPC stream", "it holds no table")
    return frame


def _check_fields(schema: pa.Schema) -> None:
    """Raise `ValueError` for a name that is no UTF-8 (on reading it) and for nested columns."""
    for field in schema:
        if field.type.num_fields:
            raise ValueError(f"column {field.name!r} is nested ({field.type})")


def _validated(stream: pa.RecordBatchReader, most_rows: int) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in stream:
        rows += batch.num_rows
        if rows > most_rows:
            raise TooMuch("rows or more", rows, most_rows, "Send the table in parts.")
        batch.validate(full=True)
        yield batch


def write_table(frame: pl.DataFrame) -> bytes:
    """Return a frame as an uncompressed Arrow IPC stream."""
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()
