"""The commands about bundles: what they are called and what they take."""

from __future__ import annotations

from typing import Any

import click

from dagrun.cli.lazy import NamingGroup, carry_out
from dagrun.cli.options import json_option, override_option, pipeline_option

_SHARE = click.FloatRange(0.0, 1.0)


@click.group(cls=NamingGroup, epilog="Example: dagrun bundle refresh flights --rows new.parquet")
def bundle() -> None:
    """Bundles: renewing what is frozen in them."""


@bundle.command(
    epilog="Example: dagrun bundle refresh flights@champion --rows train --reason 'month end'"
)
@click.argument("name", metavar="NAME[@ALIAS]")
@click.option(
    "--rows",
    required=True,
    metavar="PARQUET|ARTIFACT",
    help="Raw training rows, with the label and the columns that were aggregated.",
)
@click.option("--reason", required=True, help="Why; kept with the version and its alias.")
@click.option("--alias", help="An alias to point to the new version. [default: none is moved]")
@override_option
@click.option(
    "--mean-change",
    type=_SHARE,
    default=0.02,
    show_default=True,
    help="Most that predictions may change, on average (of a regression, as a share).",
)
@click.option(
    "--flipped",
    type=_SHARE,
    default=0.05,
    show_default=True,
    help="Greatest share of rows whose label may change.",
)
@click.option(
    "--lost",
    type=_SHARE,
    default=0.05,
    show_default=True,
    help="Greatest share of known keys that may be unseen then.",
)
@pipeline_option
@json_option
def refresh(**options: Any) -> int:
    """Renew the frozen tables of a bundle without training, as a new version.

    Group aggregates, frequencies and target means are fitted on ROWS, everything else stays. The
    shift of the predictions is measured, and beyond its limits nothing is registered (code 3).
    """
    return carry_out("dagrun.cli.bundle_refresh:refresh", options)
