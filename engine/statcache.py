"""The stat shortcut: a file whose stat has not moved keeps the digest it had.

Guarantee: a remembered digest is used only if size, mtime, ctime and inode are all unchanged and
the file was at rest when it was read: both times at least `RESTING_NS` older than the reading
(Git calls such an entry racily clean), so an edit within the clock's resolution is never missed.
The limit: somebody who rewrites a file in place and sets the system clock back is not noticed.

The remembered digests are a shortcut only: without the file, or with a damaged one, they are
computed again.
"""

from __future__ import annotations

import threading
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from blake3 import blake3

from dagrun.engine.errors import DagrunError, UnknownVersion
from dagrun.engine.receipts.stamps import RESTING_NS
from dagrun.engine.store.durable import write_whole
from dagrun.engine.store.sealed import seal, unseal

STATS_VERSION = 1
CHUNK = 1 << 20
ATTEMPTS = 3


class ChangingFile(DagrunError):
    """A file is being written while it is read, so it has no content to speak of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} changed while it was read, {ATTEMPTS} times in a row. Wait for its writer "
            "to finish, or have it write elsewhere and rename the finished file into place"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What `stat` says of a file's content; times in nanoseconds."""

    size: int
    mtime_ns: int
    ino: int
    ctime_ns: int

    @staticmethod
    def of(path: Path) -> Stamp:
        """Stat a file, following links. Raises `OSError`."""
        found = path.stat()
        return Stamp(
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            ino=found.st_ino,
            ctime_ns=found.st_ctime_ns,
        )

    def rested(self, now_ns: int) -> bool:
        """Tell whether the file had been left alone for `RESTING_NS` at the time `now_ns`."""
        return now_ns - max(self.mtime_ns, self.ctime_ns) > RESTING_NS


class StatCache:
    """Digests of files by path, kept in one JSON file; safe to share between threads.

    Without a `path` nothing is remembered beyond this object. Call `save` when done.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._known = _read(path) if path else {}
        self._changed = False
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[StatCache], tuple[Path | None]]:
        return StatCache, (self.path,)

    def digest(self, file: Path) -> str:
        """Return the BLAKE3 digest of a file's content (64 hexadecimal digits).

        Raises `OSError` for a file that cannot be read and `ChangingFile` for one in motion.
        """
        name = str(file.absolute())
        for _ in range(ATTEMPTS):
            now, before = time.time_ns(), Stamp.of(file)
            stamp, digest = self._known.get(name, (None, ""))
            if stamp == before:
                return digest
            digest = digest_file(file)
            if Stamp.of(file) == before:
                self._remember(name, before, digest, now)
                return digest
        raise ChangingFile(file)

    def _remember(self, name: str, stamp: Stamp, digest: str, now_ns: int) -> None:
        with self._lock:
            if stamp.rested(now_ns):
                self._known[name] = (stamp, digest)
                self._changed = True
            else:
                self._changed |= self._known.pop(name, None) is not None

    def save(self) -> None:
        """Replace the JSON file atomically if anything was learnt; forget files that are gone.

        Raises `StoreUnusable`.
        """
        with self._lock:
            if not (self.path and self._changed):
                return
            files = {
                name: [*astuple(stamp), digest]
                for name, (stamp, digest) in sorted(self._known.items())
                if Path(name).exists()
            }
            document = seal("stats", {"version": STATS_VERSION, "files": files})
            temporary = self.path.parent / "tmp"
            temporary.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, document, temporary)
            self._changed = False


def _read(path: Path) -> dict[str, tuple[Stamp, str]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    document = unseal("stats", data)
    if document is None:
        # What is damaged, or was written before it was sealed, is computed again.
        return {}
    if document["version"] != STATS_VERSION:
        raise UnknownVersion(str(path), document["version"], STATS_VERSION)
    return {
        name: (Stamp(size=size, mtime_ns=mtime, ino=ino, ctime_ns=ctime), digest)
        for name, (size, mtime, ino, ctime, digest) in document["files"].items()
    }


def digest_file(file: Path) -> str:
    """Return the BLAKE3 digest of a file's bytes, read in pieces. Raises `OSError`."""
    hasher = blake3()
    buffer = memoryview(bytearray(CHUNK))
    with file.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            hasher.update(buffer[:count])
    return hasher.hexdigest()
