"""A table after its check, and what keeps a check from being made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import polars as pl

from dagrun.engine.errors import DefinitionError, listing
from dagrun.stages.validate.finding import ContractViolation, Findings

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


class TableMissing(DefinitionError):
    """A contract refers to a table that was not given."""

    def __init__(self, table: str, wanted: str, given: Sequence[str]) -> None:
        self.table, self.wanted, self.given = table, wanted, tuple(given)
        super().__init__(
            f"the contract of {table!r} refers to the table {wanted!r}; hand it over: "
            f"references={{{wanted!r}: frame}}. Given: {listing(self.given)}"
        )


class MomentMissing(DefinitionError):
    """A contract asks how old a table is, and nobody said what time it is."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(
            f"the contract of {table!r} has [freshness], so say what time it is: now=... . A stage "
            "that asks the clock must not be a hit tomorrow: declare it with "
            '@stage(cache=False, reason="the time is not an input") and pass '
            "now=dt.datetime.now(dt.UTC)"
        )


@dataclass(frozen=True, kw_only=True)
class Checked(Generic[Frame]):
    """A table after its check.

    Attributes:
        rows: the rows that may be used, in their order.
        bad_rows: the rows that break a rule which quarantines or stops, with their row number from
            0 (`row_number`) and the rules (`broken_rules`) in front.
        findings: all that was found.
    """

    rows: Frame
    bad_rows: Frame
    findings: Findings

    def admit(self) -> Frame:
        """Return `rows`. Raises `ContractViolation` if something was found that stops the table."""
        stopping = self.findings.of("stop")
        if stopping:
            raise ContractViolation(self.findings.table, stopping)
        return self.rows
