"""Options that several commands share, declared once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from dagrun.engine.dispatching.amounts import SettingInvalid, read_amounts

Declared = TypeVar("Declared", bound=Callable[..., Any])
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _read_settings(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    settings = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or "." not in name:
            raise click.BadParameter(f"{value!r} is not of the form stage.param=value", ctx, param)
        settings[name] = text
    return settings


def read_limits(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, float]:
    """Read `name=n` options. Raises `click.BadParameter`."""
    limits = dict(value.partition("=")[::2] for value in values)
    try:
        return read_amounts(limits)
    except SettingInvalid as error:
        raise click.BadParameter(str(error), ctx, param) from None


def read_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Read a duration in seconds. Raises `click.BadParameter`."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([smhd])", value)
    if not found:
        problem = f"{value!r} is not a duration such as 90s, 30m, 12h or 7d"
        raise click.BadParameter(problem, ctx, param)
    return float(found[1]) * _SECONDS[found[2]]


def selection(command: Declared) -> Declared:
    """Add what `run` and `plan` select: targets, params, seed and forced stages."""
    for option in (
        click.option(
            "--force", multiple=True, metavar="STAGE", help="Run it even if it would hit."
        ),
        click.option(
            "--data",
            metavar="RUN",
            help="Read from databases, web services and object stores what RUN (or a pin, a git "
            "revision) has read.",
        ),
        click.option("--seed", default=0, show_default=True, help="Seed of stages with a Context."),
        click.option(
            "-p",
            "--param",
            "params",
            multiple=True,
            metavar="STAGE.PARAM=V",
            callback=_read_settings,
            help="Set a param in place of its default.",
        ),
        click.option(
            "-t",
            "--target",
            "targets",
            multiple=True,
            metavar="STAGE",
            help="Only this stage or artifact and what it needs.",
        ),
        click.argument("pipeline", required=False),
    ):
        command = option(command)
    return command


pipeline_option = click.option(
    "-f", "pipeline", metavar="PIPELINE", help="The pipeline's file or folder."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
)
override_option = click.option(
    "--override",
    metavar="REASON",
    default="",
    help="Make it answer for the champion although its gates refused it; why, for the record.",
)
