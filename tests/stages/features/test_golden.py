"""Spec documents of every op and version are read for ever, and give the bits they once gave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import golden_specs
import pytest

from dagrun.engine.errors import DagrunError, UnknownVersion
from dagrun.stages.features import FeatureSpec
from dagrun.stages.ops.catalog import OPS
from dagrun.stages.ops.errors import SpecDamaged, UnknownOp
from dagrun.stages.proof import compare
from dagrun.stages.proof.bits import batch_bits

FILES = sorted(golden_specs.FOLDER.glob("*/*.json"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_every_op_has_a_golden_document_of_its_version() -> None:
    missing = [op for op in OPS if not golden_specs.place(op).exists()]
    assert missing == [], "run: make golden"


def test_no_golden_document_was_ever_edited_or_removed() -> None:
    assert golden_specs.present() == golden_specs.listed()


@every_file
def test_a_document_is_read_and_gives_the_recorded_bits(path: Path) -> None:
    golden = golden_specs.read(path)
    spec = FeatureSpec.from_bytes(golden.document, golden.tables)
    frame = golden_specs.frame(spec, golden)
    found = batch_bits(spec.transform(frame).select(spec.names))
    assert {name: found[:, i].tolist() for i, name in enumerate(spec.names)} == golden.bits
    compare(spec, frame, ways=["row twin"]).require()


@every_file
def test_a_document_written_again_says_the_same(path: Path) -> None:
    golden = golden_specs.read(path)
    spec = FeatureSpec.from_bytes(golden.document, golden.tables)
    if dict(spec.tables) == golden.tables:
        assert spec.to_bytes() == golden.document
    # Another version of Polars may write equal tables in other bytes.
    assert FeatureSpec.from_bytes(spec.to_bytes(), spec.tables) == spec


@every_file
def test_whatever_is_unknown_or_missing_is_refused_by_name(path: Path) -> None:
    golden = golden_specs.read(path)
    form = json.loads(golden.document)

    def read(changed: object) -> None:
        FeatureSpec.from_bytes(json.dumps(changed).encode(), golden.tables)

    read(form)
    for version in (0, 2, None):
        with pytest.raises(UnknownVersion, match="feature spec"):
            read({**form, "version": version})
    for part in ("format", "inputs", "steps", "features", "label"):
        with pytest.raises(SpecDamaged):
            read({name: value for name, value in form.items() if name != part})
    for place, step in enumerate(form["steps"]):

        def with_step(changed: object, at: int = place) -> object:
            return {**form, "steps": [*form["steps"][:at], changed, *form["steps"][at + 1 :]]}

        with pytest.raises(UnknownOp, match="which this dagrun does not have"):
            read(with_step({**step, "op": step["op"] + "_"}))
        with pytest.raises(UnknownVersion, match=step["op"]):
            read(with_step({**step, "version": step["version"] + 1}))
        for name in step["state"]:
            state = {key: value for key, value in step["state"].items() if key != name}
            with pytest.raises(SpecDamaged, match=step["op"]):
                read(with_step({**step, "state": state}))
            with pytest.raises(SpecDamaged, match=step["op"]):
                read(with_step({**step, "state": {**state, name + "_": None}}))
        with pytest.raises(SpecDamaged):
            read(with_step({**step, "reads": [len(form["inputs"]) + place]}))
    with pytest.raises(SpecDamaged, match="not JSON"):
        FeatureSpec.from_bytes(golden.document[:-1], golden.tables)


def places(form: object, at: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Yield the way to every part of a document, of lists to the first two."""
    yield at
    inner = form.items() if isinstance(form, dict) else enumerate(form[:2])  # type: ignore[index]
    for key, value in inner:
        if isinstance(value, dict | list):
            yield from places(value, (*at, key))
        else:
            yield (*at, key)


def changed(form: Any, at: tuple[Any, ...], value: object) -> Any:
    if not at:
        return value
    copy = dict(form) if isinstance(form, dict) else list(form)
    copy[at[0]] = changed(form[at[0]], at[1:], value)
    return copy


@every_file
def test_a_value_of_another_type_is_refused_wherever_it_stands(path: Path) -> None:
    golden = golden_specs.read(path)
    form = json.loads(golden.document)
    refused = 0
    for at in places(form):
        for value in ([], {"hex": "0x1p0"}, 7 if at[-1:] == ("name",) else "text"):
            data = json.dumps(changed(form, at, value)).encode()
            try:
                FeatureSpec.from_bytes(data, golden.tables)
            except DagrunError:
                refused += 1
    assert refused > 50


@every_file
def test_a_missing_or_damaged_table_is_refused(path: Path) -> None:
    golden = golden_specs.read(path)
    for name, data in golden.tables.items():
        with pytest.raises(SpecDamaged, match="missing"):
            FeatureSpec.from_bytes(golden.document, {})
        with pytest.raises(SpecDamaged, match="damaged"):
            FeatureSpec.from_bytes(golden.document, {**golden.tables, name: data[:-1]})


def test_the_writer_never_writes_over_a_document() -> None:
    before = golden_specs.present()
    assert golden_specs.add() == []
    assert golden_specs.present() == before
