"""The five published tables, each admitted only if it keeps its contract.

Guarantee: `NA` is null, dtypes come from the whole file rather than its first rows, and times are
instants: `time_hour` in UTC and, for flights, `sched_dep` on New York's clock. Hours are read as
instants because local ones are ambiguous on 3 November, when the clocks go back.
"""

from __future__ import annotations

import polars as pl

from dagrun import Files
from dagrun.stages.validate import Contract, validate

NEW_YORK = "America/New_York"


def admit(files: Files, contract: Files, *, table: str) -> pl.DataFrame:
    """Return a published table. Raises `ContractViolation`, listing every broken rule."""
    rows = files.read_csv(null_values="NA", infer_schema_length=None)
    return validate(rows.with_columns(*instants(rows)), Contract.read(contract), table=table)


def instants(rows: pl.DataFrame) -> list[pl.Expr]:
    """Return the columns of a published table that are moments in time."""
    if "time_hour" not in rows.columns:
        return []
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    if "minute" not in rows.columns:
        return [hour]
    planned = hour + pl.duration(minutes=pl.col("minute"))
    return [hour, planned.dt.convert_time_zone(NEW_YORK).alias("sched_dep")]
