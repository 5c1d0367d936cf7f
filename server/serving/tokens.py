"""Bearer tokens: who may call, told apart by secrets that the server does not keep.

Guarantee: the file holds SHA-256 hashes, from which no token can be had back, and a token is
compared with all of them in constant time. Several tokens are valid at once, so that one can be
replaced without a gap. Where it ends: a token is as long-lived as its line, and whoever has it is
believed; without TLS everybody on the way has it. SHA-256 without salt is enough for tokens made by
`new_token` (256 random bits), and too little for passwords: a short token is refused.

A line is `NAME HASH`, and may end in `only=METHOD,METHOD`; `#` begins a comment.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dagrun.engine.errors import DagrunError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_METHOD = re.compile(r"[A-Za-z]+")
_MOST_BYTES = 4_096


class BadTokens(DagrunError):
    """A file of tokens that cannot be used."""

    def __init__(self, path: Path, problem: str, line: int | None = None) -> None:
        self.path, self.line = path, line
        where = f"{path}, line {line}" if line else str(path)
        # The line itself is not shown: by mistake it may hold a token.
        super().__init__(
            f"{where}: {problem}. A line is NAME HASH, and may end in only=METHOD,METHOD; "
            "`dagrun token NAME` writes it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One line of the file.

    Attributes:
        name: whose it is; for people and logs.
        digest: SHA-256 of the token.
        only: names of methods (`Predict`) that it may call; none means all.
    """

    name: str
    digest: bytes = field(repr=False)
    only: frozenset[str] = frozenset()

    def allows(self, method: str) -> bool:
        """Return whether it may call a method, as in `/dagrun.v1.Prediction/Predict`."""
        return not self.only or method.rpartition("/")[2] in self.only


@dataclass(frozen=True, slots=True)
class Tokens:
    """All tokens that are valid at this moment."""

    known: Sequence[Token]

    def find(self, token: str) -> Token | None:
        """Return the line of a token, None for one that is not known."""
        if len(token) > _MOST_BYTES:
            return None
        digest, found = hashlib.sha256(token.encode()).digest(), None
        for line in self.known:
            if hmac.compare_digest(line.digest, digest):
                found = line
        return found

    def __str__(self) -> str:
        return f"{len(self.known)} valid: {', '.join(line.name for line in self.known)}"


def read_tokens(path: Path) -> Tokens:
    """Return the tokens of a file. Raises `BadTokens`, also for a file without any."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise BadTokens(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise BadTokens(path, "it is no text") from error
    lines = [
        _token(path, number, words)
        for number, line in enumerate(text.splitlines(), 1)
        if (words := line.partition("#")[0].split())
    ]
    if not lines:
        raise BadTokens(path, "it has no token, so nobody could call")
    return Tokens(lines)


def new_token(name: str, only: Sequence[str] = ()) -> tuple[str, str]:
    """Return a new random token, and the line that makes it valid. Raises `BadTokens`."""
    token = secrets.token_urlsafe(32)
    words = [name, hashlib.sha256(token.encode()).hexdigest()]
    if only:
        words.append(f"only={','.join(only)}")
    _token(Path("the new line"), None, words)
    return token, " ".join(words)


def _token(path: Path, number: int | None, words: Sequence[str]) -> Token:
    name, digest, *rest = (*words, "")[: max(2, len(words))]
    if not _NAME.fullmatch(name):
        raise BadTokens(path, "the name is not of letters, digits, _ . @ -", number)
    if not _HASH.fullmatch(digest):
        raise BadTokens(path, "the hash is not SHA-256 in 64 small hex digits", number)
    only = rest[0].removeprefix("only=").split(",") if rest else []
    if len(rest) > 1 or (rest and not rest[0].startswith("only=")):
        raise BadTokens(path, "it has words after the hash that are not only=...", number)
    if not all(_METHOD.fullmatch(method) for method in only):
        raise BadTokens(path, "only= wants names of methods such as Predict", number)
    return Token(name=name, digest=bytes.fromhex(digest), only=frozenset(only))
