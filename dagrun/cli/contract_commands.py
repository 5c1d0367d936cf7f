"""The commands about contracts: what they are called and what they take.

A table is named by its file (CSV, JSON lines or Parquet, compressed or not, or a quoted pattern),
or as an artifact of the pipeline.
"""

from __future__ import annotations

from typing import Any

import click

from dagrun.cli.lazy import NamingGroup, carry_out
from dagrun.cli.options import json_option, pipeline_option

_TABLE = "FILE|ARTIFACT"


def _read_references(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    named = dict(value.partition("=")[::2] for value in values)
    for name, table in named.items():
        if not (name and table):
            raise click.BadParameter("is not of the form NAME=FILE or NAME=ARTIFACT", ctx, param)
    return named


@click.group(cls=NamingGroup, epilog="Example: dagrun contract infer data/orders.csv > orders.toml")
def contract() -> None:
    """Contracts: what a table must look like."""


@contract.command(epilog="Example: dagrun contract infer data/orders.csv > orders.toml")
@click.argument("table", metavar=_TABLE)
@pipeline_option
def infer(**options: Any) -> int:
    """Draft a contract from a table, which keeps it.

    Read the draft: it says beside each rule what was seen.
    """
    return carry_out("dagrun.cli.contract:infer", options)


@contract.command(
    epilog="Example: dagrun contract check orders.toml data/orders.csv --baseline orders.json"
)
@click.argument("contract", metavar="CONTRACT", type=click.Path(exists=True, dir_okay=False))
@click.argument("table", metavar=_TABLE)
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar=f"NAME={_TABLE}",
    callback=_read_references,
    help="A table that the contract refers to.",
)
@click.option("--baseline", metavar=_TABLE, help="What is usual: see dagrun contract baseline.")
@click.option(
    "--bad-rows",
    metavar="PARQUET",
    type=click.Path(dir_okay=False),
    help="Write the bad rows here.",
)
@click.option("--now", metavar="TIME", help="The moment to judge freshness by. [default: now]")
@pipeline_option
@json_option
def check(**options: Any) -> int:
    """Hold a table against a contract: every finding, with counts and examples.

    Ends with code 3 if something was found that stops the table.
    """
    return carry_out("dagrun.cli.contract:check", options)


@contract.command(epilog="Example: dagrun contract baseline data/orders.csv -o orders.json")
@click.argument("table", metavar=_TABLE)
@click.option(
    "-o",
    "out",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False),
    help="The file to write.",
)
@click.option(
    "--batches",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many of the tables that will be compared are in it, such as 30 days.",
)
@pipeline_option
def baseline(**options: Any) -> int:
    """Learn from a good table what is usual, for later ones to be compared with."""
    return carry_out("dagrun.cli.contract:baseline", options)
