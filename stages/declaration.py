"""Declarative files (contracts, gates): TOML whose every key is known, or an error that helps.

Guarantee: a misspelt key, a value of the wrong type and broken TOML are all errors that name the
file, the place in it and the nearest word that is known; nothing is ignored.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.sources import Files


class DeclarationInvalid(DefinitionError):
    """A declarative file is written wrongly."""

    def __init__(self, file: str, where: str, problem: str) -> None:
        self.file, self.where, self.problem = file, where, problem
        super().__init__(f"{file}: {where + ': ' if where else ''}{problem}")


def read(source: Files | Path | str) -> tuple[str, str]:
    """Return `(name, text)` of one declarative file, given as `Files` or by its path."""
    if isinstance(source, Files):
        return ", ".join(source.find()), source.read_text()
    try:
        return str(source), Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise DeclarationInvalid(str(source), "", f"cannot be read: {error.strerror}") from error


def parse(text: str, file: str) -> dict[str, Any]:
    """Return the TOML document. Raises `DeclarationInvalid` with line and column."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeclarationInvalid(file, "", f"is not TOML: {error}") from error


def check_word(file: str, where: str, what: str, word: str, known: Iterable[str]) -> None:
    """Raise `DeclarationInvalid` unless `word` is one of those known."""
    words = sorted(known)
    if word not in words:
        problem = f"unknown {what} {word!r}.{nearest(word, words)} Known: {listing(words, 30)}"
        raise DeclarationInvalid(file, where, problem)


def check_table(
    file: str, where: str, found: Any, known: Mapping[str, tuple[type, ...]]
) -> dict[str, Any]:
    """Return `found` after checking that it is a table of known keys with values of their types.

    `bool` is accepted only where `known` says so, although Python calls it an `int`.
    """
    if not isinstance(found, dict):
        raise DeclarationInvalid(file, where, f"must be a table, not {found!r}")
    for key, value in found.items():
        check_word(file, where, "key", key, known)
        if type(value) not in known[key]:
            kinds = " or ".join(sorted(kind.__name__ for kind in known[key]))
            raise DeclarationInvalid(file, where, f"{key} must be {kinds}, not {value!r}")
    return found
