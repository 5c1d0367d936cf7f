"""Refs: named pointers with their whole history, changed by compare-and-swap.

Guarantee: an update is applied to exactly the state it was computed from, or refused with
`RefConflict`; history is never rewritten. Updates of one ref are serialised by an OS lock.
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagrun.engine.canonical import to_bytes
from dagrun.engine.errors import DagrunError, DefinitionError, StoreError, UnknownVersion
from dagrun.engine.store.durable import write_whole
from dagrun.engine.store.locks import held

REF_VERSION = 1


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


ANY: Any = object()
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)*")


class Refs:
    """All refs of a store: `refs/<name>.json`, where a name may contain slashes."""

    def __init__(self, root: Path, locks: Path, temporary: Path) -> None:
        self._root, self._locks, self._temporary = root, locks, temporary

    def read(self, name: str) -> Ref | None:
        """Return the ref's present state, or None."""
        history = self.history(name)
        return history[-1] if history else None

    def history(self, name: str) -> tuple[Ref, ...]:
        """Return all states, oldest first; empty when the ref does not exist."""
        path = self._path(name)
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            return ()
        except ValueError as error:
            raise StoreError(f"ref {name!r} is damaged ({path}: {error})") from error
        if document.get("version") != REF_VERSION:
            raise UnknownVersion(f"ref {name!r}", document.get("version"), REF_VERSION)
        return tuple(Ref(**state) for state in document["history"])

    def update(self, name: str, value: Any, *, expect: Ref | None = ANY, reason: str) -> Ref:
        """Set a ref's value; return its new state.

        `expect` is the state the caller saw (None: absent). Raises `RefConflict` otherwise.
        """
        with held(self._locks, "ref." + name.replace("/", ".")):
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
            states = [_to_json(state) for state in (*history, ref)]
            data = to_bytes({"version": REF_VERSION, "history": states}) + b"\n"
            write_whole(self._path(name), data, self._temporary)
            return ref

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Return the names of all refs that start with `prefix`, sorted."""
        paths = self._root.rglob("*.json")
        names = (path.relative_to(self._root).as_posix()[: -len(".json")] for path in paths)
        return tuple(sorted(name for name in names if name.startswith(prefix)))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise DefinitionError(
                f"{name!r} cannot name a ref: use letters, digits, '_', '-', '.' and '/'"
            )
        return self._root / f"{name}.json"


def _to_json(ref: Ref) -> dict[str, Any]:
    return {slot: getattr(ref, slot) for slot in Ref.__slots__}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
