"""One input tensor of a V2 request: its shape, its elements, and what they mean in a column.

Guarantee: elements come out in order and untouched, as many as the shape says, or `NotExact` says
what is wrong. Raw and typed contents give the same elements.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from dagrun.server.protocols.v2_values import (
    CHECKS,
    DATATYPES,
    JSON,
    TEXTS,
    Check,
    NotExact,
    from_json,
)
from dagrun.stages.features import Column

Tensor = Any
"""An `InferInputTensor`, whose class is made at run time."""

_LENGTH = struct.Struct("<I").unpack_from


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


def check_of(column: Column, tensor: Tensor) -> Check | None:
    """Return what makes an element a value of the column. Raises `NotExact` when nothing does."""
    datatype, checks = tensor.datatype, CHECKS[column.kind]
    content = content_type(tensor) if datatype == "BYTES" else ""
    if content == JSON:
        return from_json(column.kind)
    if datatype not in checks:
        raise NotExact(f"is {datatype[:20] or 'of no datatype'}; it takes {', '.join(checks)}")
    if content not in TEXTS:
        known = ", ".join([*filter(None, TEXTS), JSON])
        raise NotExact(f"has the content type {content[:20]!r}; known are {known}")
    return checks[datatype]


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
