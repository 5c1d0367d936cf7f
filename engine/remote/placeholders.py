"""Placeholders: `{NAME}` in a source's settings stands for the environment variable `NAME`.

Guarantee: what variables hold is used when a source is read and nowhere else: keys, snapshots,
`repr` and errors have the placeholder. A password or an `Authorization` that is written out is
refused, since source text is kept in the store. The limit: a secret that a server repeats in the
data it sends is data.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

from dagrun.engine.errors import DefinitionError

_NAME = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")
_AUTHORITY = re.compile(r"[^:]+://[^/?#]*")
_SHORTEST = 4
"""A value shorter than this is not looked for in messages: it would be found in any word."""
_PASSWORD = re.compile(r"(?P<start>[a-zA-Z][\w+.-]*://[^/@:\s]*:)(?P<password>[^/?#\s]+)@")
_TELLING = re.compile(
    r"authorization|cookie|secret|token|password|passwd|api[-_]?key|access[-_]?key"
)


class NoSuchVariable(DefinitionError):
    """A placeholder names an environment variable that is not set."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        super().__init__(
            f"{text!r} needs the environment variable {name}, which is not set. "
            f"Set it for this command: {name}=... dagrun run"
        )


class SecretWritten(DefinitionError):
    """A setting has a secret in it, in plain text."""

    def __init__(self, what: str, instead: str) -> None:
        self.what, self.instead = what, instead
        super().__init__(
            f"{what} is written out, and the store keeps source text. "
            f"Put it into an environment variable and write its name: {instead}"
        )


def fill(text: str) -> str:
    """Replace each placeholder by its variable's value. Raises `NoSuchVariable`."""
    return _NAME.sub(lambda found: _value(found[1], text), text)


def fill_uri(uri: str) -> str:
    """Do what `fill` does, quoting what stands for a user, a password or a part of a query."""

    authority = _AUTHORITY.match(uri)
    at = authority[0].rfind("@") if authority else -1

    def value(found: re.Match[str]) -> str:
        is_part = found.end() <= at or "?" in uri[: found.start()]
        text = _value(found[1], uri)
        return quote(text, safe="") if is_part else text

    return _NAME.sub(value, uri)


def _value(name: str, text: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise NoSuchVariable(name, text) from None


def names_in(*texts: str) -> tuple[str, ...]:
    """Return the variables that placeholders name, in order, each once."""
    return tuple(dict.fromkeys(name for text in texts for name in _NAME.findall(text)))


def hide(message: str, *texts: str) -> str:
    """Put the placeholders of `texts` back where a message has the values; passwords go too."""
    values = {os.environ.get(name, ""): name for name in names_in(*texts)}
    values |= {quote(value, safe=""): name for value, name in values.items()}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            message = message.replace(value, f"{{{values[value]}}}")
    return without_password(message)


def without_password(text: str) -> str:
    """Return a text with `***` for the password of each URI in it that is no placeholder."""

    def starred(found: re.Match[str]) -> str:
        return found[0] if _NAME.fullmatch(found["password"]) else f"{found['start']}***@"

    return _PASSWORD.sub(starred, text)


def refuse_password(uri: str) -> None:
    """Raise `SecretWritten` for a URI with a password that is no placeholder."""
    found = _PASSWORD.search(uri)
    if found and not _NAME.fullmatch(found["password"]):
        instead = uri.replace(f":{found['password']}@", ":{DATABASE_PASSWORD}@")
        raise SecretWritten("the password in a URI", instead)


def refuse_secrets(settings: Mapping[str, str]) -> None:
    """Raise `SecretWritten` for a setting that is named like a secret and has no placeholder."""
    for name, value in settings.items():
        if _TELLING.search(name.lower()) and not _NAME.search(value):
            raise SecretWritten(f"the value of {name!r}", f"{{{name!r}: '{{MY_SECRET}}'}}")
