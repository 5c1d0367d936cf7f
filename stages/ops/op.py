"""What an op is: one transform, defined once, with its fit, its two twins and its null rule.

An op is a frozen dataclass. Its fields are its settings and, with defaults, the state that `fit`
gives them, all of them None, bool, int, float, str, tuples of these, a `Table` or `Vectors`: so it
is a value, can be hashed for a stage's key, and can be written to a document and read back without
code of its own.

Guarantee that every op keeps: for the same input bits the batch twin on any number of rows and
the row twin give the same bits. Null stays null unless the op's docstring says otherwise.
The limit: both twins call the host's libm, so `log1p` or `sin` may move by an ulp of the double
between hosts; golden rows decide there.
"""

# ruff: noqa: ARG002 - the defaults of an interface ignore their arguments

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import polars as pl

from dagrun.stages.ops.kind import NUMBER, Kind
from dagrun.stages.ops.table import Table
from dagrun.stages.ops.training import Training


class Names(Protocol):
    """The variables that hold an op's inputs in the row function, and what may be asked of it."""

    def __getitem__(self, place: int, /) -> str: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

    def kind(self, place: int) -> Kind:
        """Return the kind of an input."""
        ...

    def null(self, place: int) -> str:
        """Return a condition that is true when an input is null."""
        ...

    def bind(self, value: object, hint: str) -> str:
        """Return a name under which the function finds `value` (a table, a callable)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One transform. Subclasses say what they take and give, and define both twins.

    Attributes:
        op, version: how documents name it; a change of meaning is a new version.
        takes: kinds accepted per input; the last holds for all further inputs.
        gives: the kind of the result.
        targets: how many fit-only columns it is fitted on.
        integer: the result is a whole number below 2**24, so its feature is Int32. The batch
            twin may be of any numeric dtype then (Int32 is the fastest); readers get Float64.
        row_exact: False when the row twin would not be exact; the spec then falls back to
            the batch twin for single rows, and says so.
        several: the result is several columns (see `parts`), which no other op can take.
        label_safe: the label may be its target, since training rows get values out of fold.
        vouched: rules of the linter that the op breaks safely, as pairs of rule and reason.
    """

    op: ClassVar[str]
    version: ClassVar[int] = 1
    takes: ClassVar[tuple[frozenset[Kind], ...]] = (NUMBER,)
    gives: ClassVar[Kind] = "double"
    targets: ClassVar[int] = 0
    integer: ClassVar[bool] = False
    row_exact: ClassVar[bool] = True
    several: ClassVar[bool] = False
    label_safe: ClassVar[bool] = False
    vouched: ClassVar[tuple[tuple[str, str], ...]] = ()

    def result(self, kinds: Sequence[Kind]) -> Kind:
        """Return the kind of the result for inputs of these (accepted) kinds."""
        return self.gives

    def settle(self, name: str, kinds: Sequence[Kind]) -> Self:
        """Return the op adapted to the kinds of its inputs, before any row is read.

        Raises `FeatureDefinitionError` for the feature `name` when they do not go together.
        """
        return self

    def fit(self, train: Training) -> Self:
        """Return the op with its state. Raises `CannotFit` when the rows do not determine it."""
        return self

    def out_of_fold(self, train: Training) -> pl.Series | None:
        """Return what the training rows get instead of `batch`, or None for `batch` itself."""
        return None

    def past(self, train: Training) -> pl.Series:
        """Return what the training rows get of their past alone, by `train.timeline`.

        Null where the past says nothing. Only ops with a frozen table have one.
        """
        raise NotImplementedError

    def renewable(self) -> Table | None:
        """Return the frozen table that may be fitted on newer rows without training the model.

        Its columns of keys are the op's inputs. None (the default) when there is none, or when
        the model has learned what its values stand for, as the codes of `ordinal`.
        """
        return None

    def parts(self) -> tuple[str, ...] | None:
        """Return name suffixes when a fitted op has several results, else None."""
        return None

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr | list[pl.Expr]:
        """Return the batch twin: elementwise expressions over the inputs."""
        raise NotImplementedError

    def row(self, x: Names) -> str:
        """Return the row twin: a Python expression over the inputs' variables."""
        raise NotImplementedError


def indicator(condition: pl.Expr) -> pl.Expr:
    """Return 1 where the condition holds, 0 where it does not or is null, as Int32."""
    # Several times as fast as casting the condition.
    return pl.when(condition).then(pl.lit(1, pl.Int32)).otherwise(pl.lit(0, pl.Int32))
