"""hash_bucket: a key as one of a fixed number of buckets, by a hash that is written down.

The hash, in full. A key's bytes are its UTF-8 text: a string as it is, an int64 in decimal, a bool
as `true` or `false`, a date as its days since 1970 in decimal. Then, on unsigned integers,

    c = CRC-32 of the bytes, begun with `seed`         (ISO-HDLC, as zlib, gzip and PNG: `crc32`)
    m = c * 2654435761 mod 2**32                        (Knuth's multiplicative hash)
    bucket = m * buckets div 2**32                      (its high bits choose)

Guarantee: it depends on nothing but these lines: no process, platform, library or version. The
multiplication undoes the linearity of a CRC, which alone spreads keys such as `AAA`, `AAB`
unevenly over powers of two. The limit: it is no defence against keys that are chosen to collide.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from zlib import crc32

import numpy as np
import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Features, Source, each, whole
from dagrun.stages.ops.kind import KEY
from dagrun.stages.ops.op import Names, Op

FACTOR, MASK = 2_654_435_761, 0xFFFF_FFFF
MOST_BUCKETS = 2**24


def bucket(data: bytes, buckets: int, seed: int) -> int:
    """Return the bucket of a key's bytes, from 0."""
    return (crc32(data, seed) * FACTOR & MASK) * buckets >> 32


@dataclass(frozen=True, slots=True, kw_only=True)
class HashBucket(Op):
    """The bucket of a key, from 0 to buckets - 1, by the hash of `dagrun.stages.ops.hashing`.

    Every key has a bucket, seen in training or not; different keys may share one. The result is
    an int64, so that `one_hot`, `target_mean` and the like can read it.
    Twin: `tf.keras.layers.Hashing`, `tft.hash_strings`, scikit-learn `FeatureHasher`.
    """

    op = "hash_bucket"
    takes = (KEY,)
    gives = "int64"
    integer = True
    vouched = (
        ("python-function", "each text is hashed by itself, whatever chunk it comes in"),
        ("number-to-text", "of a bool, which is true or false in both twins"),
    )
    buckets: int
    seed: int

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        code = x[0].cast(pl.String).map_batches(self._hashed, pl.Int64, is_elementwise=True)
        return pl.when(x[0].is_not_null()).then(code)

    def _hashed(self, texts: pl.Series) -> pl.Series:
        data = texts.fill_null("").cast(pl.Binary).to_list()
        codes = np.fromiter(map(crc32, data, repeat(self.seed)), np.uint64, len(data))
        mixed = codes * np.uint64(FACTOR) & np.uint64(MASK)
        return pl.Series((mixed * np.uint64(self.buckets) >> np.uint64(32)).astype(np.int64))

    def row(self, x: Names) -> str:
        code = f"{x.bind(crc32, 'crc32')}({_text(x)}, {self.seed})"
        return f"None if {x.null(0)} else ({code} * {FACTOR} & {MASK}) * {self.buckets} >> 32"


def _text(x: Names) -> str:
    if x.kind(0) == "string":
        return f"{x[0]}.encode()"
    return f"b'true' if {x[0]} else b'false'" if x.kind(0) == "bool" else f"b'%d' % {x[0]}"


@checked
def hash_bucket(*columns: Source, buckets: int, seed: int = 0, name: str | None = None) -> Features:
    """Put keys (string, int64, bool or date) into `buckets` buckets by a hash written down.

    Null stays null. Another `seed` shares the keys out anew: two features with different seeds
    tell most keys apart that one of them does not.
    """
    op = HashBucket(
        buckets=whole("hash_bucket", "buckets", buckets, 2, MOST_BUCKETS),
        seed=whole("hash_bucket", "seed", seed, 0, MASK),
    )
    return each(op, columns, name, "bucket")
