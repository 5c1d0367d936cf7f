"""The commands about the store: checking it, mending it, and what it takes up."""

from __future__ import annotations

import re
from typing import Any

import click

from dagrun.cli.lazy import carry_out
from dagrun.cli.options import json_option, pipeline_option, read_duration

_BYTES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _read_size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)B?", value.upper())
    if not found:
        raise click.BadParameter(f"{value!r} is not a size such as 800MB, 1.5GB or 2TB")
    return int(float(found[1]) * _BYTES[found[2]])


@click.command(epilog="Example: dagrun fsck --repair")
@pipeline_option
@click.option(
    "--repair", is_flag=True, help="Make what is damaged a miss, and run the stages that lost it."
)
@json_option
def fsck(**options: Any) -> int:
    """Check every file of the store, bit by bit.

    Exit code 0: nothing is damaged, or all of it was repaired; 4: something is damaged; 1: a
    stage failed when it was run again.
    """
    return carry_out("dagrun.cli.fsck:fsck", options)


@click.command(epilog="Example: dagrun gc --dry-run --budget 20GB")
@pipeline_option
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@click.option(
    "--keep-runs",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="Keep the results of each pipeline's last N runs.",
)
@click.option(
    "--grace",
    callback=read_duration,
    default="1d",
    show_default=True,
    metavar="DURATION",
    help="Keep what was used within this time: 90s, 30m, 12h, 7d.",
)
@click.option(
    "--budget",
    callback=_read_size,
    metavar="SIZE",
    help="Of the rest, remove only until the store fits: 800MB, 20GB.",
)
@click.option(
    "--keep-logs",
    callback=read_duration,
    metavar="DURATION",
    help="Remove run logs older than this, too, but for the last runs' and pinned ones': 90d.",
)
@json_option
def gc(**options: Any) -> int:
    """Remove results that nothing needs any more.

    The last runs' results stay, and those of registered models, pins, and runs that are going on.
    """
    return carry_out("dagrun.cli.gc:gc", options)


@click.command(epilog="Example: dagrun du")
@pipeline_option
@json_option
def du(**options: Any) -> int:
    """Tell what takes up the store's space."""
    return carry_out("dagrun.cli.du:du", options)


_REASON = click.option("--reason", default="", help="Why; kept in the pin's history.")


@click.command(epilog="Example: dagrun pin last --reason 'the run behind the paper'")
@click.argument("name", metavar="[RUN|STAGE]", required=False)
@pipeline_option
@_REASON
@json_option
def pin(**options: Any) -> int:
    """Keep a run's results, or the last that STAGE made, from `gc`.

    Without a name, list the pins.
    """
    return carry_out("dagrun.cli.pins:pin", options)


@click.command(epilog="Example: dagrun unpin 7f3a")
@click.argument("name", metavar="RUN|STAGE")
@pipeline_option
@_REASON
def unpin(**options: Any) -> int:
    """Remove a pin."""
    return carry_out("dagrun.cli.pins:unpin", options)
