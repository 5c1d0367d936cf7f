"""Settings of a server's entrance from the command line, and new tokens."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.server.serving.settings import LIMITS, ServerSettings
from dagrun.server.serving.tokens import new_token, read_tokens
from dagrun.ui.terminal import show, tell


class LimitInvalid(DefinitionError):
    """A limit that a server does not have, or a value that it cannot have."""

    def __init__(self, given: str, problem: str) -> None:
        self.given = given
        super().__init__(f"--limit {given}: {problem} Limits: {listing(LIMITS, 30)}")


def entrance_settings(
    *,
    tls_cert: str | None,
    tls_key: str | None,
    client_ca: str | None,
    tokens: str | None,
    insecure: bool,
    limits: Sequence[str],
) -> dict[str, Any]:
    """Return the options as arguments of `ServerSettings`. Raises `LimitInvalid`."""
    files = {"tls_cert": tls_cert, "tls_key": tls_key, "client_ca": client_ca, "tokens": tokens}
    return {
        # Absolute, for processes that stand elsewhere; links stay links, as they may be moved.
        **{name: str(Path(file).absolute()) for name, file in files.items() if file},
        "insecure": insecure,
        **read_limits(limits),
    }


def read_limits(given: Sequence[str]) -> Mapping[str, float]:
    """Return limits from `name=number`. Raises `LimitInvalid`."""
    defaults = ServerSettings()
    limits: dict[str, float] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in LIMITS:
            raise LimitInvalid(text, f"there is no such limit.{nearest(name, LIMITS)}")
        try:
            limits[name] = type(getattr(defaults, name))(value)
        except ValueError:
            raise LimitInvalid(text, "its value is not a number of the right kind.") from None
        if limits[name] < 0:
            raise LimitInvalid(text, "it is below 0.")
    return limits


def token(*, name: str, tokens: str, only: tuple[str, ...]) -> int:
    """Add a token to a file and show it. Raises `BadTokens`."""
    path = Path(tokens)
    made, line = new_token(name, only)
    before = path.read_text("utf-8") if path.exists() else ""
    if before.strip():
        read_tokens(path)
    _replace(path, f"{before.rstrip()}\n{line}\n".lstrip())
    show(made)
    tell(f"{path} has the hash of it; the token itself is shown this once")
    return 0


def _replace(path: Path, text: str) -> None:
    """Write a file that only its owner reads, as a whole."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
