"""Refs: named pointers with their whole history, changed by compare-and-swap.

Guarantee: an update is applied to exactly the state it was computed from, or refused with
`RefConflict`; history is never rewritten. Updates of one ref are serialised by an OS lock.
A ref cannot be computed again, so there are two of each: a damaged one is never used, its copy
stands in for it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagrun.engine.errors import DagrunError, DefinitionError, StoreError, UnknownVersion
from dagrun.engine.store.durable import store_errors, write_whole
from dagrun.engine.store.locks import Claim, held
from dagrun.engine.store.sealed import claimed, seal, unseal

REF_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """One state of a ref.

    Attributes:
        value: JSON value.
        at: when it was set, ISO 8601 in UTC.
        reason: why, in the words of who did it.
        by: user name.
        number: 1 for the first state, counting up.
    """

    value: Any
    at: str
    reason: str
    by: str
    number: int


class RefConflict(DagrunError):
    """Somebody else changed the ref first."""

    def __init__(self, name: str, expected: Ref | None, found: Ref | None) -> None:
        self.name, self.expected, self.found = name, expected, found
        was = "absent" if expected is None else f"at state {expected.number}"
        now = "absent" if found is None else f"at state {found.number} (by {found.by})"
        super().__init__(f"ref {name!r} was expected {was} and is {now}; look again and retry")


class DamagedRef(StoreError):
    """Neither a ref nor its copy is what was written."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        super().__init__(
            f"ref {name!r} is damaged, and so is its copy ({path}); it is not used. "
            "See what can be done about it: dagrun fsck"
        )


ANY: Any = object()
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)*")


class Refs:
    """All refs of a store: `refs/<name>.json`, where a name may contain slashes, and a copy."""

    def __init__(self, folder: Path, locks: Path, temporary: Path) -> None:
        self.root, self._copies = folder / "refs", folder / "refs-copy"
        self._locks, self._temporary = locks, temporary

    def read(self, name: str) -> Ref | None:
        """Return the ref's present state, or None. Raises as `history` does."""
        history = self.history(name)
        return history[-1] if history else None

    def history(self, name: str) -> tuple[Ref, ...]:
        """Return all states, oldest first; empty when the ref does not exist.

        Raises `DamagedRef` or `UnknownVersion`.
        """
        path, copy = self.paths(name)
        data = _content(path)
        if data is None:
            return ()
        states = parse_ref(name, data)
        if states is None:
            states = parse_ref(name, _content(copy) or b"")
        if states is None:
            raise DamagedRef(name, path)
        return states

    def update(self, name: str, value: Any, *, expect: Ref | None = ANY, reason: str) -> Ref:
        """Set a ref's value; return its new state.

        `expect` is the state the caller saw (None: absent). Raises `RefConflict` otherwise.
        """
        with self.lock(name):
            history = self.history(name)
            present = history[-1] if history else None
            if expect is not ANY and expect != present:
                raise RefConflict(name, expect, present)
            ref = Ref(
                value=value,
                at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
                reason=reason,
                by=_user(),
                number=len(history) + 1,
            )
            self.write(name, (*history, ref))
            return ref

    def lock(self, name: str) -> contextlib.AbstractContextManager[Claim]:
        """Hold the right to change a ref."""
        return held(self._locks, "ref." + name.replace("/", "."))

    def write(self, name: str, history: tuple[Ref, ...]) -> None:
        """Write a ref's whole history, the copy first; call under its lock."""
        states = [_to_json(state) for state in history]
        data = seal(f"ref/{name}", {"version": REF_VERSION, "history": states})
        # A copy that is ahead was never acknowledged; one that is behind would lose a state.
        for path in reversed(self.paths(name)):
            write_whole(path, data, self._temporary)

    def paths(self, name: str) -> tuple[Path, Path]:
        """Return where a ref and its copy are, or would be. Raises `DefinitionError`."""
        if not _NAME.fullmatch(name):
            raise DefinitionError(
                f"{name!r} cannot name a ref: use letters, digits, '_', '-', '.' and '/'"
            )
        return self.root / f"{name}.json", self._copies / f"{name}.json"

    def copied_names(self) -> tuple[str, ...]:
        """Return the names of all refs that have a copy, sorted."""
        return tuple(sorted(_names(self._copies)))

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Return the names of all refs that start with `prefix`, sorted."""
        return tuple(sorted(name for name in _names(self.root) if name.startswith(prefix)))


def parse_ref(name: str, data: bytes) -> tuple[Ref, ...] | None:
    """Return a ref's history, or None if the bytes are not an intact one.

    Raises `UnknownVersion`.
    """
    document = unseal(f"ref/{name}", data)
    if document is None:
        # Refs of version 1 were not sealed.
        if claimed(data, "version") == 1 and claimed(data, "check") is None:
            raise UnknownVersion(f"ref {name!r}", 1, REF_VERSION)
        return None
    if document["version"] != REF_VERSION:
        raise UnknownVersion(f"ref {name!r}", document["version"], REF_VERSION)
    return tuple(Ref(**state) for state in document["history"])


def _content(path: Path) -> bytes | None:
    with store_errors(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def _names(root: Path) -> Iterator[str]:
    for path in root.rglob("*.json"):
        yield path.relative_to(root).as_posix()[: -len(".json")]


def _to_json(ref: Ref) -> dict[str, Any]:
    return {slot: getattr(ref, slot) for slot in Ref.__slots__}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
