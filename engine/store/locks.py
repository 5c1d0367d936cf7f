"""Locks between processes that die with their holder, and whose file may become what is made.

Guarantee: at most one thread of one process on this host holds a given name at a time; the
kernel releases it when the holder ends, however it ends. What `Claim.publish` has written is
there whole or not at all, also after a power cut. The limit: `flock` reaches other hosts only as
far as the shared file system carries it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from dagrun.engine.store.durable import fsync_folder, hold, replace, store_errors, write_all


def is_held(path: Path) -> bool:
    """Tell whether somebody holds the lock behind a file in the folder of locks."""
    return _try(path) is False


def remove_abandoned(folder: Path) -> None:
    """Remove the files of locks whose holders were killed, where that is possible."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            _try(path, path.unlink)


def _try(path: Path, action: Callable[[], None] = lambda: None) -> bool | None:
    """Do something under a lock unless it is held; tell whether; None when it has no file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(path, os.fstat(descriptor)):
            action()
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


class Claim:
    """A lock that is held, and its file, in which what is made under it can be written.

    A file system takes its time to make a file, and longer where many were removed lately: so the
    file of a lock is not thrown away for another one.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self._is_published = False

    def publish(self, data: bytes, target: Path) -> None:
        """Let the lock's file become `target`, durably; once. Raises `StoreUnusable`.

        From the moment the target is there, others can take the lock, too, and will find it.
        """
        with store_errors(target):
            write_all(self._descriptor, data)
            os.fsync(self._descriptor)
            hold(target.parent)
            replace(self._path, target)
            self._is_published = True
            fsync_folder(target.parent)

    def release(self) -> None:
        """Give the lock back. No file of it is left behind."""
        # Unlinked while it is still held: a waiter sees that its file is gone and opens anew.
        if not self._is_published:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


@contextlib.contextmanager
def held(folder: Path, name: str) -> Iterator[Claim]:
    """Hold the lock `name` for a block, waiting for it."""
    path = folder / name
    with store_errors(path):
        claim = Claim(path, _acquire(path))
    try:
        yield claim
    finally:
        claim.release()


def _acquire(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        found = os.fstat(descriptor)
        if _is_at(path, found):
            if found.st_size:
                os.ftruncate(descriptor, 0)  # a holder was killed while it wrote
            return descriptor
        os.close(descriptor)


def _is_at(path: Path, locked: os.stat_result) -> bool:
    """Tell whether a lock's file, that was locked just now, is still the one at `path`."""
    if not locked.st_size:
        return locked.st_nlink > 0  # nothing was published in it
    try:
        return os.path.samestat(locked, path.stat())
    except FileNotFoundError:
        return False
