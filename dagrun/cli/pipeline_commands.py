"""The commands about a pipeline: what they are called and what they take.

PIPELINE is a file or a folder; without it, `[tool.dagrun] pipeline` in pyproject.toml or
`pipeline.py`.
"""

from __future__ import annotations

from typing import Any

import click

from dagrun.cli.lazy import carry_out
from dagrun.cli.options import json_option, pipeline_option, read_limits, selection


def _words() -> tuple[str, ...]:
    """Return the command line as `main` was given it; receipts go by it."""
    words: tuple[str, ...] = click.get_current_context().find_root().obj
    return words


@click.command(epilog="Example: dagrun init flights && cd flights && dagrun run")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
def init(**options: Any) -> int:
    """Write a small pipeline that works into DIR."""
    return carry_out("dagrun.cli.init:init", options)


@click.command(epilog="Example: dagrun run -t model -p model.max_depth=8")
@selection
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Stages at a time. [default: CPUs]")
@click.option(
    "--executor",
    default="threads",
    show_default=True,
    metavar="NAME",
    help="inline, threads or processes.",
)
@click.option(
    "--accept",
    multiple=True,
    metavar="STAGE",
    help="Let its last result stand although its code was edited.",
)
@click.option("--reason", metavar="TEXT", help="Why; kept with what is accepted.")
@click.option("--keep-going", is_flag=True, help="After a failure, finish what does not need it.")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=N",
    callback=read_limits,
    help="How much of a resource there is: memory=8GB, gpu=1.",
)
@click.option(
    "--verify",
    is_flag=False,
    flag_value="1",
    metavar="[SHARE]",
    help="Execute hits again (all, or a share such as --verify=0.1) and compare; nothing stored "
    "is replaced.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Run each stage in its own process and refuse what it reads without declaring it.",
)
@json_option
def run(**options: Any) -> int:
    """Run what the store does not hold yet."""
    return carry_out("dagrun.cli.run:run", {**options, "words": _words()})


@click.command(epilog="Example: dagrun plan -t model -p model.max_depth=8")
@selection
@json_option
def plan(**options: Any) -> int:
    """Tell what `run` would do, changing nothing."""
    return carry_out("dagrun.cli.plan:plan", {**options, "words": _words()})


@click.command(epilog="Example: dagrun why model")
@click.argument("stage")
@pipeline_option
@json_option
def why(**options: Any) -> int:
    """Tell why STAGE would run."""
    return carry_out("dagrun.cli.why:why", options)


@click.command(epilog="Example: dagrun deps model")
@click.argument("stage")
@pipeline_option
@click.option(
    "--tree/--list",
    "tree",
    default=None,
    help="By the way to each symbol, or by file. [default: a tree up to 40 symbols]",
)
@json_option
def deps(**options: Any) -> int:
    """List the code that STAGE reaches.

    All of it counts in the stage's key: functions, classes and constants of the project with the
    way to each, and the versions of the distributions used.
    """
    return carry_out("dagrun.cli.deps:deps", options)


@click.command(epilog="Example: dagrun graph -o pipeline.html; dagrun graph -t model")
@pipeline_option
@click.option(
    "-t",
    "--target",
    "targets",
    multiple=True,
    metavar="STAGE",
    help="Only this stage or artifact and its neighbours.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="How far the neighbours of -t may be.",
)
@click.option(
    "-o",
    "output",
    type=click.Path(dir_okay=False),
    help="Write to a .svg, .html, .mmd or .txt file instead.",
)
def graph(**options: Any) -> int:
    """Draw the pipeline's stages and what feeds what."""
    return carry_out("dagrun.cli.graph:graph", options)
