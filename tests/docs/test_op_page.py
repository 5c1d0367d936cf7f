"""The page of all ops: nothing of the catalog is missing, and its examples hold in both twins."""

from __future__ import annotations

import inspect

import polars as pl
import pytest
from tests_parity import assert_twins

from dagrun.stages import features
from dagrun.stages.ops.catalog import OPS
from op_example import Example
from op_examples import EXAMPLES
from op_page import fit, meaning, table

FOR_OTHERS = {"available_since", "each"}
"""They return features, but make them of what others have made."""


def test_every_op_of_the_catalog_has_an_example() -> None:
    """Give a new op an `Example` in docs/op_examples.py."""
    shown = [name for example in EXAMPLES for name in example.ops]
    assert sorted(shown) == sorted(OPS)


def test_every_constructor_has_an_example_that_uses_it() -> None:
    constructors = {
        name
        for name in features.__all__
        if inspect.isfunction(made := getattr(features, name))
        and made.__annotations__.get("return") == "Features"
        and name not in FOR_OTHERS
    }
    assert {example.constructor for example in EXAMPLES} == constructors
    for example in EXAMPLES:
        assert f"{example.constructor}(" in example.call


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.constructor)
def test_an_example_reaches_its_ops_and_holds_in_both_twins(example: Example) -> None:
    spec = fit(example)
    assert set(example.ops) <= {step.op.op for step in spec.steps}
    rows = pl.DataFrame(example.rows, strict=False)
    assert_twins(spec, rows)
    assert len(table(example).splitlines()) == rows.height + 4


def test_the_counterparts_are_told_apart_from_the_meaning() -> None:
    said, twin = meaning("impute_stat")
    assert twin.startswith("scikit-learn `SimpleImputer(")
    assert twin.endswith('"most_frequent")`.')
    assert said.endswith("strings have a mode only.")
    assert meaning("day") == ("The day a local time falls on.", "")
