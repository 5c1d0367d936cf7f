"""Who may call a server, and how much: options of `dagrun serve`, and `dagrun token`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dagrun.cli.lazy import carry_out

Declared = TypeVar("Declared", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False)


def entrance_options(command: Declared) -> Declared:
    """Add what `serve` takes about TLS, tokens and limits."""
    for option in (
        click.option(
            "--limit",
            "limits",
            multiple=True,
            metavar="NAME=N",
            help="Set a limit, as max_rows=500; all are in the how-to page on securing a server.",
        ),
        click.option(
            "--insecure", is_flag=True, help="Let other machines in without TLS all the same."
        ),
        click.option(
            "--tokens",
            type=_FILE,
            metavar="FILE",
            help="Want one of these tokens with each call; see dagrun token.",
        ),
        click.option(
            "--client-ca",
            type=_FILE,
            metavar="PEM",
            help="Want a certificate of these authorities from clients.",
        ),
        click.option("--tls-key", type=_FILE, metavar="PEM", help="The certificate's private key."),
        click.option("--tls-cert", type=_FILE, metavar="PEM", help="Serve TLS with this chain."),
    ):
        command = option(command)
    return command


@click.command(epilog="Example: dagrun token billing --tokens tokens.txt > billing.token")
@click.argument("name")
@click.option(
    "--tokens",
    required=True,
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The server's file of tokens, which gets a line.",
)
@click.option(
    "--only", multiple=True, metavar="METHOD", help="Let it call this method only, as Predict."
)
def token(**options: Any) -> int:
    """Make a token for NAME and print it, this once.

    The file gets its hash only. A running server takes it within a second.
    """
    return carry_out("dagrun.cli.entrance:token", options)
