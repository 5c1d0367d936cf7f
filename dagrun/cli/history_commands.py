"""The commands about what has happened: runs, and what they have made."""

from __future__ import annotations

from typing import Any

import click

from dagrun.cli.lazy import NamingGroup, carry_out
from dagrun.cli.options import json_option, pipeline_option


@click.group(cls=NamingGroup, epilog="Example: dagrun runs list -n 5")
def runs() -> None:
    """The runs that the store remembers."""


@runs.command("list", epilog="Example: dagrun runs list -n 5; dagrun runs list --stage model")
@pipeline_option
@click.option("--stage", metavar="STAGE", help="What the runs made of this stage: rows, seconds.")
@click.option(
    "-n", "count", type=click.IntRange(min=1), default=20, show_default=True, help="How many."
)
@json_option
def list_runs(**options: Any) -> int:
    """List the runs, newest first."""
    return carry_out("dagrun.cli.runs:list_runs", options)


@runs.command("compare", epilog="Example: dagrun runs compare 7f3a last")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B", default="last")
@click.option("--all", "every", is_flag=True, help="Show the values that are the same, too.")
@pipeline_option
@json_option
def compare_runs(**options: Any) -> int:
    """Compare run A with run B.

    First the stages: which ran, their keys, rows and seconds. Then params, metrics, versions of
    data, code and libraries, side by side.

    A run is named by its id, the beginning or the end of it, or `last`.
    """
    return carry_out("dagrun.cli.runs:compare_runs", options)


@runs.command(
    "export",
    epilog="Example: dagrun runs export last -o events.jsonl; "
    "dagrun runs export --all --parquet runs; dagrun runs export --mlflow http://localhost:5000",
)
@click.argument("run", metavar="RUN", default="last")
@click.option("--all", "every", is_flag=True, help="Every run that the store remembers.")
@click.option("--parquet", metavar="FOLDER", help="Write tables: a small Parquet file each.")
@click.option("--mlflow", metavar="URL", help="Tell an MLflow server; twice is as good as once.")
@click.option(
    "--experiment", metavar="NAME", help="The experiment in MLflow. [default: the pipeline's name]"
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["openlineage"]),
    default="openlineage",
    show_default=True,
    help="What to write.",
)
@click.option("-o", "output", type=click.Path(dir_okay=False), help="Write to a file instead.")
@click.option(
    "--namespace", default="dagrun", show_default=True, help="Of the jobs and the artifacts."
)
@pipeline_option
def export_run(**options: Any) -> int:
    """Tell RUN to other programs.

    By default as OpenLineage events, one JSON object a line; with --parquet as tables of runs,
    stages, params, metrics, data and artifacts; with --mlflow as a run of an MLflow server.
    """
    return carry_out("dagrun.cli.runs_export:export_run", options)


@click.command(
    epilog="Example: dagrun show last; dagrun show model --lineage; dagrun show v1:train"
)
@click.argument("name", metavar="RUN|ARTIFACT|STAGE|RUN:ARTIFACT")
@click.option("--lineage", is_flag=True, help="What it was made from, up to the raw sources.")
@pipeline_option
@json_option
def show(**options: Any) -> int:
    """Show a run, an artifact or what a stage made.

    A run is named by its id, the beginning or the end of it, or `last`.
    """
    return carry_out("dagrun.cli.show:show", options)


@click.command(epilog="Example: dagrun checkout v1.2 --to past; dagrun checkout 7f3a train --to t")
@click.argument("ref", metavar="RUN|PIN|REVISION")
@click.argument("names", metavar="[ARTIFACT]...", nargs=-1)
@click.option("--to", required=True, metavar="FOLDER", help="A new folder to write the files into.")
@pipeline_option
@json_option
def checkout(**options: Any) -> int:
    """Write what a past run had into a folder.

    Tables become Parquet, documents JSON. RUN is an id, the beginning or the end of it, `last` or
    `last~1`; REVISION a commit, branch or tag of git, which stands for the newest run of it.
    Without ARTIFACT everything is written, also what was read from databases, web services and
    object stores.
    """
    return carry_out("dagrun.cli.checkout:checkout", options)


@click.command(epilog="Example: dagrun logs model; dagrun logs 7f3a model")
@click.argument("words", metavar="[RUN] STAGE", nargs=-1)
@pipeline_option
@json_option
def logs(**options: Any) -> int:
    """Print again what STAGE printed and logged in RUN.

    A run is named by its id, the beginning or the end of it, or `last`, which is the default.
    Without STAGE, the stages of the last run that said anything are listed.
    """
    return carry_out("dagrun.cli.logs:logs", options)


@click.command(epilog="Example: dagrun diff model; dagrun diff last~1:train last:train --values")
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", required=False)
@pipeline_option
@click.option("--rows", is_flag=True, help="Read two tables and compare their rows.")
@click.option(
    "--key",
    multiple=True,
    metavar="COLUMN",
    help="Match rows by this column (repeat for several); implies --rows.",
)
@click.option("--values", is_flag=True, help="Compare the distributions of changed columns.")
@json_option
def diff(**options: Any) -> int:
    """Compare artifact A with B.

    A and B are names (what is there now), RUN:NAME (RUN is an id, last, or last~1 for the one
    before), or the first six or more digits of a key or digest. Without B, A is compared with what
    it is now; a plain name, with what it was before it last changed.
    """
    return carry_out("dagrun.cli.diff:diff", options)
