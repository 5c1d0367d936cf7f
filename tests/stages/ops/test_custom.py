"""Ops of a project: checked when they are used, found again by name, place, version and code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import custom_ops
import polars as pl
import pytest

from dagrun.stages.features import (
    Feature,
    FeatureDefinitionError,
    FeatureSpec,
    Op,
    feature_set,
    standardize,
)
from dagrun.stages.lint import NotParitySafe
from dagrun.stages.ops.custom import OpChanged, OpNotFound, OpVersionDiffers
from dagrun.stages.proof import prove

TRAIN = pl.DataFrame({"x": [1.0, 5.0, None, -2.5]})


def spec() -> FeatureSpec:
    return feature_set(custom_ops.capped(*standardize("x"), cap=0.5)).fit(TRAIN)


def test_it_is_fitted_proved_written_and_read_like_any_other() -> None:
    made = spec()
    assert made.transform(TRAIN).to_series()[1] == made.row_function()((5.0,))[0] == 1.0
    again = FeatureSpec.from_bytes(made.to_bytes(), made.tables)
    assert again == made
    assert again.digest == made.digest
    prove(made, examples=20).require()
    prove(custom_ops.Capped(cap=3.0), examples=20).require()


def test_the_document_names_its_place_and_the_code_it_reaches() -> None:
    step = json.loads(spec().to_bytes())["steps"][1]
    assert (step["op"], step["version"], step["place"]) == ("capped", 1, "custom_ops:Capped")
    reached = [name.rpartition(":")[2] for name in step["code"]]
    assert reached == ["Capped", "SLOPE", "twice"]
    assert "place" not in json.loads(spec().to_bytes())["steps"][0]


def read_with(change: Callable[[dict[str, Any]], object]) -> None:
    form = json.loads(spec().to_bytes())
    change(form["steps"][1])
    FeatureSpec.from_bytes(json.dumps(form).encode(), {})


def test_an_edited_op_of_the_same_version_is_refused_with_the_way_out() -> None:
    with pytest.raises(OpChanged, match=r"Changed: .*SLOPE.*set version = 2") as caught:
        read_with(
            lambda step: step["code"].update({next(n for n in step["code"] if "SLOPE" in n): "0"})
        )
    assert caught.value.op == "capped"


def test_another_version_is_refused() -> None:
    with pytest.raises(OpVersionDiffers, match="uses version 2 of the op"):
        read_with(lambda step: step.update(version=2))


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("nowhere.ops:Capped", "there is no module 'nowhere'"),
        ("custom_ops:Lost", "has no op Lost"),
        ("custom_ops:Sloppy", "is the op 'sloppy' now"),
        ("os:system; rm", "that is no module and class"),
    ],
)
def test_an_op_that_is_not_there_is_refused(place: str, problem: str) -> None:
    with pytest.raises(OpNotFound, match=problem) as caught:
        read_with(lambda step: step.update(place=place))
    assert "inside that project" in str(caught.value)


def test_a_document_makes_no_module_be_imported_that_defines_no_such_op(tmp_path: Path) -> None:
    (tmp_path / "harm.py").write_text("raise SystemExit('imported')\nclass Capped: op = 'other'\n")
    code = (
        "import sys; from dagrun.stages.ops.custom import find, OpNotFound\n"
        "try: find('capped', 1, 'harm:Capped', {})\n"
        "except OpNotFound as error: print('refused', 'harm' in sys.modules, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("refused False")
    assert "defines no op Capped with op = 'capped'" in done.stdout


def used(op: Op) -> FeatureSpec:
    return feature_set(Feature(name="made", op=op, inputs=("x",))).fit(TRAIN)


@pytest.mark.parametrize(
    ("op", "problem"),
    [
        (custom_ops.Undecorated(), "is no dataclass"),
        (custom_ops.Taken(), "is an op of dagrun"),
        (custom_ops.Holding(settings=[1]), "holds a list in 'settings'"),
        (custom_ops.Undocumented(), "has no docstring"),
    ],
)
def test_what_could_not_be_written_down_is_refused_before_a_row_is_read(
    op: Op, problem: str
) -> None:
    with pytest.raises(FeatureDefinitionError, match=rf"feature 'made': .*{problem}"):
        used(op)


def test_an_op_within_a_function_is_refused() -> None:
    inner = type("Inner", (custom_ops.Vouched,), {"__qualname__": "f.<locals>.Inner"})
    inner.__doc__ = "Inner."
    with pytest.raises(FeatureDefinitionError, match=r"is no dataclass|inside a function"):
        used(inner())


def test_fitting_refuses_what_is_not_parity_safe() -> None:
    with pytest.raises(NotParitySafe) as caught:
        used(custom_ops.Sloppy())
    found = {(one.place, one.rule) for one in caught.value.findings}
    assert found == {
        ("batch", "divide-by-literal"),
        ("batch", "frame-dependent"),
        ("row", "numpy"),
        ("row", "row-math"),
        ("row", "row-round"),
        ("row", "row-name"),
        ("row", "power"),
        ("fit", "float-sum"),
        ("fit", "not-determined"),
    }
    assert "op 'sloppy' of feature 'made' is not parity-safe" in str(caught.value)
    assert "batch: [x[0] / 3]  [divide-by-literal]" in str(caught.value)
    assert 'vouched = (("' in str(caught.value)
