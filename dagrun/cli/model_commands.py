"""The commands about models: what they are called and what they take.

A model is named `NAME`, `NAME@ALIAS` or `NAME@VERSION` (plain `NAME` is its champion), or by the
file of a bundle.
"""

from __future__ import annotations

from typing import Any

import click

from dagrun.cli.lazy import NamingGroup, carry_out
from dagrun.cli.options import json_option, override_option, pipeline_option

_REASON = click.option("--reason", required=True, help="Why; kept in the alias's history.")
_FILE = click.Path(exists=True, dir_okay=False)


@click.command(epilog="Example: dagrun predict flights@champion today.parquet -o scored.parquet")
@click.argument("name", metavar="NAME[@ALIAS]|FILE")
@click.argument("rows", metavar="INPUT", type=_FILE)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    help="Where to write: .parquet or .csv.",
)
@click.option("--target", metavar="HOST:PORT", help="Let this server score; the bits are the same.")
@click.option("--tls", is_flag=True, help="Encrypt, trusting well-known authorities.")
@click.option("--tls-roots", type=_FILE, metavar="PEM", help="Encrypt, trusting these authorities.")
@click.option("--tls-cert", type=_FILE, metavar="PEM", help="The certificate to show the server.")
@click.option("--tls-key", type=_FILE, metavar="PEM", help="The key of that certificate.")
@click.option("--token-file", type=_FILE, metavar="FILE", help="A token to show the server.")
@click.option(
    "--from-row",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Leave out the first N rows, as those scored before a failure.",
)
@click.option(
    "--null",
    "nulls",
    multiple=True,
    metavar="TEXT",
    help="In CSV, text that stands for null, beside the empty field.",
)
@pipeline_option
def predict(**options: Any) -> int:
    """Score INPUT, a Parquet or CSV file.

    The output has its columns, then probability, margin and label; of a regression, value.
    """
    return carry_out("dagrun.cli.predict:predict", options)


@click.command(epilog="Example: dagrun explain flights@champion today.parquet")
@click.argument("name", metavar="NAME[@ALIAS]|FILE")
@click.argument("rows", metavar="INPUT", type=_FILE)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Write every contribution of every row to this .parquet or .csv.",
)
@click.option(
    "--first", type=click.IntRange(min=1), default=3, show_default=True, help="Rows to show."
)
@click.option(
    "--top", type=click.IntRange(min=1), default=5, show_default=True, help="Features to show."
)
@click.option("--null", "nulls", multiple=True, metavar="TEXT", help="As for predict.")
@pipeline_option
def explain(**options: Any) -> int:
    """Tell what each feature adds to the margin of the rows in INPUT.

    Contributions and bias sum to the margin, up to float32 rounding.
    """
    return carry_out("dagrun.cli.explain:explain", options)


@click.command(epilog="Example: dagrun proto flights@champion -o flights.proto")
@click.argument("names", metavar="NAME[@ALIAS]...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Where to write it. [default: standard output]",
)
@pipeline_option
def proto(**options: Any) -> int:
    """Write a model's typed .proto file.

    Several versions of the model, as NAME@champion NAME@challenger, give one with the columns of
    them all.
    """
    return carry_out("dagrun.cli.proto:proto", options)


@click.command(epilog="Example: dagrun replay .dagrun/predictions flights@challenger")
@click.argument("log", metavar="LOG", type=click.Path(exists=True, file_okay=False))
@click.argument("name", metavar="NAME[@ALIAS]|FILE")
@click.option("--since", metavar="TIME", help="Only answers from this time on, as in ISO 8601.")
@click.option("--until", metavar="TIME", help="Only answers before this time.")
@click.option("--bundle", "digest", metavar="DIGEST", help="Only answers of this bundle.")
@click.option("--last", metavar="ROWS", type=click.IntRange(min=1), help="Only the newest rows.")
@click.option("--keep", is_flag=True, help="Keep what was found, for dagrun traffic staged.")
@pipeline_option
@json_option
def replay(**options: Any) -> int:
    """Score the rows of a prediction log with another bundle.

    Tells how many features, margins and labels differ from what was answered, how far predictions
    moved, and whether the bundle that answered gives the same bits here (else: exit code 5).
    """
    return carry_out("dagrun.cli.replay:replay", options)


@click.command(epilog="Example: dagrun export flights@champion -o flights.bundle")
@click.argument("name", metavar="NAME[@ALIAS]")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Where to write it. [default: NAME-VERSION.bundle]",
)
@pipeline_option
def export(**options: Any) -> int:
    """Write a model's bundle to a file."""
    return carry_out("dagrun.cli.exchange:export", options)


@click.command(
    "import", epilog="Example: dagrun import flights.bundle --alias champion --reason 'moved'"
)
@click.argument("file", type=_FILE)
@click.option("--name", help="The model's name. [default: the bundle's own]")
@click.option("--alias", help="An alias to point to it.")
@_REASON
@override_option
@pipeline_option
def import_(**options: Any) -> int:
    """Register the bundle in FILE.

    It is let in only if its golden rows give the same bits here.
    """
    return carry_out("dagrun.cli.exchange:import_", options)


@click.group(cls=NamingGroup, epilog="Example: dagrun registry show flights")
def registry() -> None:
    """Models: their versions and aliases."""


@registry.command("list", epilog="Example: dagrun registry list")
@pipeline_option
@json_option
def list_models(**options: Any) -> int:
    """List the models with their newest version and aliases."""
    return carry_out("dagrun.cli.registry:list_models", options)


@registry.command("show", epilog="Example: dagrun registry show flights")
@click.argument("name")
@pipeline_option
@json_option
def show_model(**options: Any) -> int:
    """List the versions of model NAME, newest first."""
    return carry_out("dagrun.cli.registry:show_model", options)


@registry.command(epilog="Example: dagrun registry verdict flights@4")
@click.argument("name", metavar="NAME[@ALIAS]")
@pipeline_option
@json_option
def verdict(**options: Any) -> int:
    """Show what the gates said of a version: every condition with its numbers.

    With --json also what they were found among: each slice, group and column, and the intervals.
    """
    return carry_out("dagrun.cli.registry:verdict", options)


@registry.command(
    epilog="Example: dagrun registry promote flights@4 champion --reason 'better AUC'"
)
@click.argument("version", metavar="NAME@VERSION")
@click.argument("alias")
@_REASON
@override_option
@pipeline_option
def promote(**options: Any) -> int:
    """Point ALIAS to a version.

    `NAME@ALIAS` in place of `NAME@VERSION` means the version that this alias points to.
    """
    return carry_out("dagrun.cli.registry:promote", options)


@registry.command(epilog="Example: dagrun registry rollback flights champion --reason 'late drift'")
@click.argument("name")
@click.argument("alias")
@_REASON
@override_option
@pipeline_option
def rollback(**options: Any) -> int:
    """Point ALIAS back to the version it had before."""
    return carry_out("dagrun.cli.registry:rollback", options)


@registry.command(epilog="Example: dagrun registry history flights champion")
@click.argument("name")
@click.argument("alias")
@pipeline_option
@json_option
def history(**options: Any) -> int:
    """List every move of ALIAS, newest first: when, who and why."""
    return carry_out("dagrun.cli.registry:history", options)


@registry.command(epilog="Example: dagrun registry served flights --at 14:05")
@click.argument("name")
@click.option("--at", metavar="WHEN", help="Only what was served then: 14:05, 2026-11-21 14:05.")
@pipeline_option
@json_option
def served(**options: Any) -> int:
    """List what servers have served of model NAME, newest first: when, where and which version."""
    return carry_out("dagrun.cli.registry:served", options)
