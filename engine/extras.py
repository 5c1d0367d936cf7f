"""What to say when a library that only an extra of dagrun brings is not installed.

Guarantee: the message names the library, what needed it and the command that brings it. The limit:
that the extra is listed in pyproject.toml is held by a test, not looked up.

A library of an extra is imported late, where it is used:

    try:
        import httpx
    except ModuleNotFoundError as error:
        raise MissingExtra("httpx", "http", "the source Http") from error
"""

from __future__ import annotations

from dagrun.engine.errors import DefinitionError


class MissingExtra(DefinitionError):
    """A library that only an extra of dagrun brings is not installed."""

    def __init__(self, library: str, extra: str, what: str) -> None:
        self.library, self.extra, self.what = library, extra, what
        super().__init__(
            f"{what} needs {library}, which is not installed. "
            f"Install it with: pip install 'dagrun[{extra}]'"
        )
