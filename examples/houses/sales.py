"""The published sales, and apart from each other what is known of a house and what it was sold for.

Guarantee: `known` returns no price and nothing made of one, `sold_for` nothing else but the
sale's identity, so a price reaches the features only as the label and target they are fitted on.
"""

from __future__ import annotations

import polars as pl

from dagrun import Files
from dagrun.stages.validate import Contract, validate

SALE = ("date", "id")
MOST_BEDROOMS = 15
"""One house is said to have 33 bedrooms on 1,620 square feet; the next highest is 11."""


def admit(files: Files, contract: Files) -> pl.DataFrame:
    """Return the published table in order of time. Raises `ContractViolation`."""
    rows = files.read_parquet()
    return validate(rows, Contract.read(contract), table="sales").sort(SALE)


def known(sales: pl.DataFrame) -> pl.DataFrame:
    """Return what is known before a sale; impossible numbers of bedrooms are null."""
    possible = pl.col("bedrooms") <= MOST_BEDROOMS
    return sales.drop("price").with_columns(pl.when(possible).then("bedrooms").alias("bedrooms"))


def sold_for(sales: pl.DataFrame) -> pl.DataFrame:
    """Return `SALE`, `price` in dollars and `price_per_sqft`, by square foot of living area."""
    return sales.select(
        *SALE, "price", (pl.col("price") / pl.col("sqft_living")).alias("price_per_sqft")
    )


def mean_price(train: pl.DataFrame) -> float:
    """Return the mean price of the training sales, dollars."""
    return int(train["price"].sum()) / train.height


def local_price(train: pl.DataFrame, homes: pl.DataFrame) -> pl.Series:
    """Return a naive valuation, dollars: living area at what a square foot of the zip code costs.

    That is the training sales' summed price by their summed area, of integers both.
    """
    totals = train.group_by("zipcode").agg(pl.col("price", "sqft_living").sum())
    everywhere = int(train["price"].sum()) / int(train["sqft_living"].sum())
    rates = totals.select("zipcode", rate=pl.col("price") / pl.col("sqft_living"))
    joined = homes.select("zipcode").join(rates, on="zipcode", how="left", maintain_order="left")
    return joined["rate"].fill_null(everywhere) * homes["sqft_living"]
