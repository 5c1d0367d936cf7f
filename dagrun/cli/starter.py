"""The pipeline that `dagrun init` writes: small, complete, and made to be changed."""

from __future__ import annotations

PIPELINE = '''\
"""What a shop takes in a day, from a table of orders. Run it with: dagrun run"""

import polars as pl
from dagrun import Files, Verdict, stage


@stage
def orders(files: Files = Files("data/orders.csv")) -> pl.DataFrame:
    """One row per order. A file is known by its content: touch it, and nothing runs again."""
    return files.read_csv(try_parse_dates=True)


@stage
def by_day(orders: pl.DataFrame) -> pl.DataFrame:
    """What was taken on each day. The parameter `orders` is the stage of that name."""
    takings = pl.col("price") * pl.col("count")
    return orders.group_by("day").agg(takings.sum().round(2).alias("taken")).sort("day")


@stage
def best(by_day: pl.DataFrame, top: int = 2) -> pl.DataFrame:
    """The best days. A parameter with a default can be set: dagrun run -p best.top=3"""
    return by_day.sort("taken", descending=True).head(top)


@stage(gate=True)
def plausible(by_day: pl.DataFrame, least: float = 10.0) -> Verdict:
    """A gate: when it says no, what depends on it is halted."""
    worst = by_day["taken"].min()
    return Verdict(passed=worst >= least, reasons=(f"worst day {worst}, at least {least}",))


@stage(effect=True)
def announce(best: pl.DataFrame, plausible: Verdict) -> None:
    """An effect: it acts on the world, so it is never cached."""
    for day, taken in best.iter_rows():
        print(f"a good day: {day} with {taken}")
'''

ORDERS = """\
order,day,item,price,count
1,2024-03-01,tea,3.20,2
2,2024-03-01,coffee,2.90,4
3,2024-03-01,cake,4.50,1
4,2024-03-02,tea,3.20,5
5,2024-03-02,cake,4.50,3
6,2024-03-03,coffee,2.90,6
7,2024-03-03,tea,3.20,1
8,2024-03-03,cake,4.50,2
9,2024-03-04,coffee,2.90,3
10,2024-03-04,tea,3.20,2
"""

SETTINGS = """\
# The folder of this file is the project: paths and the store (.dagrun) are found from here.
[tool.dagrun]
pipeline = "pipeline.py"
"""

FILES = {"pipeline.py": PIPELINE, "pyproject.toml": SETTINGS, "data/orders.csv": ORDERS}
"""What is written, by path in the project."""
