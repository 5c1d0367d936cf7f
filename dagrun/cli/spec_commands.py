"""The commands about feature specs: what they are called and what they take.

A spec is named as a model (`NAME`, `NAME@ALIAS`, `NAME@VERSION`), by a bundle's or spec's file, or
as an artifact of the pipeline.
"""

from __future__ import annotations

from typing import Any

import click

from dagrun.cli.lazy import NamingGroup, carry_out
from dagrun.cli.options import json_option, pipeline_option

_NAME = "NAME[@ALIAS]|FILE|ARTIFACT"


@click.group(cls=NamingGroup, epilog="Example: dagrun spec show flights@champion")
def spec() -> None:
    """Feature specs: what they compute and how they differ."""


@spec.command(
    epilog="Example: dagrun spec show flights@champion; dagrun spec show spec --feature 'wind*'"
)
@click.argument("name", metavar=_NAME)
@click.option(
    "--feature",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Only features of this name; * stands for any text.",
)
@click.option("--all", "everything", is_flag=True, help="List them all, however many.")
@click.option("--row", is_flag=True, help="Print the generated function for single rows.")
@pipeline_option
@json_option
def show(**options: Any) -> int:
    """Show a fitted spec: inputs, features, ops, settings and state.

    With --json, its canonical document.
    """
    return carry_out("dagrun.cli.spec_show:show", options)


@spec.command(epilog="Example: dagrun spec diff flights@1 flights@champion")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@pipeline_option
@json_option
def diff(**options: Any) -> int:
    """Compare fitted spec A with B: features, settings, state, inputs.

    Says whether a row could get other bits. When A is in a bundle, its golden rows are computed
    by both.
    """
    return carry_out("dagrun.cli.spec_diff:diff", options)


@spec.command(epilog="Example: dagrun spec profile flights@champion --rows today.parquet")
@click.argument("name", metavar=_NAME)
@click.option(
    "--rows",
    metavar="PARQUET",
    type=click.Path(exists=True, dir_okay=False),
    help="Raw rows to look at. [default: the bundle's golden rows]",
)
@click.option(
    "--by",
    type=click.Choice(["place", "gain", "cost", "missing"]),
    default="place",
    show_default=True,
    help="Order of the features.",
)
@pipeline_option
@json_option
def profile(**options: Any) -> int:
    """Profile features: values, missing share, importance, cost of a row.

    Costs are measured: microseconds that the row twin takes for this feature alone.
    """
    return carry_out("dagrun.cli.spec_profile:profile", options)


@spec.command(
    epilog="Example: dagrun spec rehearse flights@champion --python ../next/.venv/bin/python"
)
@click.argument("name", metavar="NAME[@ALIAS]|FILE")
@click.option(
    "--python",
    metavar="PATH",
    help="The interpreter of another environment that has dagrun: rehearse with its libraries.",
)
@pipeline_option
@json_option
def rehearse(**options: Any) -> int:
    """Replay a model's golden rows and list which values would change.

    With --python under the library versions of another environment. Ends with code 5 if a bit
    differs.
    """
    return carry_out("dagrun.cli.spec_rehearse:rehearse", options)


@spec.command(epilog="Example: dagrun spec check; dagrun spec check features:FEATURES")
@click.argument("name", metavar="[MODULE:NAME|NAME@ALIAS|FILE|ARTIFACT]", required=False)
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    default=25,
    show_default=True,
    help="Generated frames for each feature.",
)
@pipeline_option
@json_option
def check(**options: Any) -> int:
    """Lint and prove features and ops.

    Without a name, every feature set of the project: each feature is fitted on generated rows
    with hard values, and both twins compared bit by bit. Needs dagrun[proof].
    """
    return carry_out("dagrun.cli.spec_check:check", options)
