"""The commands that write pages: what they are called and what they take."""

from __future__ import annotations

from typing import Any

import click

from dagrun.cli.lazy import carry_out
from dagrun.cli.options import pipeline_option

_FILE = click.Path(exists=True, dir_okay=False)
_OUT = click.option(
    "-o", "--out", required=True, type=click.Path(dir_okay=False), help="The page, an .html file."
)


@click.command(epilog="Example: dagrun card flights@champion -o card.html")
@click.argument("name", metavar="NAME[@ALIAS]|FILE")
@_OUT
@click.option(
    "--about",
    metavar="TEXT_FILE",
    type=_FILE,
    help="What it is for and what it must not be used for; paragraphs apart by a blank line.",
)
@pipeline_option
def card(**options: Any) -> int:
    """Write the model card of a bundle: its gates, its figures.

    It tells what the gates say, how good the model is and where it is not, and what it takes.
    One HTML page with pictures that needs no network and no script.
    """
    return carry_out("dagrun.cli.pages:card", options)


@click.command(epilog="Example: dagrun profile flights -o flights.html --contract flights.toml")
@click.argument("table", metavar="ARTIFACT|FILE")
@_OUT
@click.option("--contract", type=_FILE, metavar="TOML", help="Tell what breaks this contract too.")
@pipeline_option
def profile(**options: Any) -> int:
    """Write a page about a table: what its columns hold and miss.

    One HTML page with pictures that needs no network and no script.
    """
    return carry_out("dagrun.cli.pages:profile", options)
