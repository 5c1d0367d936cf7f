"""Reading UBJSON as XGBoost writes it, its arrays of numbers as NumPy arrays.

A model's JSON text takes three times as long: an object is made of every number. Guarantee: what is
read is what `json.loads` gives for the same model saved as JSON, arrays of numbers apart. Where it
ends: only the forms that XGBoost writes are known, and the bytes are trusted to be its own.
Format: https://ubjson.org, with 64-bit signed counts, big-endian.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_FORMS = {"d": ">f", "D": ">d", "U": ">B", "i": ">b", "I": ">h", "l": ">i", "L": ">q"}
_NUMBERS = {kind.encode(): struct.Struct(form) for kind, form in _FORMS.items()}
_ARRAYS = {kind.encode(): np.dtype(form) for kind, form in _FORMS.items()}
_WORDS = {b"T": True, b"F": False, b"Z": None}
_COUNT = _NUMBERS[b"L"]


def read_ubjson(data: bytes) -> Any:
    """Return the value that the bytes hold.

    Raises `ValueError`, `KeyError` or `struct.error` for a form that XGBoost does not write.
    """
    return _value(data, 0)[0]


def _value(data: bytes, at: int) -> tuple[Any, int]:
    """Return the value that begins here, and where it ends."""
    kind, at = data[at : at + 1], at + 1
    if kind == b"{":
        found = {}
        while data[at : at + 1] != b"}":
            name, at = _text(data, at)
            found[name], at = _value(data, at)
        return found, at + 1
    if kind == b"[":
        return _array(data, at)
    if kind == b"S":
        return _text(data, at)
    if number := _NUMBERS.get(kind):
        return number.unpack_from(data, at)[0], at + number.size
    if kind in _WORDS:
        return _WORDS[kind], at
    raise ValueError(f"{kind!r} begins no value that XGBoost writes")


def _array(data: bytes, at: int) -> tuple[Any, int]:
    if data[at : at + 1] == b"$":
        dtype = _ARRAYS[data[at + 1 : at + 2]]
        count, at = _count(data, at + 3)  # behind the "#"
        return np.frombuffer(data, dtype, count, at), at + count * dtype.itemsize
    count, at = _count(data, at + 1)
    found = []
    for _ in range(count):
        value, at = _value(data, at)
        found.append(value)
    return found, at


def _text(data: bytes, at: int) -> tuple[str, int]:
    length, at = _count(data, at)
    return data[at : at + length].decode(), at + length


def _count(data: bytes, at: int) -> tuple[int, int]:
    """Return a count, which an `L` stands before."""
    return _COUNT.unpack_from(data, at + 1)[0], at + 1 + _COUNT.size
