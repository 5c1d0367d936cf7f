"""embed_lookup: a vector per key, bit for bit that of the given table."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS, assert_twins, bits, frames, strings

from dagrun.engine.canonical import digest_bytes
from dagrun.stages import features as f
from dagrun.stages.ops.errors import DtypeMismatch, FeatureDefinitionError, SpecDamaged

TABLE = pl.DataFrame(
    {"word": ["b", "", "é"], "v": [[1.0, 2.0], [-0.0, 5e-324], [1e-45, 3.4028234663852886e38]]}
)
FRAME = pl.DataFrame({"s": ["b", "", "é", "a", None]})


def embedded(**settings: object) -> f.FeatureSpec:
    chosen = {"table": TABLE, "key": "word", "vector": "v", "dimensions": 2, **settings}
    return f.feature_set(f.embed_lookup("s", **chosen)).fit(FRAME)  # type: ignore[arg-type]


def test_a_column_per_dimension() -> None:
    spec = embedded()
    assert spec.names == ("s_vector=0", "s_vector=1")
    assert_twins(spec, FRAME)
    largest = 3.4028234663852886e38
    assert spec.transform(FRAME).rows() == [
        *((1.0, 2.0), (0.0, 0.0), (1.401298464324817e-45, largest), (0.0, 0.0), (None, None))
    ]
    assert bits(spec.transform(FRAME))[1].tolist() == [0x80000000, 0]


def test_unseen_keys_may_be_null() -> None:
    spec = embedded(unseen="null")
    assert_twins(spec, FRAME)
    assert spec.transform(FRAME).row(3) == (None, None)


@pytest.mark.parametrize(
    "settings",
    [
        {"table": TABLE.with_columns(pl.col("v").cast(pl.Array(pl.Float64, 2)))},
        {"table": TABLE.with_columns(x=pl.col("v").list[0], y=pl.col("v").list[1])}
        | {"vector": ("x", "y")},
        {"table": TABLE.reverse().lazy()},
    ],
)
def test_any_form_of_table_gives_the_same_spec(settings: dict[str, object]) -> None:
    assert embedded(**settings).digest == embedded().digest


@RUNS
@given(data=st.data(), frame=frames())
def test_twins(data: st.DataObject, frame: pl.DataFrame) -> None:
    width = data.draw(st.integers(1, 5))
    keys = data.draw(st.lists(strings.filter(lambda key: key is not None), min_size=1, unique=True))
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    rows = [data.draw(st.lists(numbers, min_size=width, max_size=width)) for _ in keys]
    table = pl.DataFrame({"k": keys, "v": rows}, schema={"k": pl.String, "v": pl.List(pl.Float64)})
    whole = pl.DataFrame({"k": [0, -1, 2**63 - 1, -(2**63)], "v": [[float(i)] for i in range(4)]})
    spec = f.feature_set(
        f.embed_lookup("s", table=table, key="k", vector="v", dimensions=width),
        f.embed_lookup("t", table=table, key="k", vector="v", dimensions=width, unseen="null"),
        f.embed_lookup("i", table=whole, key="k", vector="v", dimensions=1),
    ).fit(frame)
    seen = table.select(s="k", t="k", i=pl.lit(2**63 - 1))
    assert_twins(spec, pl.concat([frame, seen], how="diagonal"))
    found = bits(spec.transform(seen))
    assert np.array_equal(found[:, :width], np.array(rows, np.float32).view(np.uint32))
    again = f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables)
    assert (again, again.digest, again.tables) == (spec, spec.digest, spec.tables)


def test_vectors_are_a_blob_of_their_own() -> None:
    spec = embedded()
    ((digest, data),) = spec.tables.items()
    assert json.loads(spec.to_bytes())["steps"][0]["state"]["vectors"] == {"vectors": digest}
    damaged = data[:-1]
    with pytest.raises(SpecDamaged, match="another digest"):
        f.FeatureSpec.from_bytes(spec.to_bytes(), {digest: damaged})
    other = f.feature_set(f.ordinal("k")).fit(pl.DataFrame({"k": [str(i) for i in range(300)]}))
    ((table, parquet),) = other.tables.items()
    swapped = spec.to_bytes().replace(digest.encode(), table.encode())
    assert digest_bytes(parquet) == table
    with pytest.raises(SpecDamaged, match="holds no vectors"):
        f.FeatureSpec.from_bytes(swapped, {table: parquet})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dimensions": 3}, r"dimensions is 3, but 'v' has vectors of length \[2\]"),
        ({"dimensions": 0}, "dimensions is a whole number from 1"),
        ({"unseen": "mean"}, "unseen must be one of 'zeros', 'null'"),
        ({"vector": "word"}, "'word' is named twice"),
        (
            {"vector": ("x", "y", "z"), "table": TABLE.with_columns(x=1, y=1, z=1)},
            "names 3 columns",
        ),
        ({"vector": "vec"}, "no column 'vec'"),
        ({"table": TABLE.with_columns(v=pl.lit(None, pl.List(pl.Float64)))}, "length"),
        ({"table": TABLE.with_columns(v=pl.lit([1.0, math.nan]))}, "not finite"),
        ({"table": TABLE.with_columns(v=pl.lit([1.0, 1e39]))}, "not finite"),
        ({"table": TABLE.with_columns(v=pl.lit([1.0, None]))}, "null"),
        ({"table": TABLE.with_columns(v=pl.lit(["a", "b"]))}, "no numbers"),
        ({"table": pl.concat([TABLE, TABLE])}, "6 rows whose key"),
    ],
)
def test_told_at_definition(settings: dict[str, object], message: str) -> None:
    with pytest.raises(FeatureDefinitionError, match=message):
        embedded(**settings)


def test_the_key_has_the_kind_of_the_table() -> None:
    made = f.embed_lookup("n", table=TABLE, key="word", vector="v", dimensions=2)
    with pytest.raises(DtypeMismatch, match="is int64, but its table of vectors takes string"):
        f.feature_set(made).fit(pl.DataFrame({"n": [1]}))
