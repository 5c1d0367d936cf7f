"""Proofs of what holds, and differences as data where a twin is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pytest
from tests_parity import SOAK

from dagrun.stages import features as f
from dagrun.stages.lint.finding import NotParitySafe
from dagrun.stages.ops.catalog import OPS
from dagrun.stages.ops.errors import BadValue, DtypeMismatch
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.training import Training
from dagrun.stages.proof import WAYS, NothingProved, NotProved, compare, prove

EXAMPLES = 500 if SOAK else 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Third(Op):
    """A third of a number, by a division that Polars computes otherwise for many rows."""

    op = "third"

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0] / 3.0

    def row(self, x: Names) -> str:
        return f"{x[0]} / 3.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential(Op):
    """e to the power of a number, whose row twin overflows."""

    op = "exponential"

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0].exp()

    def row(self, x: Names) -> str:
        return f"{x.bind(math.exp, 'exp')}({x[0]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotient(Op):
    """One number by another, 0 by 0 a NaN beside null."""

    op = "quotient"
    takes = (frozenset(("double",)), frozenset(("double",)))

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0] / x[1]

    def row(self, x: Names) -> str:
        return f"nan if {x[1]} == 0 else {x[0]} / {x[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinusFirst(Op):
    """A number less that of the first training row: a fit that depends on their order."""

    op = "minus_first"
    first: float = 0.0

    def fit(self, train: Training) -> MinusFirst:
        value = train.columns[0][0]
        if value is None or not math.isfinite(value):
            raise train.error("the first row has no number")
        return MinusFirst(first=value)

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0] - self.first

    def row(self, x: Names) -> str:
        return f"{x[0]} - {self.first!r}"


@pytest.fixture(autouse=True)
def own_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    for op in (Third, Exponential, Quotient, MinusFirst):
        monkeypatch.setitem(OPS, op.op, op)


def test_features_are_proved_over_every_dtype_they_take() -> None:
    proof = prove(f.ordinal("key"), examples=40).require()
    assert proof.frames >= 30
    assert set(proof.compared) == set(WAYS)
    assert str(proof).startswith("0 of ")


def test_an_op_alone_is_proved_with_its_settings() -> None:
    prove(OPS["log1p"](), examples=EXAMPLES).require()


def test_targets_and_labels_are_made_up_too() -> None:
    features = f.feature_set(f.target_mean("late", by=("a", "b")), f.group_agg("n", by="a"))
    prove(features, label="late", examples=EXAMPLES).require()


def test_keys_are_proved_as_ordinals() -> None:
    prove(f.cross("a", "b"), [f.Column(name="a", dtype="string")], examples=EXAMPLES).require()


def test_a_fitted_spec_is_proved_on_frames_of_its_own_schema() -> None:
    train = pl.DataFrame({"x": [1.0, 2.5, None], "s": ["a", "b", None], "i": [1, 2, 3]})
    spec = f.feature_set(f.one_hot("s"), f.bucket_fixed("x", edges=[0.1]), "i").fit(train)
    assert prove(spec, examples=EXAMPLES).require().features == 4


def test_a_division_by_a_literal_is_found_in_doubles() -> None:
    proof = prove(Third(), examples=200)
    found = proof.differences[0]
    assert (found.feature, found.precision) == ("third", "double")
    assert found.expected is not None
    assert found.found is not None
    assert abs(found.expected - found.found) == 1
    assert list(found.values) == ["in0"]
    with pytest.raises(
        NotProved, match=r"third, row .*: batch twin 0x.*, row twin 0x.* given in0="
    ):
        proof.require()


def test_a_row_twin_that_raises_is_a_difference_with_its_row() -> None:
    found = prove(Exponential(), examples=200).differences[0]
    assert found.way == "row twin"
    assert "OverflowError: math range error" in found.problem
    assert found.values


def test_a_nan_beside_null_is_a_difference() -> None:
    proof = prove(
        Quotient(), [f.Column(name=n, dtype="double") for n in ("in0", "in1")], examples=50
    )
    assert "batch twin NaN, not null, row twin null" in str(proof)


def test_a_fit_that_depends_on_the_order_of_the_rows_is_found() -> None:
    (found,) = prove(MinusFirst(), examples=200).differences
    assert found.way == "fit"
    assert "minus_first" in found.problem


def test_what_the_linter_refuses_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPS, "third")
    with pytest.raises(NotParitySafe, match="divide-by-literal"):
        prove(Third(), examples=3)


def test_what_cannot_be_fitted_or_read_proves_nothing() -> None:
    constant = f.Column(name="x", dtype="double")
    with pytest.raises(NothingProved, match="no dtype of column 'x'"):
        prove(f.feature_set(f.log1p("x"), f.norm_text("x")))
    with pytest.raises(DtypeMismatch):
        prove(f.ordinal("x"), [constant], examples=EXAMPLES)


def test_a_frame_of_ones_own_is_compared() -> None:
    spec = f.feature_set(f.log1p("x")).fit(pl.DataFrame({"x": [1.0]}))
    assert compare(spec, pl.DataFrame({"x": [0.5, None, -2.0]})).require().rows == 3
    assert compare(spec, pl.DataFrame({"x": []}, schema={"x": pl.Float64})).require().rows == 0
    with pytest.raises(DtypeMismatch):
        compare(spec, pl.DataFrame({"x": ["a"]}))
    whole = f.feature_set("x", inputs=[f.Column(name="x", dtype="double", nullable=False)])
    with pytest.raises(BadValue):
        compare(whole.fit(pl.DataFrame({"x": [1.0]})), pl.DataFrame({"x": [None, 1.0]}))
