"""What can go wrong with a feature spec, each error naming the feature, column or op.

Definition and dtype errors are raised before anything is computed; errors about the data itself
(a null where none is allowed, a column with nothing to fit on) name the column and what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dagrun.engine.errors import DagrunError, DefinitionError, listing, nearest


class FeatureDefinitionError(DefinitionError):
    """A feature is written wrongly: what is wrong, and with which feature."""

    def __init__(self, feature: str, problem: str) -> None:
        self.feature, self.problem = feature, problem
        super().__init__(f"feature {feature!r}: {problem}")


class UnknownColumn(DefinitionError):
    """The frame lacks columns that the features need."""

    def __init__(self, missing: Sequence[str], known: Iterable[str]) -> None:
        self.missing, self.known = tuple(missing), tuple(known)
        hints = "".join(nearest(name, self.known) for name in self.missing[:1])
        super().__init__(
            f"the frame has no column {listing([repr(name) for name in self.missing])}.{hints} "
            f"Columns: {listing(self.known)}"
        )


class DtypeMismatch(DefinitionError):
    """A column or feature has a dtype that its reader does not take."""

    def __init__(self, column: str, found: str, wanted: str, reader: str) -> None:
        self.column, self.found, self.wanted, self.reader = column, found, wanted, reader
        super().__init__(
            f"column {column!r} is {found}, but {reader} takes {wanted}. "
            "Cast the column before it gets here, or choose another op"
        )


class BadValue(DagrunError):
    """A column holds a value that its declared dtype cannot carry."""

    def __init__(self, column: str, problem: str, rows: int) -> None:
        self.column, self.problem, self.rows = column, problem, rows
        super().__init__(f"column {column!r}: {problem} in {rows} row(s)")


class CannotFit(DagrunError):
    """The training rows do not determine a feature's state."""

    def __init__(self, feature: str, problem: str) -> None:
        self.feature, self.problem = feature, problem
        super().__init__(f"cannot fit feature {feature!r}: {problem}")


class UnknownOp(DagrunError):
    """A spec document names an op that this dagrun does not have."""

    def __init__(self, op: str, known: Iterable[str]) -> None:
        self.op, self.known = op, tuple(sorted(known))
        super().__init__(
            f"the feature spec uses the op {op!r}, which this dagrun does not have."
            f"{nearest(op, self.known)} Use the dagrun that wrote it. "
            f"Ops: {listing(self.known, 50)}"
        )


class SpecDamaged(DagrunError):
    """A spec document or one of its tables is missing, damaged or does not hang together."""

    def __init__(self, what: str, problem: str) -> None:
        self.what, self.problem = what, problem
        super().__init__(
            f"{what} {problem}; nothing was loaded from it. "
            "Fetch the bundle or run the pipeline again"
        )
