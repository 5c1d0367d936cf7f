"""The commands about a model's traffic: what answers beside its champion."""

from __future__ import annotations

from typing import Any

import click

from dagrun.cli.lazy import NamingGroup, carry_out
from dagrun.cli.options import json_option, override_option, pipeline_option

_REASON = click.option("--reason", required=True, help="Why; kept in the history.")
_KIND = click.Choice(["canary", "split", "shadow"])


@click.group(cls=NamingGroup, epilog="Example: dagrun traffic show flights")
def traffic() -> None:
    """Canaries, A/B splits and shadows of a served model.

    A running `dagrun serve` follows within a second.
    """


@traffic.command(epilog="Example: dagrun traffic show flights")
@click.argument("name")
@pipeline_option
@json_option
def show(**options: Any) -> int:
    """Show what answers beside the champion of model NAME."""
    return carry_out("dagrun.cli.traffic:show_orders", options)


@traffic.command(epilog="Example: dagrun traffic canary flights@4 --reason 'retrained on October'")
@click.argument("version", metavar="NAME@VERSION")
@click.option(
    "--steps",
    default="5,25,50,100",
    show_default=True,
    help="Its share of the requests in percent, step by step.",
)
@click.option(
    "--min-answers",
    type=click.IntRange(min=0),
    default=500,
    show_default=True,
    help="Requests of either arm before a step may end; at least 400.",
)
@click.option(
    "--min-seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="The least time of a step.",
)
@click.option(
    "--max-errors",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="How many more of its answers it may fail than the champion.",
)
@click.option(
    "--max-slower",
    metavar="TIMES",
    type=click.FloatRange(min=1),
    default=1.5,
    show_default=True,
    help="How many times the champion's median time for a row it may take.",
)
@click.option(
    "--max-drift",
    metavar="PSI",
    type=click.FloatRange(min=0),
    default=0.2,
    show_default=True,
    help="How far its predictions may be distributed otherwise.",
)
@_REASON
@override_option
@pipeline_option
def canary(**options: Any) -> int:
    """Try a version on a growing share of the requests.

    The server takes it back when it fails, is slow, or predicts otherwise than the champion;
    when it does not, it becomes the champion.
    """
    return carry_out("dagrun.cli.traffic:canary", options)


@traffic.command(
    epilog="Example: dagrun traffic split flights --arm deep=5:20 --reason 'does depth pay?'"
)
@click.argument("name")
@click.option(
    "--arm",
    "arms",
    metavar="ARM=VERSION:PERCENT",
    multiple=True,
    required=True,
    help="An arm: its name, version and share. Repeat it for more.",
)
@_REASON
@override_option
@pipeline_option
def split(**options: Any) -> int:
    """Divide the requests of model NAME for an A/B experiment; the champion gets what is left."""
    return carry_out("dagrun.cli.traffic:split", options)


@traffic.command(epilog="Example: dagrun traffic shadow flights@5 --share 10 --reason 'compare'")
@click.argument("version", metavar="NAME@VERSION")
@click.option(
    "--share",
    metavar="PERCENT",
    type=click.FloatRange(0, 100, min_open=True),
    default=100.0,
    show_default=True,
    help="Share of the rows that it computes too.",
)
@_REASON
@pipeline_option
def shadow(**options: Any) -> int:
    """Have a version compute along and be compared; it answers nobody."""
    return carry_out("dagrun.cli.traffic:shadow", options)


@traffic.command(epilog="Example: dagrun traffic stop flights canary --reason 'on holiday'")
@click.argument("name")
@click.argument("kind", type=_KIND)
@_REASON
@pipeline_option
def stop(**options: Any) -> int:
    """End what was started; the champion answers."""
    return carry_out("dagrun.cli.traffic:stop", options)


@traffic.command(epilog="Example: dagrun traffic history flights")
@click.argument("name")
@pipeline_option
@json_option
def history(**options: Any) -> int:
    """List every order and every decision about model NAME's traffic, newest first."""
    return carry_out("dagrun.cli.traffic:history", options)


@traffic.command(epilog="Example: dagrun traffic staged flights")
@click.argument("name")
@pipeline_option
@json_option
def staged(**options: Any) -> int:
    """Show what the version in staging would have answered to the rows that were logged.

    A `dagrun serve` of model NAME replays them by itself whenever the alias `staging` is moved.
    """
    return carry_out("dagrun.cli.staged:staged", options)


@traffic.command(
    epilog="Example: dagrun traffic compare flights --outcomes out.csv --label late --known-at at"
)
@click.argument("name")
@click.option(
    "--outcomes",
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="What became of what: a CSV or Parquet file, one row an outcome.",
)
@click.option("--label", required=True, metavar="COLUMN", help="Its column of what was predicted.")
@click.option(
    "--known-at",
    required=True,
    metavar="COLUMN",
    help="Its column of when that became known, a time with a zone.",
)
@click.option(
    "--on",
    multiple=True,
    default=["key"],
    show_default=True,
    metavar="COLUMN",
    help="What an outcome is about: the key that callers sent, or columns of the model.",
)
@click.option("--within", metavar="DURATION", help="The longest time to an outcome, as 2d.")
@click.option(
    "--since",
    metavar="TIME",
    help="Only answers from this time on, as in ISO 8601. [default: the last experiment's begin]",
)
@click.option("--until", metavar="TIME", help="Only answers before this time.")
@click.option(
    "--log",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False),
    help="The prediction log. [default: .dagrun/predictions of the project]",
)
@pipeline_option
@json_option
def compare(**options: Any) -> int:
    """Tell how good each arm of model NAME's canary or split was, by outcomes that came in later.

    Figures come with 95 % intervals, and so do their differences to the champion's.
    """
    return carry_out("dagrun.cli.traffic_compare:compare", options)
