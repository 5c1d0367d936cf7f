"""The commands about servers that run: what they are called and what they take."""

from __future__ import annotations

from typing import Any

import click

from dagrun.cli.entrance_commands import entrance_options
from dagrun.cli.lazy import carry_out
from dagrun.cli.options import json_option, pipeline_option, read_duration

_FILE = click.Path(exists=True, dir_okay=False)


@click.command(epilog="Example: dagrun serve flights@champion --port 8500")
@click.argument("names", metavar="NAME[@ALIAS]|FILE...", nargs=-1, required=True)
@pipeline_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8500, show_default=True, help="Port; 0 takes a free one.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    help="Processes that answer. [default: one per CPU]",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Threads of each that answer.",
)
@click.option(
    "--recheck",
    metavar="SHARE",
    type=click.FloatRange(0, 1),
    default=0.001,
    show_default=True,
    help="Share of the served rows that the batch twin computes again, to compare.",
)
@click.option(
    "--log/--no-log",
    default=True,
    show_default=True,
    help="Whether to log predictions as Parquet files.",
)
@click.option(
    "--log-folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="Where to. [default: .dagrun/predictions of the project]",
)
@click.option(
    "--log-keep",
    metavar="DURATION",
    callback=read_duration,
    help="Remove days of the log that are older: 30d. [default: none]",
)
@entrance_options
@click.option(
    "--http-port",
    type=int,
    help="Port of metrics and probes; 0 takes a free one. [default: the one after --port]",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the log is written.",
)
@click.option(
    "--log-calls",
    type=click.Choice(["none", "failures", "refusals", "all"]),
    default="refusals",
    show_default=True,
    help="Calls that get a line: none; slow and failed ones; refused ones too; all.",
)
@click.option(
    "--slow-ms",
    type=click.FloatRange(min=0),
    default=1000.0,
    show_default=True,
    help="From here on a call is slow.",
)
@click.option("--trace", is_flag=True, help="Send traces to OpenTelemetry's collector.")
@click.option(
    "--drain",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0.25,
    show_default=True,
    help="When told to end: answer on for so long, NOT_SERVING.",
)
def serve(**options: Any) -> int:
    """Serve models over gRPC.

    Each is proved against its golden rows before anything listens.
    """
    return carry_out("dagrun.cli.serve:serve", options)


@click.command(epilog="Example: dagrun doctor localhost:8500")
@click.argument("target", metavar="HOST[:PORT]")
@click.option(
    "--http", metavar="HOST:PORT", help="The HTTP port. [default: the one after the gRPC port]"
)
@click.option("--tls", is_flag=True, help="Encrypt, trusting well-known authorities.")
@click.option("--tls-roots", type=_FILE, metavar="PEM", help="Encrypt, trusting these authorities.")
@click.option("--tls-cert", type=_FILE, metavar="PEM", help="The certificate to show the server.")
@click.option("--tls-key", type=_FILE, metavar="PEM", help="The key of that certificate.")
@click.option("--token-file", type=_FILE, metavar="FILE", help="A token to show the server.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="For each look.",
)
@json_option
def doctor(**options: Any) -> int:
    """Examine a server that runs: what is wrong, and what comes next.

    It predicts nothing and changes nothing. Ends with code 1 when something is wrong.
    """
    return carry_out("dagrun.cli.doctor:doctor", options)
