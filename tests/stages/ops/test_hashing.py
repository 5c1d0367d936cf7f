"""hash_bucket: the hash as it is written down, its vectors, its spread, its twins."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from tests_parity import RUNS, assert_twins, frames

from dagrun.stages import features as f
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.hashing import bucket

VECTORS = json.loads((Path(__file__).parent / "hash_vectors.json").read_text())


def buckets(values: pl.Series, count: int, seed: int = 0) -> list[object]:
    frame = pl.DataFrame({"k": values})
    spec = f.feature_set(f.hash_bucket("k", buckets=count, seed=seed)).fit(frame)
    return spec.transform(frame)["k_bucket"].to_list()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: f"{one['dtype']}-{one['key']!r:.20}")
def test_vectors(vector: dict[str, object]) -> None:
    dtypes = {"string": pl.String, "int64": pl.Int64, "bool": pl.Boolean, "date": pl.Int32}
    column = pl.Series([vector["key"]], dtype=dtypes[str(vector["dtype"])])
    column = column.cast(pl.Date) if vector["dtype"] == "date" else column
    settings = {"count": vector["buckets"], "seed": vector["seed"]}
    assert buckets(column, **settings) == [vector["bucket"]]  # type: ignore[arg-type]
    text = str(vector["text"]).encode()
    assert bucket(text, vector["buckets"], vector["seed"]) == vector["bucket"]  # type: ignore[arg-type]


def test_the_crc_is_that_of_zlib() -> None:
    """The check value of CRC-32/ISO-HDLC in every catalogue of CRCs."""
    assert zlib.crc32(b"123456789") == 0xCBF43926


@RUNS
@given(train=frames(least=1), frame=frames())
def test_twins(train: pl.DataFrame, frame: pl.DataFrame) -> None:
    features = f.feature_set(
        f.hash_bucket("s", "i", "b", "d", buckets=2**24, seed=7),
        f.hash_bucket("s", buckets=2, name="two"),
        f.one_hot(f.hash_bucket("t", buckets=3, seed=2**32 - 1), name="hot"),
        f.hash_bucket(f.cross("s", "i"), buckets=1000),
    )
    known = pl.concat([train, train.with_columns(t=pl.lit("a"))])
    assert_twins(features.fit(known), pl.concat([train, frame]))


@pytest.mark.parametrize("count", [16, 1000, 1024])
def test_structured_keys_spread_as_chance_would(count: int) -> None:
    letters = [chr(65 + i) for i in range(26)]
    codes = [a + b + c for a in letters for b in letters for c in letters]
    for keys in (codes, [f"user_{i:06d}" for i in range(20_000)], list(map(str, range(20_000)))):
        found = pl.Series(buckets(pl.Series(keys), count)).value_counts()["count"]
        even = len(keys) / count
        chi = sum((n - even) ** 2 for n in found) / even + (count - len(found)) * even
        assert abs(chi - (count - 1)) < 4 * math.sqrt(2 * (count - 1))


def test_another_seed_tells_apart_what_one_does_not() -> None:
    keys = pl.Series([f"k{i}" for i in range(5_000)])
    once = dict(zip(keys, buckets(keys, 100), strict=True))
    again = dict(zip(keys, buckets(keys, 100, seed=1), strict=True))
    together = [key for key in keys if once[key] == once["k0"]]
    assert len(together) > 20
    assert len({again[key] for key in together}) > len(together) / 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"buckets": 1}, "buckets is a whole number from 2 to 16777216, not 1"),
        ({"buckets": 10.0}, "buckets"),
        ({"buckets": True}, "buckets"),
        ({"buckets": 4, "seed": -1}, "seed is a whole number from 0 to 4294967295"),
    ],
)
def test_told_at_definition(settings: dict[str, int], message: str) -> None:
    with pytest.raises(FeatureDefinitionError, match=message):
        f.hash_bucket("k", **settings)
