"""Surveying a store: every file that is in it, and what needs what.

Nothing is changed and no lock is taken: a file that goes away meanwhile is passed over. What an
entry needs are the blobs of its outputs and what these refer to; source texts only explain. In a
ref's value, at any depth, a member `blob` names a blob and a member `keys` lists entries: these
are all that the engine knows of refs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagrun.engine.errors import StoreError, UnknownVersion
from dagrun.engine.store.durable import store_errors
from dagrun.engine.store.entries import Entry, parse_entry
from dagrun.engine.store.store import Store

HEX = re.compile(r"[0-9a-f]{64}")
ENTRY_NAME = re.compile(r"([0-9a-f]{64})(\.json|\.\d+\.old)")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of the store.

    Attributes:
        path: where it is.
        size: in bytes.
        used: when it was written or last used, in nanoseconds since the epoch.
    """

    path: Path
    size: int
    used: int

    @staticmethod
    def of(path: Path) -> StoredFile | None:
        """Stat a file; None when it is gone, or no plain file."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        if not path.is_file():
            return None
        return StoredFile(path=path, size=found.st_size, used=found.st_mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry's file; `entry` is None when it is damaged, or `other` says its version."""

    key: str
    file: StoredFile
    entry: Entry | None = None
    data: bytes = b""
    other: str = ""

    @property
    def is_present(self) -> bool:
        """Whether it is the key's entry, not one that was replaced."""
        return self.file.path.suffix == ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A store's entries (replaced ones too), its blobs by digest, and what refs need."""

    entries: tuple[StoredEntry, ...]
    blobs: Mapping[str, StoredFile]
    pinned_blobs: Mapping[str, tuple[str, ...]]
    pinned_keys: Mapping[str, tuple[str, ...]]

    def needing(self) -> dict[str, list[Entry]]:
        """Return for each blob the present entries that need it."""
        found: dict[str, list[Entry]] = defaultdict(list)
        for stored in self.entries:
            if stored.entry and stored.is_present:
                for digest in needs(stored.entry):
                    found[digest].append(stored.entry)
        return found


def survey(store: Store) -> Survey:
    """Read all entries and refs, and stat all blobs. A damaged ref pins nothing."""
    blobs, keys = pinned(store)
    return Survey(
        entries=tuple(stored_entries(store)),
        blobs={file.path.name: file for file in files_of(store.blobs.root)},
        pinned_blobs=blobs,
        pinned_keys=keys,
    )


def files_of(folder: Path) -> Iterator[StoredFile]:
    """Yield every plain file beneath a folder, in the order of their paths."""
    with store_errors(folder):
        for path in sorted(folder.rglob("*")):
            if file := StoredFile.of(path):
                yield file


def stored_entries(store: Store) -> Iterator[StoredEntry]:
    """Yield every file that is named like an entry, intact or not."""
    for file in files_of(store.entries.root):
        if not (named := ENTRY_NAME.fullmatch(file.path.name)):
            continue
        try:
            data = file.path.read_bytes()
            entry = parse_entry(data, named[1])
        except FileNotFoundError:
            continue
        except UnknownVersion as error:
            yield StoredEntry(key=named[1], file=file, other=str(error))
        except OSError:
            yield StoredEntry(key=named[1], file=file)
        else:
            yield StoredEntry(key=named[1], file=file, entry=entry, data=data)


def needs(entry: Entry) -> frozenset[str]:
    """Return the blobs without which an entry is a miss."""
    found: set[str] = set()
    for output in entry.outputs.values():
        found.update(output.references, [output.blob] if output.blob else [])
    return frozenset(found)


def snapshot_blobs(entry: Entry) -> frozenset[str]:
    """Return the blobs of what an entry's stage has read from elsewhere."""
    return frozenset(
        output.blob
        for files in entry.snapshots.values()
        for output in files.values()
        if output.blob
    )


def pinned(store: Store) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return the blobs and the keys that refs name in their present states, with these refs."""
    blobs: dict[str, list[str]] = defaultdict(list)
    keys: dict[str, list[str]] = defaultdict(list)
    for name in store.refs.names():
        try:
            ref = store.refs.read(name)
        except StoreError:
            continue
        for member, value in _members(ref.value if ref else None):
            if member == "blob" and isinstance(value, str):
                blobs[value].append(name)
            elif member == "keys" and isinstance(value, Iterable):
                for key in value:
                    keys[key].append(name)
    return _frozen(blobs), _frozen(keys)


def _frozen(found: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(refs) for name, refs in found.items()}


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield name, item
            yield from _members(item)
    elif isinstance(value, list):
        for item in value:
            yield from _members(item)
