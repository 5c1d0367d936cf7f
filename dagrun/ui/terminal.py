"""Writing to the terminal: results to standard output, everything said about them to the other.

Colours appear only where a person is reading: on a terminal, and without `NO_COLOR`.
"""

from __future__ import annotations

import os
import sys
from typing import Literal

import click

Role = Literal["good", "new", "bad", "warn", "dim", "bold"]

_STYLES: dict[Role, dict[str, str | bool]] = {
    "good": {"fg": "green"},
    "new": {"fg": "cyan"},
    "bad": {"fg": "red", "bold": True},
    "warn": {"fg": "yellow"},
    "dim": {"dim": True},
    "bold": {"bold": True},
}


def paint(text: str, role: Role | None) -> str:
    """Return the text in the colours of a role; pad it before, colours count as characters."""
    return click.style(text, **_STYLES[role]) if role and text else text  # type: ignore[arg-type]


def show(text: str = "") -> None:
    """Write a line of a command's result to standard output."""
    click.echo(text, color=colour())


def tell(text: str = "") -> None:
    """Write a line about what goes on to standard error."""
    click.echo(text, err=True, color=colour())


def tell_error(message: str) -> None:
    """Write `error: ...` to standard error."""
    tell(f"{paint('error:', 'bad')} {message}")


def tell_warning(message: str) -> None:
    """Write `warning: ...` to standard error."""
    tell(f"{paint('warning:', 'warn')} {message}")


def colour() -> bool | None:
    """False when colours are not wanted, None when the stream is to decide."""
    return False if os.environ.get("NO_COLOR") else None


def is_live() -> bool:
    """Whether standard error is a terminal that can redraw lines."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
