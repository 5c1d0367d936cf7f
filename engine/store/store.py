"""The store: key -> entry -> artifacts, with few verbs.

Guarantee: what `find` returns is complete (every blob is there, with the right size), what
`load` returns has the content its digest names, and what `commit` has accepted survives a
crash. A damaged blob is removed when it is met, so its entry becomes a miss and heals by being
recomputed. The limit: bytes that rot on disk are noticed when they are loaded, not before.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dagrun.engine.canonical import to_bytes
from dagrun.engine.codec import DOCUMENT_CODEC, codec_name, find_codec
from dagrun.engine.documents import document_digest, from_form, to_form
from dagrun.engine.errors import DamagedBlob, StoreError, UnknownVersion
from dagrun.engine.events import Output
from dagrun.engine.lists import gather, is_list
from dagrun.engine.store import locks
from dagrun.engine.store.blobs import Blobs
from dagrun.engine.store.durable import fsync_folder, remove_abandoned, store_errors, write_whole
from dagrun.engine.store.entries import Entries, Entry
from dagrun.engine.store.locks import Claim, held
from dagrun.engine.store.refs import Refs
from dagrun.engine.store.sealed import claimed, seal, unseal

FORMAT_VERSION = 1
FORM = {"version": FORMAT_VERSION}
MARKER = "format.json"
FOLDERS = ("tmp", "locks", "runs", "blobs", "entries", "refs")
IGNORED = b"*\n"
RUN_LOCK = "run."
INLINE_LIMIT = 8192
"""Documents up to this many bytes live in their entry: one file less, one fsync less."""
INLINE_TEXTS = 4096
"""Source texts live in their entry up to this many bytes in all; the larger ones are blobs."""


class DamagedMarker(StoreError):
    """The file that says which format a store has is not what was written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path}, which says what format the store has, is damaged; nothing was read or "
            "written. Mend it with: dagrun fsck --repair"
        )


class Store:
    """A project's `.dagrun` folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.runs = folder / "runs"
        self.locks = folder / "locks"
        self.blobs = Blobs(folder / "blobs", self.temporary)
        self.entries = Entries(folder / "entries")
        self.refs = Refs(folder, self.locks, self.temporary)

    @classmethod
    def open(cls, root: Path) -> Store:
        """Open the store of the project at `root`, creating it if need be.

        Raises `StoreUnusable` when it cannot be written, `UnknownVersion` for another format,
        `DamagedMarker` when its format cannot be told.
        """
        store = cls(root / ".dagrun")
        marker = store.folder / MARKER
        with store_errors(store.folder):
            try:
                check_marker(store.folder, marker.read_bytes())
            except FileNotFoundError:
                store.make()
            remove_abandoned(store.temporary)
            locks.remove_abandoned(store.locks)
        return store

    def make(self) -> None:
        """Make what an empty store consists of, or what is missing of it, durably."""
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / ".gitignore").write_bytes(IGNORED)
        write_whole(self.folder / MARKER, seal("format", FORM), self.temporary)
        fsync_folder(self.folder.parent)

    def use(self, key: str) -> Entry | None:
        """Do what `find` does, and note the use, so that `gc` keeps what a run relies on."""
        # In this order: an entry that is still there after it was touched will not be collected.
        return self.find(key) if self.entries.touch(key) else None

    def find(self, key: str) -> Entry | None:
        """Return the entry of `key` if it and all its blobs are there, else None."""
        entry = self.entries.read(key)
        if entry is None or not all(map(self._is_complete, entry.outputs.values())):
            return None
        return entry

    def _is_complete(self, output: Output) -> bool:
        if output.blob is not None and self.blobs.size(output.blob) != output.size:
            return False
        return all(self.blobs.size(reference) is not None for reference in output.references)

    def dump(self, value: Any) -> Output:
        """Store a value by its type's codec, durably, and describe it.

        Raises `DefinitionError` when no codec takes it, `StoreUnusable` when it cannot be written.
        """
        name = codec_name(value)
        if name == DOCUMENT_CODEC:
            form = to_form(value)
            data = to_bytes(form)
            if len(data) <= INLINE_LIMIT:
                # Read back: the run that makes it sees its members in the order all others do.
                inline, logical = json.loads(data), document_digest(form)
                return Output(codec=name, inline=inline, logical=logical, size=len(data))
        path = self.blobs.new_file()
        try:
            with store_errors(path):
                dumped = find_codec(name).dump(value, path)
                size = path.stat().st_size
            blob = self.blobs.put_file(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Output(
            codec=name,
            blob=blob,
            logical=dumped.logical or blob,
            size=size,
            rows=dumped.rows,
            columns=dict(dumped.columns),
            references=tuple(dumped.references),
        )

    def load(self, output: Output, wanted: Any = None) -> Any:
        """Return the artifact, its bytes verified; `wanted` is the consumer's annotation.

        Raises `DamagedBlob`, after making the entries that name the blob misses.
        """
        if is_list(output):
            return gather(output, wanted, self.load)
        if output.blob is None:
            return from_form(output.inline, wanted)
        try:
            path = self.blobs.verified(output.blob)
        except DamagedBlob:
            self.blobs.drop(output.blob)
            raise
        return find_codec(output.codec).load(path, wanted)

    def commit(
        self, claim: Claim, entry: Entry, texts: Mapping[str, str], *, force: bool = False
    ) -> Entry:
        """Publish an entry under the lock of its key, and the source texts that explain it.

        An intact entry of the key is kept, unless `force`. Returns the one that stands.
        """
        if not force and (present := self.use(entry.key)):
            return present
        inline: dict[str, str] = {}
        blobs: dict[str, str] = {}
        room = INLINE_TEXTS
        for symbol, text in sorted(texts.items(), key=lambda item: (len(item[1]), item[0])):
            data = text.encode()
            room -= len(data)
            if room >= 0:
                inline[symbol] = text
            else:
                blobs[symbol] = self.blobs.put_bytes(data, durable=False)
        entry = replace(entry, inline_texts=inline, texts=blobs)
        self.entries.write(entry, claim)
        return entry

    def text(self, entry: Entry, symbol: str) -> str | None:
        """Return the source text that an entry keeps of a symbol; None if there is none.

        Raises `DamagedBlob` when it is no longer stored.
        """
        if symbol in entry.texts:
            return self.blobs.read(entry.texts[symbol]).decode()
        return entry.inline_texts.get(symbol)

    def lock(self, key: str) -> contextlib.AbstractContextManager[Claim]:
        """Hold the right to compute `key`: one holder at a time, in all processes."""
        return held(self.locks, key)

    def running(self, run_id: str) -> contextlib.AbstractContextManager[Claim]:
        """Keep what is used from now on from being collected while the block lasts."""
        return held(self.locks, RUN_LOCK + run_id)


def check_format(store: Store) -> None:
    """Raise `UnknownVersion` for a store of another format; a damaged marker says nothing."""
    with store_errors(store.folder), contextlib.suppress(FileNotFoundError, DamagedMarker):
        check_marker(store.folder, (store.folder / MARKER).read_bytes())


def check_marker(folder: Path, data: bytes) -> None:
    """Raise `UnknownVersion` or `DamagedMarker` unless a store of this format has such a marker."""
    form = unseal("format", data)
    if form is None and claimed(data, "check") is None and claimed(data, "version") is not None:
        form = {"version": claimed(data, "version")}  # as written before markers were sealed
    if form is None:
        raise DamagedMarker(folder / MARKER)
    if form["version"] != FORMAT_VERSION:
        raise UnknownVersion(f"the store {folder}", form["version"], FORMAT_VERSION)
