"""The commands about where a model and its answers come from."""

from __future__ import annotations

from typing import Any

import click

from dagrun.cli.lazy import carry_out
from dagrun.cli.options import json_option, pipeline_option


@click.command(epilog="Example: dagrun reproduce flights@champion; dagrun reproduce flights.bundle")
@click.argument("name", metavar="NAME[@ALIAS]|FILE")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), help="Keep the rebuilt bundle in this file."
)
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Stages at a time.")
@pipeline_option
@json_option
def reproduce(**options: Any) -> int:
    """Build a bundle again from its lineage and compare.

    The project as of the recorded commit, the recorded params and seed, the recorded data: every
    stage that led to the bundle is executed again in a scratch store. Exit code 5 unless the
    bundle comes out with the same digest.
    """
    return carry_out("dagrun.cli.reproduce:reproduce", options)


@click.command(epilog="Example: dagrun lineage flights@champion; dagrun lineage --prediction r-17")
@click.argument("name", metavar="[NAME[@ALIAS]|FILE]", required=False)
@click.option(
    "--prediction", metavar="REQUEST_ID", help="Begin with what was answered to this request."
)
@click.option(
    "--log",
    type=click.Path(exists=True, file_okay=False),
    help="The folder of the prediction log. [default: .dagrun/predictions]",
)
@click.option("--code", is_flag=True, help="Print the source of everything the stages reached.")
@pipeline_option
@json_option
def lineage(**options: Any) -> int:
    """Follow a model, or one answer, back to rows and code.

    From the logged answer to the bundle that gave it, the run that made that, every stage with its
    params and rows, the raw files with their digests, and the lines of code.
    """
    return carry_out("dagrun.cli.origins:lineage", options)
