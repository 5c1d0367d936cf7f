"""The spec's document, its tables and the file in which the engine stores both."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from dagrun.engine.codec import codec_name, find_codec
from dagrun.engine.errors import UnknownVersion
from dagrun.stages import features as f
from dagrun.stages.ops.catalog import OPS
from dagrun.stages.ops.errors import SpecDamaged, UnknownOp

TRAIN = pl.DataFrame(
    {
        "x": [0.1, 2.0, None, -7.5] * 250,
        "key": [f"k{i:04d}" for i in range(1000)],
        "few": ["a", "é", None, "b"] * 250,
        "y": [1, 0, 0, 1] * 250,
    }
)
SPEC = f.feature_set(
    f.standardize("x"),
    f.target_mean("y", by="key"),
    f.target_mean("y", by=("few", "key"), name="both"),
    f.ordinal("few"),
).fit(TRAIN, label="y")


def edited(change: dict[str, object], step: int | None = None) -> bytes:
    form = json.loads(SPEC.to_bytes())
    (form if step is None else form["steps"][step]).update(change)
    return json.dumps(form).encode()


def test_reading_gives_an_equal_spec_and_equal_bytes() -> None:
    again = f.FeatureSpec.from_bytes(SPEC.to_bytes(), SPEC.tables)
    assert again == SPEC
    assert again.digest == SPEC.digest
    assert again.to_bytes() == SPEC.to_bytes()
    assert again.tables == SPEC.tables
    assert len(SPEC.tables) == 2


def test_floats_stand_in_decimal_and_hexadecimal() -> None:
    state = json.loads(SPEC.to_bytes())["steps"][0]["state"]
    assert float.fromhex(state["offset"]["hex"]) == float(state["offset"]["dec"])


def test_another_fit_has_another_digest() -> None:
    assert f.feature_set(f.standardize("x")).fit(TRAIN[:7]).digest != SPEC.digest


def test_unknown_parts_are_typed_errors() -> None:
    with pytest.raises(UnknownVersion, match="format version 99"):
        f.FeatureSpec.from_bytes(edited({"version": 99}), SPEC.tables)
    with pytest.raises(UnknownOp, match="Did you mean 'standardize'"):
        f.FeatureSpec.from_bytes(edited({"op": "standardise"}, 0), SPEC.tables)
    with pytest.raises(UnknownVersion, match="standardize"):
        f.FeatureSpec.from_bytes(edited({"version": 2}, 0), SPEC.tables)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"format":"other"}',
        edited({"steps": None}),
        edited({"reads": [9]}, 0),
        edited({"state": {}}, 0),
        edited({"inputs": []}),
        edited({"features": [{"name": "x", "value": 0}]}),
        edited({"features": [{"name": "x", "value": 3, "part": 1}]}),
        edited({"reads": [1]}, 0),
        edited({"state": {"offset": {"dec": "inf", "hex": "0x1p5000"}, "scale": 0}}, 0),
        edited({"state": {"table": {"keys": [["a", 1]], "values": [0.0, 1.0]}}}, 3),
        edited({"time": {"column": 3, "as_of": None, "known_after": {}}}),
        b"[" * 100_000,
    ],
)
def test_a_damaged_document_is_refused(data: bytes) -> None:
    with pytest.raises(SpecDamaged, match="nothing was loaded"):
        f.FeatureSpec.from_bytes(data, SPEC.tables)


def test_a_missing_or_damaged_table_is_named() -> None:
    digest = next(iter(SPEC.tables))
    others = {name: data for name, data in SPEC.tables.items() if name != digest}
    with pytest.raises(SpecDamaged, match=f"{digest[:12]}.*missing"):
        f.FeatureSpec.from_bytes(SPEC.to_bytes(), others)
    with pytest.raises(SpecDamaged, match=f"{digest[:12]}.*damaged"):
        f.FeatureSpec.from_bytes(SPEC.to_bytes(), {**others, digest: b"PAR1"})


def test_the_engine_stores_a_spec_as_one_deterministic_file(tmp_path: Path) -> None:
    codec = find_codec(codec_name(SPEC))
    one, two = tmp_path / "one", tmp_path / "two"
    dumped = codec.dump(SPEC, one)
    codec.dump(f.FeatureSpec.from_bytes(SPEC.to_bytes(), SPEC.tables), two)
    assert dumped.logical == SPEC.digest
    assert one.read_bytes() == two.read_bytes()
    assert codec.load(one, None) == SPEC
    two.write_bytes(one.read_bytes()[:-40])
    with pytest.raises(SpecDamaged, match="two"):
        codec.load(two, None)


def test_every_op_has_its_own_name_and_a_docstring() -> None:
    assert all(kind.op == name and kind.__doc__ for name, kind in OPS.items())
    assert len(OPS) == len(set(OPS.values()))
