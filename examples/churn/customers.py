"""The published table, read and typed.

It is published as a pickle, and a pickle can run code when it is read. This one comes with a
package whose hash is pinned, and nothing but this function reads it; what dagrun itself stores and
serves is never pickled.
"""

from __future__ import annotations

import pandas as pd
import polars as pl

from dagrun import Files
from dagrun.stages.validate import Contract, validate

FLAGS = (
    "female", "senior_citizen", "partner", "dependents", "phone_service", "paperless_billing"
)  # fmt: skip


def admit(files: Files, contract: Files) -> pl.DataFrame:
    """Return one row per customer, in the published order. Raises `ContractViolation`."""
    (path,) = files.paths
    rows = pl.DataFrame(pd.read_pickle(path, compression="xz").to_dict("list"))
    typed = rows.rename({"rownames": "customer"}).with_columns(
        pl.col("churn") == "Yes",
        pl.col(FLAGS).cast(pl.Boolean),
        pl.col("total_charges").fill_nan(None),
    )
    return validate(typed, Contract.read(contract), table="customers")
