"""What a card's own past says when a payment is asked for: earlier payments, and nothing else.

Guarantee: a row's values come from payments of the same card at strictly earlier moments, so no
later payment, no report of fraud and not the payment itself is in them; the order of the table's
rows does not matter. Sums and counts are whole numbers. `ledger.py` computes the same values one
payment at a time, as a bank would; the tests hold both against each other, bit by bit.
"""

from __future__ import annotations

import polars as pl

from dagrun.stages.joining import join_known

PAYMENT = ("card", "at")
WINDOWS = {"1h": 3_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}
"""Spans that are looked back over, in seconds: from so long ago, to just before now."""


def past_of(payments: pl.DataFrame) -> pl.DataFrame:
    """Return the payments in order of time with what their cards had done before.

    Adds, by window, the number of payments and the cents spent; the greatest payment of 30 days;
    the seconds since the last payment, and since the last in a shop; the kilometres from there; how
    often the card has paid in this shop. Where there is no past, spans and sums are null.
    """
    rows = payments.sort(PAYMENT)
    for window in WINDOWS:
        spent = [pl.len().cast(pl.Int64).alias(f"paid_{window}"), _total(f"spent_{window}")]
        if window == "30d":
            spent.append(pl.col("cents").max().alias("largest_30d"))
        past = rows.rolling("at", period=window, closed="left", group_by="card").agg(spent)
        rows = rows.hstack(past.drop(*PAYMENT))
    before = {"last_at": pl.col("at").shift().over("card")}
    in_shop = pl.col("shop_x").is_not_null()
    for name, value in (
        ("place_at", pl.when(in_shop).then("at")),
        ("place_x", pl.col("shop_x")),
        ("place_y", pl.col("shop_y")),
    ):
        before[name] = value.forward_fill().shift().over("card")
    here = pl.col("at").cum_count().over("card", "shop").cast(pl.Int64) - 1
    return (
        rows.with_columns(**before, times_here=here)
        .with_columns(
            seconds_since_last=_seconds("last_at"),
            seconds_since_place=_seconds("place_at"),
            km_from_last=kilometres("place_x", "place_y"),
        )
        .drop(*before)
        .sort("at", "card")
    )


def with_holder(payments: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
    """Add the limit of the card, and how far the shop is from the home that the bank knew of."""
    joined = join_known(payments, cards, on="card", at="at", known_at="known_at", dated="since")
    distance = kilometres("home_x", "home_y")
    return joined.with_columns(km_from_home=distance).drop("since", "known_at", "home_x", "home_y")


def kilometres(x: str, y: str) -> pl.Expr:
    """Return the distance of the shop from a place; null when either is not known."""
    east, north = pl.col("shop_x") - pl.col(x), pl.col("shop_y") - pl.col(y)
    return (east * east + north * north).sqrt()


def _total(name: str) -> pl.Expr:
    return pl.when(pl.len() > 0).then(pl.col("cents").sum()).alias(name)


def _seconds(earlier: str) -> pl.Expr:
    return (pl.col("at") - pl.col(earlier)).dt.total_seconds()
