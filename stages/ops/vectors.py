"""Frozen tables of vectors: from a key to float32 numbers, always a Parquet blob of their own.

Guarantee: both twins read the same float32 bits; every number is finite. Rows are sorted by key,
so equal tables have equal bytes under one Polars version. The numbers lie in one byte string, so
that a table takes 4 bytes a number in memory and both twins read them where they lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.stages.ops.errors import SpecDamaged
from dagrun.stages.ops.table import Scalar, read_blob, write_blob

_FLOAT = np.dtype("<f4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """A vector per key.

    Attributes:
        keys: unique and sorted.
        dimensions: numbers in a vector.
        data: the vectors in the order of the keys, as little-endian float32.
    """

    keys: tuple[Scalar, ...]
    dimensions: int
    data: bytes

    def __len__(self) -> int:
        return len(self.keys)

    def numbers(self) -> npt.NDArray[np.float32]:
        """Return the vectors, shape `(len(self), dimensions)`, read-only."""
        return np.frombuffer(self.data, _FLOAT).reshape(len(self), self.dimensions)

    def to_parquet(self) -> bytes:
        """Return the table as Parquet bytes: the columns `k0` and `vector`."""
        vectors = pl.Series(self.numbers(), dtype=pl.Array(pl.Float32, self.dimensions))
        return write_blob(pl.DataFrame({"k0": pl.Series(self.keys), "vector": vectors}))


def make_vectors(keys: list[Scalar], numbers: npt.NDArray[np.float32]) -> Vectors:
    """Return the table that gives `keys[i]` the vector `numbers[i]`. Keys are unique."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    data = np.ascontiguousarray(numbers[order], _FLOAT).tobytes()
    return Vectors(keys=tuple(keys[i] for i in order), dimensions=numbers.shape[1], data=data)


def read_vectors(digest: str, tables: Mapping[str, bytes]) -> Vectors:
    """Return the table of vectors stored under `digest`. Raises `SpecDamaged` naming it."""
    frame = read_blob(digest, tables)
    vectors = frame.get_column("vector", default=None)
    if vectors is None or not isinstance(vectors.dtype, pl.Array):
        raise SpecDamaged(f"table {digest[:12]} of the feature spec", "holds no vectors")
    return make_vectors(frame["k0"].to_list(), vectors.to_numpy())
