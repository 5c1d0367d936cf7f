"""Entries: what a key stands for. One small, self-checking JSON file each.

Guarantee: an entry that is returned was written whole, for exactly its key, by a dagrun whose
format this one knows; a damaged one is treated as absent. An entry is written only after its
blobs are durable. A replaced entry is kept beside its successor.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dagrun.engine.canonical import digest, digest_written, to_bytes
from dagrun.engine.errors import UnknownVersion
from dagrun.engine.events import Output
from dagrun.engine.store.durable import store_errors, touch, write_whole

ENTRY_VERSION = 1


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
        texts: source text blobs of the code version's symbols, for `dagrun why`.
        sizes: bytes of each file of each source param when it was read, for `dagrun why`.
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
    texts: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
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
        body = to_bytes(form)
        check = digest_written("entry", body).encode()
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
    try:
        document = json.loads(data)
        version, body = document["version"], document["entry"]
        is_whole = document["check"] == digest("entry", body)
        if version != ENTRY_VERSION and not is_whole:
            raise UnknownVersion(f"entry {key[:12]}", version, ENTRY_VERSION)
        # Another version guards its body in another way: with this check, its number is damaged.
        if version != ENTRY_VERSION or not is_whole or body["key"] != key:
            return None
        outputs = {name: output_from_form(form) for name, form in body["outputs"].items()}
        producers = {name: (found, output) for name, (found, output) in body["producers"].items()}
        return Entry(**{**body, "outputs": outputs, "producers": producers})
    except (ValueError, KeyError, TypeError):
        return None


class Entries:
    """All entries of a store: `entries/ab/<key>.json`."""

    def __init__(self, root: Path, temporary: Path) -> None:
        self.root, self._temporary = root, temporary

    def path(self, key: str) -> Path:
        """Where the entry of `key` is, or would be."""
        return self.root / f"{key[:2]}/{key}.json"

    def read(self, key: str) -> Entry | None:
        """Return the entry of `key`, or None when there is no intact one."""
        path = self.path(key)
        with store_errors(path):
            try:
                data = path.read_bytes()
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

    def write(self, entry: Entry) -> None:
        """Publish an entry durably; its blobs must be durable already. Call under its lock."""
        path = self.path(entry.key)
        data = entry.to_bytes()
        if path.exists():
            # It may be collected at this very moment.
            with contextlib.suppress(FileNotFoundError):
                self._keep_old(path, entry.key)
        write_whole(path, data, self._temporary)

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
