"""Snapshots: what was read from a source that is elsewhere, kept as artifacts of the store.

Guarantee: one plan or run reads a source at most once, and everything in it sees the same data;
what is elsewhere may change meanwhile. A snapshot whose data is damaged or gone is taken anew. Of
several processes that want the same snapshot one reads. The limit: within its `max_age` nothing is
asked, so a change elsewhere is not noticed before.

The file of a snapshot only saves reading again: without it, or with a damaged one, its source is
read. The data that results rest on is kept by their entries.
"""

from __future__ import annotations

import atexit
import functools
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dagrun.engine.canonical import Json, digest
from dagrun.engine.errors import UnknownVersion
from dagrun.engine.events import Output
from dagrun.engine.store.durable import touch, write_whole
from dagrun.engine.store.entries import output_from_form
from dagrun.engine.store.locks import held
from dagrun.engine.store.sealed import seal, unseal
from dagrun.engine.store.store import Store

VERSION = 1
FOLDER, DOMAIN = "snapshots", "snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a source held at one moment.

    Attributes:
        files: its tables or files by name, each a stored artifact.
        taken: when it was last known to be true, in seconds since the epoch.
        seen: what tells whether it still is: versions, validators; JSON.
    """

    files: Mapping[str, Output]
    taken: float
    seen: Mapping[str, Json] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(output.size for output in self.files.values())


class Request(Protocol):
    """A source as snapshots are taken of it."""

    @property
    def request(self) -> Json:
        """What decides which data is read, without secrets."""
        ...

    @property
    def age(self) -> float | None:
        """Seconds for which a snapshot stands without asking; None if there is no such time."""
        ...

    def take(self, known: Snapshot | None, at: Snapshots) -> Snapshot:
        """Read the source, or find that `known` still holds. Raises `DagrunError`."""
        ...


class Snapshots:
    """The snapshots of one project, as one plan or run sees them; safe to share between threads.

    Attributes:
        root: the folder that relative paths start from.
        settled: the snapshots that are not to be asked for again, by request.
        anew: whether the others are read whatever is known of them.
    """

    def __init__(
        self,
        root: Path,
        settled: dict[str, Snapshot] | None = None,
        *,
        anew: bool = False,
        home: Path | None = None,
    ) -> None:
        self.root, self.anew = root, anew
        self.settled: dict[str, Snapshot] = {} if settled is None else settled
        self._home, self._lock = home or root, threading.RLock()

    @functools.cached_property
    def store(self) -> Store:
        """Where snapshots are kept: the project's store, or that of `home`."""
        return Store.open(self._home)

    def forced(self) -> Snapshots:
        """Return the same snapshots, but `anew`."""
        return Snapshots(self.root, self.settled, anew=True, home=self._home)

    def of(self, source: Request) -> Snapshot:
        """Return the snapshot of a source, taking it if need be. Raises `DagrunError`."""
        name = request_digest(source)
        with self._lock:
            if name not in self.settled:
                with held(self.store.locks, f"{DOMAIN}.{name}"):
                    self.settled[name] = self._current(name, source)
            return self.settled[name]

    def _current(self, name: str, source: Request) -> Snapshot:
        known = None if self.anew else self._read(name)
        now = time.time()
        if known and source.age is not None and 0 <= now - known.taken < source.age:
            return known
        found = source.take(known, self)
        same = known and (known.files, known.seen) == (found.files, found.seen)
        if source.age is not None or not same:
            self._write(name, source, found)
        return found

    def path(self, name: str) -> Path:
        """Return where the snapshot of a request is remembered."""
        return self.store.folder / FOLDER / f"{name}.json"

    def _read(self, name: str) -> Snapshot | None:
        """Return the snapshot that is remembered if all its data is there, noted as in use."""
        path = self.path(name)
        try:
            form = unseal(DOMAIN, path.read_bytes())
        except FileNotFoundError:
            return None
        if form is None:
            return None
        if form["version"] != VERSION:
            raise UnknownVersion(str(path), form["version"], VERSION)
        files = {file: output_from_form(each) for file, each in form["files"].items()}
        blobs = self.store.blobs
        for output in files.values():
            blob = output.blob or ""
            if not touch(blobs.path(blob)) or blobs.size(blob) != output.size:
                return None
        return Snapshot(files=files, taken=form["taken"], seen=form["seen"])

    def _write(self, name: str, source: Request, snapshot: Snapshot) -> None:
        form: dict[str, Any] = {
            "version": VERSION,
            "request": source.request,
            "files": {file: asdict(output) for file, output in snapshot.files.items()},
            "taken": snapshot.taken,
            "seen": dict(snapshot.seen),
        }
        write_whole(self.path(name), seal(DOMAIN, form), self.store.temporary)


def request_digest(source: Request) -> str:
    """Return the name under which the snapshot of a source is remembered."""
    return digest("snapshot", source.request)


@functools.cache
def private() -> Snapshots:
    """Return what sources that nobody has bound are read into; it ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="dagrun-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    return Snapshots(Path(), home=Path(folder.name))
