"""Entries: what a key stands for. One small, self-checking JSON file each.

Guarantee: an entry that is returned was written whole, for exactly its key, by a dagrun whose
format this one knows; a damaged one is treated as absent. An entry is written only after its
blobs are durable. A replaced entry is kept beside its successor. Entries of version 1 are read.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dagrun.engine.canonical import digest_written, to_bytes
from dagrun.engine.errors import UnknownVersion
from dagrun.engine.events import Output
from dagrun.engine.store.durable import (
    fsync_file,
    fsync_folder,
    read_whole,
    store_errors,
    touch,
)
from dagrun.engine.store.locks import Claim
from dagrun.engine.store.sealed import claimed

ENTRY_VERSION = 2
_FRAME = re.compile(rb'\{"check":"([0-9a-f]{64})","entry":(.+),"version":(\d{1,9})\}\n', re.DOTALL)
_GUARDS = {1: "entry", 2: "entry/2"}
"""The domain of the check by version, of those that are read; each guards its body in its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The committed result of one stage under one key.

    Attributes:
        key: digest of `preimage`.
        stage: name of the stage that made it.
        preimage: everything that determines the result, as a JSON form.
        outputs: the artifacts, by name.
        producers: for each input, the key and output name that it was read from; for each
            element of a mapped stage the same, under `[0]`, `[1]`, ...
        inline_texts: source texts of the code version's symbols, for `dagrun why`; small ones.
        texts: blobs of the other source texts, by symbol.
        sizes: bytes of each file of each source param when it was read, for `dagrun why`.
        snapshots: what each source param that is elsewhere was read into, by file or table.
        seconds: how long the stage's function took.
        created: when, ISO 8601 in UTC.
        accepted: empty for a computed result; else by whom, when and why the result under the key
            `stands` was accepted for this key, and the digests of the code that differs.
        environment: versions and host facts, for people; not part of the key.
    """

    key: str
    stage: str
    preimage: Mapping[str, Any]
    outputs: Mapping[str, Output]
    producers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    inline_texts: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    snapshots: Mapping[str, Mapping[str, Output]] = field(default_factory=dict)
    seconds: float = 0.0
    created: str = ""
    accepted: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def elements(self) -> tuple[str, ...]:
        """Keys of its elements' entries, in order, if a mapped stage made it; else none."""
        keys: list[str] = []
        while (name := f"[{len(keys)}]") in self.producers:
            keys.append(self.producers[name][0])
        return tuple(keys)

    def to_bytes(self) -> bytes:
        """The entry's file content: a JSON document and the digest that guards it."""
        form = _form(self)
        form["outputs"] = {name: _form(output) for name, output in self.outputs.items()}
        form["snapshots"] = {
            param: {name: _form(output) for name, output in files.items()}
            for param, files in self.snapshots.items()
        }
        if not self.snapshots:
            del form["snapshots"]  # as entries were before there were any
        body = to_bytes(form)
        check = digest_written(_GUARDS[ENTRY_VERSION], body).encode()
        # Canonical as it stands: written once, since there are as many entries as stages.
        return b'{"check":"%b","entry":%b,"version":%d}\n' % (check, body, ENTRY_VERSION)


def _form(value: Entry | Output) -> dict[str, Any]:
    return {item.name: getattr(value, item.name) for item in fields(value)}


def output_from_form(form: Mapping[str, Any]) -> Output:
    """Rebuild an `Output` from its JSON form."""
    columns = {name: (dtype, found) for name, (dtype, found) in form["columns"].items()}
    return Output(**{**form, "columns": columns, "references": tuple(form["references"])})


def parse_entry(data: bytes, key: str) -> Entry | None:
    """Return the entry, or None if the bytes are not an intact entry of `key`.

    Raises `UnknownVersion` for an entry of another format.
    """
    framed = _FRAME.fullmatch(data)
    if framed and _fits(framed, _GUARDS.get(int(framed[3]))):
        return _from_form(json.loads(framed[2]), key)
    version = claimed(data, "version")
    # With the check of a version that is known, the number is what is damaged.
    is_ours = framed is not None and any(_fits(framed, guard) for guard in _GUARDS.values())
    if version is None or version in list(_GUARDS) or is_ours:
        return None
    raise UnknownVersion(f"entry {key[:12]}", version, ENTRY_VERSION)


def _fits(framed: re.Match[bytes], guard: str | None) -> bool:
    return guard is not None and digest_written(guard, framed[2]).encode() == framed[1]


def _from_form(body: dict[str, Any], key: str) -> Entry | None:
    if body["key"] != key:
        return None
    outputs = {name: output_from_form(form) for name, form in body["outputs"].items()}
    producers = {name: (found, output) for name, (found, output) in body["producers"].items()}
    snapshots = {
        param: {name: output_from_form(form) for name, form in files.items()}
        for param, files in body.get("snapshots", {}).items()
    }
    made = {"outputs": outputs, "producers": producers, "snapshots": snapshots}
    return Entry(**{**body, **made})


class Entries:
    """All entries of a store: `entries/ab/<key>.json`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Where the entry of `key` is, or would be."""
        return self.root / f"{key[:2]}/{key}.json"

    def read(self, key: str) -> Entry | None:
        """Return the entry of `key`, or None when there is no intact one."""
        path = self.path(key)
        with store_errors(path):
            try:
                data = read_whole(path)
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return None
        return parse_entry(data, key)

    def touch(self, key: str) -> bool:
        """Note that an entry is in use now; tell whether it has a file."""
        return touch(self.path(key))

    def settle(self, key: str) -> None:
        """Make an entry that is there durable; whoever published it may not have come to that."""
        path = self.path(key)
        with store_errors(path):
            fsync_file(path)
            fsync_folder(path.parent)

    def write(self, entry: Entry, claim: Claim) -> None:
        """Publish an entry durably under its lock; its blobs must be durable already."""
        path = self.path(entry.key)
        data = entry.to_bytes()
        if path.exists():
            # It may be collected at this very moment.
            with contextlib.suppress(FileNotFoundError):
                self._keep_old(path, entry.key)
        claim.publish(data, path)

    def retire(self, key: str) -> None:
        """Make a key a miss, keeping its entry as one that was replaced. Call under its lock."""
        path = self.path(key)
        with store_errors(path):
            self._keep_old(path, key)
            path.unlink(missing_ok=True)

    def _keep_old(self, path: Path, key: str) -> None:
        taken = {old.name for old in path.parent.glob(f"{key}.*.old")}
        names = (f"{key}.{number}.old" for number in itertools.count())
        path.with_name(next(name for name in names if name not in taken)).hardlink_to(path)

    def keys(self) -> Iterator[str]:
        """All keys that have an entry file, intact or not."""
        return (path.stem for path in sorted(self.root.glob("??/*.json")))
