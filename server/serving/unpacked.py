"""How large an Arrow IPC stream gets when it is unpacked, told before anything is unpacked.

Guarantee: `unpacked_bytes` reads only what the stream says of its buffers, in time that does not
depend on their size; Arrow makes room for just these sizes and fails when the bytes are others. A
part of the stream that several buffers share is counted for each. `viewed_bytes` does the same for
texts that many cells share. Where it ends: Polars and the model's features need room beside it.
Format: https://arrow.apache.org/docs/format/Columnar.html, Message.fbs of Arrow 1.0 and later.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

_U16, _I32, _U32 = struct.Struct("<H"), struct.Struct("<i"), struct.Struct("<I")
_I64, _BUFFER = struct.Struct("<q"), struct.Struct("<qq")
_KIND, _HEADER = 1, 2  # fields of Message
_DICTIONARY, _RECORDS = 2, 3  # kinds of header
_DATA = 1  # field of DictionaryBatch
_BUFFERS, _COMPRESSION = 2, 3  # fields of RecordBatch
_PLAIN = -1  # a buffer that was left as it is in a compressed batch
VIEWS = frozenset((pa.string_view().id, pa.binary_view().id))
"""Types of texts that lie elsewhere, where many cells may share them."""


def unpacked_bytes(data: bytes) -> int:
    """Return the bytes of all buffers of a stream, unpacked.

    Raises `ValueError` (pyarrow's errors among them) and `OSError` for what is no stream.
    """
    try:
        messages = pa.ipc.MessageReader.open_stream(data)
        return sum(sum(_sizes(message.metadata, message.body)) for message in messages)
    except (struct.error, IndexError) as error:
        raise ValueError("a message's description is damaged") from error


def viewed_bytes(batch: pa.RecordBatch) -> int:
    """Return the length of all texts in string-view and binary-view columns or dictionaries."""
    total = 0
    for column in batch.columns:
        texts = column.dictionary if pa.types.is_dictionary(column.type) else column
        if texts.type.id in VIEWS:
            views = np.frombuffer(texts.buffers()[1], np.int32).reshape(-1, 4)
            lengths = views[texts.offset : texts.offset + len(texts), 0]
            total += int(np.maximum(lengths, 0).sum(dtype=np.int64))
    return total


def _sizes(metadata: pa.Buffer, body: pa.Buffer) -> Iterator[int]:
    """Yield the unpacked size of each buffer of a message."""
    told = memoryview(metadata)
    message = _U32.unpack_from(told)[0]
    kind = told[place] if (place := _field(told, message, _KIND)) else 0
    if kind not in (_DICTIONARY, _RECORDS):
        return
    batch = _table(told, message, _HEADER)
    if kind == _DICTIONARY:
        batch = _table(told, batch, _DATA)
    packed = bool(_field(told, batch, _COMPRESSION))
    if not (place := _field(told, batch, _BUFFERS)):
        return
    vector = place + _U32.unpack_from(told, place)[0]
    content = memoryview(body)
    end = vector + 4 + _U32.unpack_from(told, vector)[0] * _BUFFER.size
    if end > len(told):
        raise ValueError("a message's description is cut")
    for start, length in _BUFFER.iter_unpack(told[vector + 4 : end]):
        if start < 0 or length < 0:
            raise ValueError("a buffer is out of its message")
        size = _PLAIN
        if packed and length >= _I64.size:
            size = _I64.unpack_from(content, start)[0]
        yield length if size == _PLAIN else max(0, size)


def _table(told: memoryview, table: int, field: int) -> int:
    """Return where the table lies that a field points to."""
    place = _field(told, table, field)
    if not place:
        raise ValueError("a message lacks its description")
    return int(place + _U32.unpack_from(told, place)[0])


def _field(told: memoryview, table: int, field: int) -> int:
    """Return where a field of a FlatBuffers table lies, 0 when it is not there."""
    index = table - _I32.unpack_from(told, table)[0]
    slot = 4 + 2 * field
    if index < 0 or slot + 2 > _U16.unpack_from(told, index)[0]:
        return 0
    offset = _U16.unpack_from(told, index + slot)[0]
    return table + offset if offset else 0
