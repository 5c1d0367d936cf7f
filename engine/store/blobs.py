"""Blobs: immutable bytes, each named by the BLAKE3 digest of its content.

Guarantee: bytes read through `read` or `verified` are the bytes their name stands for. Putting
the same content twice is harmless and heals a damaged file. Readers take no lock.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from dagrun.engine.canonical import digest_bytes
from dagrun.engine.errors import DamagedBlob
from dagrun.engine.store.durable import (
    fsync_file,
    fsync_folder,
    replace_durably,
    store_errors,
    temporary_path,
    touch,
    write_whole,
)

CHUNK = 8 << 20
"""Bytes hashed at once. A memory map of a large file would count as memory of this process."""


class Blobs:
    """The content-addressed part of a store: `blobs/ab/<digest>`."""

    def __init__(self, root: Path, temporary: Path) -> None:
        self.root, self._temporary = root, temporary

    def path(self, digest: str) -> Path:
        """Where the bytes of `digest` are, or would be."""
        return self.root / f"{digest[:2]}/{digest}"

    def size(self, digest: str) -> int | None:
        """Size in bytes, or None when the blob is not there."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def put_bytes(self, data: bytes, *, durable: bool = True) -> str:
        """Store bytes; return their digest.

        With `durable=False` a power cut may lose them and damage is not healed: for what only
        explains.
        """
        digest = digest_bytes(data)
        path = self.path(digest)
        if not (self.size(digest) == len(data) and touch(path)):
            write_whole(path, data, self._temporary, durable=durable)
        elif durable:
            with store_errors(path):
                is_whole = path.read_bytes() == data
                if is_whole:
                    # Whoever wrote it may have been killed before it was synced.
                    fsync_file(path)
                    fsync_folder(path.parent)
            if not is_whole:
                write_whole(path, data, self._temporary)
        return digest

    def put_file(self, path: Path) -> str:
        """Move a file into the store durably; return its digest. The file must not be in use."""
        digest = digest_file(path)
        with store_errors(path):
            path.chmod(0o444)
            replace_durably(path, self.path(digest))
        return digest

    def new_file(self) -> Path:
        """A fresh path on the store's file system, to be written and then `put_file`."""
        return temporary_path(self._temporary)

    def verified(self, digest: str) -> Path:
        """Return the blob's path after hashing its content. Raises `DamagedBlob`."""
        path = self.path(digest)
        with _readable(digest, path):
            found = digest_file(path)
        if found != digest:
            raise DamagedBlob(digest, f"its content has the digest {found[:12]}")
        return path

    def read(self, digest: str) -> bytes:
        """Return the blob's bytes, verified. Raises `DamagedBlob`."""
        path = self.path(digest)
        with _readable(digest, path):
            data = path.read_bytes()
        found = digest_bytes(data)
        if found != digest:
            raise DamagedBlob(digest, f"its content has the digest {found[:12]}")
        return data

    def drop(self, digest: str) -> None:
        """Remove a damaged blob, if that is possible, so that nobody takes it for present."""
        with contextlib.suppress(OSError):
            self.path(digest).unlink()


@contextlib.contextmanager
def _readable(digest: str, path: Path) -> Iterator[None]:
    """Turn a missing file or a broken sector into `DamagedBlob`."""
    with store_errors(path):
        try:
            yield
        except FileNotFoundError:
            raise DamagedBlob(digest, "it is missing") from None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise DamagedBlob(digest, "the disk cannot read it") from error


def digest_file(path: Path) -> str:
    """Return the BLAKE3 digest of a file's content, read once."""
    size = path.stat().st_size
    if size <= CHUNK:
        return digest_bytes(path.read_bytes())
    hasher, view = blake3(max_threads=blake3.AUTO), memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(view):
            hasher.update(view[:count])
    return hasher.hexdigest()
