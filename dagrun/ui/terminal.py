"""Writing to the terminal: results to standard output, everything said about them to the other.

Colours appear only where a person is reading: on a terminal, and without `NO_COLOR`. Nothing heavy
is imported here, since the quickest answers are written by it, too.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing would be the heaviest import here
if TYPE_CHECKING:
    from typing import Literal, TextIO

    Role = Literal["good", "new", "bad", "warn", "dim", "bold"]
else:
    Role = str

_STYLES = {
    "good": "\x1b[32m",
    "new": "\x1b[36m",
    "bad": "\x1b[31m\x1b[1m",
    "warn": "\x1b[33m",
    "dim": "\x1b[2m",
    "bold": "\x1b[1m",
}
_RESET = "\x1b[0m"


def paint(text: str, role: Role | None) -> str:
    """Return the text in the colours of a role; pad it before, colours count as characters."""
    return f"{_STYLES[role]}{text}{_RESET}" if role and text else text


def show(text: str = "") -> None:
    """Write a line of a command's result to standard output."""
    _write(text, sys.stdout)


def tell(text: str = "") -> None:
    """Write a line about what goes on to standard error."""
    _write(text, sys.stderr)


def _write(text: str, stream: TextIO) -> None:
    if "\x1b" in text and (colour() is False or not stream.isatty()):
        text = _plain(text)
    stream.write(text + "\n")
    stream.flush()


def _plain(text: str) -> str:
    first, *parts = text.split("\x1b[")
    # A sequence ends with a letter; what does not look like one is left as it is.
    kept = [first]
    for part in parts:
        codes = part.lstrip("0123456789;?")
        kept.append(codes[1:] if codes[:1].isalpha() else "\x1b[" + part)
    return "".join(kept)


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
