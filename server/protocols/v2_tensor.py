"""One tensor of a V2 message: its datatype, its shape, and its elements.

Guarantee: elements come out in order and untouched, as many as the shape says, or `NotExact` says
what is wrong. Raw and typed contents give the same elements. Nothing heavy is imported here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from dagrun.engine.errors import DagrunError

Tensor = Any
"""A tensor of a request or a response, whose class is made at run time."""


class Datatype(NamedTuple):
    """A datatype of the protocol.

    Attributes:
        contents: the field of `InferTensorContents` that holds its elements; FP16 has none.
        code: its letter in `struct`, "" for BYTES.
        size: bytes of an element, 0 for BYTES.
    """

    contents: str
    code: str
    size: int


DATATYPES: Final[Mapping[str, Datatype]] = {
    "BOOL": Datatype("bool_contents", "?", 1),
    "INT8": Datatype("int_contents", "b", 1),
    "INT16": Datatype("int_contents", "h", 2),
    "INT32": Datatype("int_contents", "i", 4),
    "INT64": Datatype("int64_contents", "q", 8),
    "UINT8": Datatype("uint_contents", "B", 1),
    "UINT16": Datatype("uint_contents", "H", 2),
    "UINT32": Datatype("uint_contents", "I", 4),
    "UINT64": Datatype("uint64_contents", "Q", 8),
    "FP16": Datatype("", "e", 2),
    "FP32": Datatype("fp32_contents", "f", 4),
    "FP64": Datatype("fp64_contents", "d", 8),
    "BYTES": Datatype("bytes_contents", "", 0),
}
_LENGTH = struct.Struct("<I").unpack_from


class NotExact(DagrunError):
    """A tensor that is not whole, or an element that its column cannot hold exactly."""


def row_count(tensor: Tensor) -> int:
    """Return how many rows a tensor has. Raises `NotExact` unless it is [rows] or [rows, 1]."""
    shape = list(tensor.shape)
    if not 1 <= len(shape) <= 2 or shape[0] < 0 or shape[1:] not in ([], [1]):
        raise NotExact(f"has the shape {shape[:8]}; a column has [rows] or [rows, 1]")
    rows: int = shape[0]
    return rows


def content_type(tensor: Tensor) -> str:
    """Return what a BYTES tensor says its elements are, "" when it says nothing."""
    parameters = tensor.parameters
    if "content_type" not in parameters:
        return ""
    found: str = parameters["content_type"].string_param
    return found


def elements(tensor: Tensor, raw: bytes | None, rows: int) -> Sequence[Any]:
    """Return the elements of a tensor, raw or from its contents. Raises `NotExact`."""
    name = tensor.datatype
    contents, code, _ = DATATYPES[name]
    if raw is None:
        return list(contents_of(tensor, contents, rows))
    if not code:
        return _split(raw, rows)
    check_size(name, raw, rows)
    return struct.unpack(f"<{rows}{code}", raw)


def contents_of(tensor: Tensor, contents: str, rows: int) -> Sequence[Any]:
    """Return the typed contents of a tensor. Raises `NotExact` unless there are so many."""
    if not contents:
        raise NotExact(f"is {tensor.datatype}, which the protocol has in raw requests only")
    found: Sequence[Any] = getattr(tensor.contents, contents)
    if len(found) != rows:
        raise NotExact(f"holds {len(found)} elements in {contents}; its shape says {rows}")
    return found


def check_size(datatype: str, raw: bytes, rows: int) -> None:
    """Raise `NotExact` unless raw bytes hold so many elements of a fixed size."""
    size = DATATYPES[datatype].size
    if len(raw) != rows * size:
        raise NotExact(f"holds {len(raw)} bytes; {rows} of {datatype} take {rows * size}")


def one_of_bytes(raw: bytes) -> tuple[bytes]:
    """Return the only element of a raw BYTES tensor. Raises `struct.error`."""
    if _LENGTH(raw)[0] != len(raw) - 4:
        raise struct.error
    return (raw[4:],)


def _split(raw: bytes, rows: int) -> list[bytes]:
    """Return the elements of a raw BYTES tensor: each its length in four bytes, then itself."""
    found: list[bytes] = []
    place, size = 0, len(raw)
    # More elements than bytes for their lengths cannot be there, whatever the shape says.
    for _ in range(min(rows, size // 4 + 1)):
        start = place + 4
        if start > size:
            break
        place = start + _LENGTH(raw, place)[0]
        found.append(raw[start:place])
    if place != size or len(found) != rows:
        raise NotExact(f"its {size} bytes are not {rows} elements of BYTES, each after its length")
    return found
